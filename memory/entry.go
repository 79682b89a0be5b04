package memory

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"unsafe"

	"github.com/cachewire/cachewire/core"
)

// An entry is an item as a shard holds it. It is the first part of one block of memory, in
// which the key and the value follow, or the first field of a boxedEntry. The fields that
// readers use without the shard's lock are atomic or never change.
//
// Only this file uses package unsafe. It relies on these rules:
//
//   - Only newBlock makes blocks. A block contains no pointers, so that the garbage
//     collector need not look inside. It is aligned to 8 bytes, as the allocator aligns
//     all blocks of more than 16 bytes.
//   - In a block the key begins where the entry ends. The value begins where the key ends,
//     or for a counter at the next multiple of 8. Their sizes are those that the block was
//     made for, and never change.
//   - An entry of kind large or shared is the first field of a boxedEntry.
//   - All entries of a Backend have a tail of bounds.tailWords words, or none of them has one.
//     The tail of a block begins at the first multiple of 8 after the value. A boxedEntry with
//     a tail is the first field of a tailedEntry.
//   - A pointer to an entry keeps all of its block, or of its boxedEntry, in memory.
type entry struct {
	deadline  atomic.Int64 // when the item expires, as a time of Backend.now; 0 if never
	hash      uint32       // the part of the key's hash that homeOf returns
	place     uint32       // in its queue, with a bound; guarded by the shard's lock
	keySize   uint32       // the length of the key; the upper 8 bits are the kind
	valueSize uint32       // the length of the value in the block, or the Size of a shared one
	flags     uint32       // of the item

	// reads is how often the entry was read since it came into its queue, at most maxReads.
	// Its queueBit says which queue that is.
	reads atomic.Uint32
}

// A kind is how an entry holds its value.
type kind uint8

const (
	plain   kind = iota // as bytes in the block
	counter             // as a tally in the block
	large               // as bytes in a boxedEntry
	shared              // as the Go value that core.Shared stored, in a boxedEntry
)

// A tally is the state of a counter. The shard's lock guards it.
type tally struct {
	number  uint64
	version uint64 // how often number was changed
}

// A counterToken is the token of a counter, with room for the digits that were read with it.
type counterToken struct {
	entry   *entry
	version uint64
	digits  [20]byte
}

// A boxedEntry is an entry with a value outside the entry's own memory.
type boxedEntry struct {
	entry
	key    string
	value  []byte // if the kind is large; its capacity is its length
	shared any    // if the kind is shared
}

// A tailedEntry is a boxedEntry with a tail.
type tailedEntry struct {
	boxedEntry
	words [maxTailWords]atomic.Int64
}

// maxTailWords is the largest number of words in a tail.
const maxTailWords = 2

const (
	entrySize      = int(unsafe.Sizeof(entry{}))
	tallySize      = int(unsafe.Sizeof(tally{}))
	boxedEntrySize = int(unsafe.Sizeof(boxedEntry{}))

	// bucketSize is 64 on 64-bit systems, a line of the processor's cache, and 40 on 32-bit
	// systems.
	bucketSize  = int(unsafe.Sizeof(bucket{}))
	pointerSize = int(unsafe.Sizeof(uintptr(0)))

	// maxPlain is the size of the largest value that is kept in a block.
	maxPlain = 1 << 20
)

// newBlock returns an entry with a copy of key, and room for a value and a tail of words.
func newBlock(hash uint32, key string, k kind, valueSize int, flags uint32, words int) *entry {
	size := entrySize + len(key) + valueSize
	if k == counter {
		size = tallyOffset(len(key)) + tallySize
	}
	size = withTail(size, words)
	block := make([]byte, size)
	copy(block[entrySize:], key)
	e := (*entry)(unsafe.Pointer(unsafe.SliceData(block)))
	e.hash, e.keySize, e.valueSize, e.flags =
		hash, uint32(len(key))|uint32(k)<<24, uint32(valueSize), flags
	return e
}

// newEntry returns an entry with copies of key and value, and a tail of words.
func newEntry(hash uint32, key string, value []byte, flags uint32, words int) *entry {
	if len(value) > maxPlain {
		b := newBoxedEntry(hash, key, large, flags, words)
		b.value = append([]byte(nil), value...)
		b.value = b.value[:len(value):len(value)]
		return &b.entry
	}
	e := newBlock(hash, key, plain, len(value), flags, words)
	copy(e.plainValue(), value)
	return e
}

func newBoxedEntry(hash uint32, key string, k kind, flags uint32, words int) *boxedEntry {
	b := &boxedEntry{}
	if words > 0 {
		b = &new(tailedEntry).boxedEntry
	}
	b.key = strings.Clone(key)
	b.hash, b.keySize, b.flags = hash, uint32(len(key))|uint32(k)<<24, flags
	return b
}

// toCounter returns a counter with the number n to replace e. It has the key, the flags, the
// deadline and the tail of e, which has so many words.
func (e *entry) toCounter(n uint64, words int) *entry {
	c := newBlock(e.hash, e.key(), counter, 0, e.flags, words)
	c.deadline.Store(e.deadline.Load())
	for i := range words {
		c.tail(i).Store(e.tail(i).Load())
	}
	c.tally().number = n
	return c
}

func (e *entry) kind() kind { return kind(e.keySize >> 24) }

func (e *entry) keyLen() int { return int(e.keySize & 0xffffff) }

// boxed returns the boxedEntry of an entry of kind large or shared.
func (e *entry) boxed() *boxedEntry { return (*boxedEntry)(unsafe.Pointer(e)) }

func (e *entry) key() string {
	if e.kind() >= large {
		return e.boxed().key
	}
	return unsafe.String((*byte)(unsafe.Add(unsafe.Pointer(e), entrySize)), e.keyLen())
}

// plainValue returns the value of an entry of kind plain. Its capacity is its length.
func (e *entry) plainValue() []byte {
	if e.valueSize == 0 { // the block may end with the key
		return []byte{}
	}
	value := unsafe.Add(unsafe.Pointer(e), entrySize+e.keyLen())
	return unsafe.Slice((*byte)(value), int(e.valueSize))
}

// tallyOffset returns the offset in a block at which the tally of a counter begins.
func tallyOffset(keyLen int) int { return entrySize + (keyLen+7)&^7 }

// tally returns the tally of an entry of kind counter.
func (e *entry) tally() *tally {
	return (*tally)(unsafe.Add(unsafe.Pointer(e), tallyOffset(e.keyLen())))
}

// withTail returns the size of a block of size bytes with a tail of words.
func withTail(size, words int) int {
	if words == 0 {
		return size
	}
	return (size+7)&^7 + 8*words
}

// tail returns word i of the tail.
func (e *entry) tail(i int) *atomic.Int64 {
	size := entrySize + e.keyLen() + int(e.valueSize)
	switch e.kind() {
	case counter:
		size = tallyOffset(e.keyLen()) + tallySize
	case large, shared:
		return &(*tailedEntry)(unsafe.Pointer(e)).words[i]
	}
	return (*atomic.Int64)(unsafe.Add(unsafe.Pointer(e), withTail(size, i+1)-8))
}

// item returns the value and the token of an entry that is not of kind shared. For a
// counter, the caller must hold the shard's lock.
func (e *entry) item() (value []byte, token any) {
	switch e.kind() {
	case plain:
		return e.plainValue(), e
	case counter:
		t := e.tally()
		r := &counterToken{entry: e, version: t.version}
		return slices.Clip(strconv.AppendUint(r.digits[:0], t.number, 10)), r
	}
	return e.boxed().value, e
}

// matches reports whether token was made for the present state of e.
func (e *entry) matches(token any) bool {
	if r, ok := token.(*counterToken); ok {
		return r.entry == e && r.version == e.tally().version
	}
	return token == any(e)
}

// number returns the value of e as a number. The caller must hold the shard's lock.
func (e *entry) number() (uint64, error) {
	switch e.kind() {
	case counter:
		return e.tally().number, nil
	case shared:
		return 0, core.ErrNotNumber
	}
	value, _ := e.item()
	return core.ParseCount(value)
}

var (
	errHoldsShared = fmt.Errorf(
		"%w: the key holds a Go value, stored through core.Shared", core.ErrCodec)
	errHoldsBytes = fmt.Errorf(
		"%w: the key holds bytes, not a value of core.Shared", core.ErrCodec)
)

func (e *entry) expired(now int64) bool {
	deadline := e.deadline.Load()
	return deadline != 0 && now >= deadline
}

// readCounts count reads. There are several counters, and a goroutine mostly uses the same
// one, so that processors seldom compete for the same line of their caches.
type readCounts [64]readCount

type readCount struct {
	hits, misses atomic.Uint64
	_            [48]byte
}

// ofGoroutine returns the counter of the calling goroutine, chosen by the address of its
// stack.
func (r *readCounts) ofGoroutine() *readCount {
	var onStack byte
	return &r[uintptr(unsafe.Pointer(&onStack))>>11%uintptr(len(r))]
}

// classSize returns how many bytes the allocator uses for an object of n bytes.
func classSize(n int) int {
	if n <= maxSmall {
		return int(smallClasses[(n+7)/8])
	}
	return largeClassSize(n)
}

func largeClassSize(n int) int {
	if n > maxClass {
		const page = 8 << 10
		return (n + page - 1) &^ (page - 1)
	}
	i, _ := slices.BinarySearch(classes, n)
	return classes[i]
}

const (
	maxClass = 32 << 10
	maxSmall = 1 << 10
)

// classes are the sizes up to maxClass that the allocator uses. smallClasses[i] is the one
// for 8*i bytes, up to maxSmall.
var classes, smallClasses = func() (classes []int, smallClasses [maxSmall/8 + 1]uint16) {
	for n := 1; n <= maxClass; n++ {
		n = cap(slices.Grow([]byte(nil), n))
		classes = append(classes, n)
	}
	for i := 1; i < len(smallClasses); i++ {
		at, _ := slices.BinarySearch(classes, 8*i)
		smallClasses[i] = uint16(classes[at])
	}
	return classes, smallClasses
}()
