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
//   - In a block an extension follows the entry, if the entry is extended. Then follows the
//     key. The value begins where the key ends, or for a counter at the next multiple of 8.
//     Their sizes are those that the block was made for, and never change.
//   - An entry of kind large or shared is extended, and the first field of a boxedEntry.
//   - All entries of a Backend have a tail of as many words, or none of them has one. The tail
//     of a block begins at the first multiple of 8 after the value. A boxedEntry with a tail is
//     the first field of a tailedEntry.
//   - A pointer to an entry keeps all of its block, or of its boxedEntry, in memory.
type entry struct {
	deadline atomic.Int64 // when the item expires, as a time of Backend.now; 0 if never

	// shape has, from the lowest bit on, the length of the value in the block, the length of
	// the key if the entry is not extended, the kind, and whether the entry is extended.
	shape uint32

	// reads is how often the entry was read since it came into its queue, at most maxReads.
	// Its queueBit says which queue that is.
	reads atomic.Uint32
}

// An extension has what most entries of a Backend without a bound do not need.
type extension struct {
	hash    uint32 // the homeOf of its key's hash, with a bound; guarded by the shard's lock
	place   uint32 // in its queue, with a bound; guarded by the shard's lock
	keySize uint32 // the length of the key
	flags   uint32 // of the item
}

// Parts of entry.shape.
const (
	valueBits   = 21 // enough for maxPlain
	keyBits     = 8
	maxShortKey = 1<<keyBits - 1
	kindShift   = valueBits + keyBits
	extendedBit = 1 << 31
)

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
	extension
	weight int64 // the Size of a shared value
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
	extensionSize  = int(unsafe.Sizeof(extension{}))
	tallySize      = int(unsafe.Sizeof(tally{}))
	boxedEntrySize = int(unsafe.Sizeof(boxedEntry{}))

	// bucketSize is 64 on 64-bit systems, a line of the processor's cache, and 40 on 32-bit
	// systems.
	bucketSize  = int(unsafe.Sizeof(bucket{}))
	pointerSize = int(unsafe.Sizeof(uintptr(0)))

	// maxPlain is the size of the largest value that is kept in a block.
	maxPlain = 1 << 20
)

// A layout is what all entries of a Backend have in common.
type layout struct {
	extended bool // as those of a bounded Backend must be
	words    int  // of the tail
}

// newBlock returns an entry with a copy of key, and room for a value. If the layout, the key or
// the flags need it, the entry is extended.
func newBlock(key string, k kind, valueSize int, flags uint32, l layout) *entry {
	shape := uint32(k)<<kindShift | uint32(valueSize)
	extended := l.extended || flags != 0 || len(key) > maxShortKey
	if extended {
		shape |= extendedBit
	} else {
		shape |= uint32(len(key)) << valueBits
	}
	at := keyOffset(shape)
	size := at + len(key) + valueSize
	if k == counter {
		size = tallyOffset(at+len(key)) + tallySize
	}
	size = withTail(size, l.words)
	block := make([]byte, size)
	copy(block[at:], key)
	e := (*entry)(unsafe.Pointer(unsafe.SliceData(block)))
	e.shape = shape
	if extended {
		e.extension().keySize, e.extension().flags = uint32(len(key)), flags
	}
	return e
}

// newEntry returns an entry with copies of key and value.
func newEntry(key string, value []byte, flags uint32, l layout) *entry {
	if len(value) > maxPlain {
		b := newBoxedEntry(key, large, flags, l)
		b.value = append([]byte(nil), value...)
		b.value = b.value[:len(value):len(value)]
		return &b.entry
	}
	e := newBlock(key, plain, len(value), flags, l)
	copy(e.plainValue(), value)
	return e
}

func newBoxedEntry(key string, k kind, flags uint32, l layout) *boxedEntry {
	b := &boxedEntry{}
	if l.words > 0 {
		b = &new(tailedEntry).boxedEntry
	}
	b.key = strings.Clone(key)
	b.shape = extendedBit | uint32(k)<<kindShift
	b.extension.keySize, b.extension.flags = uint32(len(key)), flags
	return b
}

// toCounter returns a counter with the number n to replace e. It has the key, the flags, the
// deadline and the tail of e, whose layout is l.
func (e *entry) toCounter(n uint64, l layout) *entry {
	c := newBlock(e.key(), counter, 0, e.flags(), l)
	c.deadline.Store(e.deadline.Load())
	for i := range l.words {
		c.tail(i).Store(e.tail(i).Load())
	}
	c.tally().number = n
	return c
}

func (e *entry) kind() kind { return kind(e.shape >> kindShift & 3) }

func (e *entry) isExtended() bool { return e.shape&extendedBit != 0 }

// extension returns the extension of an extended entry.
func (e *entry) extension() *extension {
	return (*extension)(unsafe.Add(unsafe.Pointer(e), entrySize))
}

func (e *entry) flags() uint32 {
	if e.isExtended() {
		return e.extension().flags
	}
	return 0
}

// keyOffset returns the offset of the key in a block of this shape.
func keyOffset(shape uint32) int { return entrySize + int(shape>>31)*extensionSize }

func (e *entry) keyLen() int {
	if e.isExtended() {
		return int(e.extension().keySize)
	}
	return int(e.shape >> valueBits & maxShortKey)
}

// valueSize returns the length of the value in the block.
func (e *entry) valueSize() int { return int(e.shape & (1<<valueBits - 1)) }

// boxed returns the boxedEntry of an entry of kind large or shared.
func (e *entry) boxed() *boxedEntry { return (*boxedEntry)(unsafe.Pointer(e)) }

func (e *entry) key() string {
	if e.kind() >= large {
		return e.boxed().key
	}
	return unsafe.String((*byte)(unsafe.Add(unsafe.Pointer(e), keyOffset(e.shape))), e.keyLen())
}

// valueOffset returns the offset in a block of the first byte after the key.
func (e *entry) valueOffset() int { return keyOffset(e.shape) + e.keyLen() }

// plainValue returns the value of an entry of kind plain. Its capacity is its length.
func (e *entry) plainValue() []byte {
	if e.valueSize() == 0 { // the block may end with the key
		return []byte{}
	}
	value := unsafe.Add(unsafe.Pointer(e), e.valueOffset())
	return unsafe.Slice((*byte)(value), e.valueSize())
}

// tallyOffset returns the offset in a block of the tally of a counter whose key ends there.
func tallyOffset(keyEnd int) int { return (keyEnd + 7) &^ 7 }

// tally returns the tally of an entry of kind counter.
func (e *entry) tally() *tally {
	return (*tally)(unsafe.Add(unsafe.Pointer(e), tallyOffset(e.valueOffset())))
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
	size := e.valueOffset() + e.valueSize()
	switch e.kind() {
	case counter:
		size = tallyOffset(e.valueOffset()) + tallySize
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
func classSize(n int64) int64 {
	if n <= maxSmall {
		return int64(smallClasses[(n+7)/8])
	}
	return largeClassSize(n)
}

func largeClassSize(n int64) int64 {
	if n > maxClass {
		const page = 8 << 10
		return (n + page - 1) &^ (page - 1)
	}
	i, _ := slices.BinarySearch(classes, int(n))
	return int64(classes[i])
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
