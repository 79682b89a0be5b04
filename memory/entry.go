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

// An entry is an item as a shard holds it: the first part of one block of memory, in
// which the key and the value follow, or of a boxed. All that readers look at without
// the shard's lock never changes, or is atomic.
//
// This file is the one that uses package unsafe. What it relies on:
//
//   - A block is made by newBlock only. It has no pointers in it, so that the collector
//     need not look inside, and is aligned to 8 bytes, for so is all that the allocator
//     gives of more than 16.
//   - In a block the key begins where the entry ends, and the value where the key ends,
//     or for a counter at the next multiple of 8. The sizes are those that the block was
//     made for, and never change.
//   - An entry of a kind that is boxed is the first field of a boxed.
//   - A pointer to the entry keeps all of its block, or its boxed, alive.
type entry struct {
	deadline  atomic.Int64  // when it expires, as Backend.now; 0 is never
	hash      uint32        // the part that a table needs
	place     uint32        // in its queue, with a bound; guarded by the shard's lock
	keySize   uint32        // and in the upper 8 bits its kind
	valueSize uint32        // of a block
	flags     uint32        // the item's
	reads     atomic.Uint32 // how often it was read since it came into its queue, at most maxReads; and in queueBit its queue
}

// A kind is how an entry holds its value.
type kind uint8

const (
	plain   kind = iota // as bytes in the block
	counter             // as a tally in the block
	large               // as bytes, boxed
	shared              // as core.Shared stored it, boxed
)

// A tally is what a counter stands at. The shard's lock guards it.
type tally struct {
	number  uint64
	version uint64 // of the number: how often it has moved
}

// A reading is a tally as somebody has read it, and the token of it.
type reading struct {
	of      *entry
	version uint64
	digits  [20]byte
}

// A boxed is an entry that holds its value elsewhere.
type boxed struct {
	entry
	key    string
	value  []byte // of a large one; its capacity is its length
	shared any
}

const (
	entrySize = int(unsafe.Sizeof(entry{}))
	tallySize = int(unsafe.Sizeof(tally{}))
	boxedSize = int(unsafe.Sizeof(boxed{}))

	// bucketSize is 64, a line of the processor's cache, on 64-bit systems, and 40 on 32-bit ones.
	bucketSize  = int(unsafe.Sizeof(bucket{}))
	pointerSize = int(unsafe.Sizeof(uintptr(0)))

	// maxPlain is the size of the largest value that lies in a block.
	maxPlain = 1 << 20
)

// newBlock answers an entry with room for key and value.
func newBlock(hash uint32, key string, k kind, valueSize int, flags uint32) *entry {
	size := entrySize + len(key) + valueSize
	if k == counter {
		size = tallyAt(len(key)) + tallySize
	}
	block := make([]byte, size)
	copy(block[entrySize:], key)
	e := (*entry)(unsafe.Pointer(unsafe.SliceData(block)))
	e.hash, e.keySize, e.valueSize, e.flags = hash, uint32(len(key))|uint32(k)<<24, uint32(valueSize), flags
	return e
}

// newEntry answers an entry that holds a copy of value.
func newEntry(hash uint32, key string, value []byte, flags uint32) *entry {
	if len(value) > maxPlain {
		b := newBoxed(hash, key, large, flags)
		b.value = append([]byte(nil), value...)
		b.value = b.value[:len(value):len(value)]
		return &b.entry
	}
	e := newBlock(hash, key, plain, len(value), flags)
	copy(e.plainValue(), value)
	return e
}

func newBoxed(hash uint32, key string, k kind, flags uint32) *boxed {
	b := &boxed{key: strings.Clone(key)}
	b.hash, b.keySize, b.flags = hash, uint32(len(key))|uint32(k)<<24, flags
	return b
}

// asCounter answers an entry in the place of e that counts from n on.
func (e *entry) asCounter(n uint64) *entry {
	c := newBlock(e.hash, e.key(), counter, 0, e.flags)
	c.deadline.Store(e.deadline.Load())
	c.tally().number = n
	return c
}

func (e *entry) kind() kind { return kind(e.keySize >> 24) }

func (e *entry) keyLen() int { return int(e.keySize & 0xffffff) }

// box answers the boxed of an entry of such a kind.
func (e *entry) box() *boxed { return (*boxed)(unsafe.Pointer(e)) }

func (e *entry) key() string {
	if e.kind() >= large {
		return e.box().key
	}
	return unsafe.String((*byte)(unsafe.Add(unsafe.Pointer(e), entrySize)), e.keyLen())
}

// plainValue answers the value of a plain one. Its capacity is its length.
func (e *entry) plainValue() []byte {
	if e.valueSize == 0 { // there may be nothing behind the key to point to
		return []byte{}
	}
	return unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(e), entrySize+e.keyLen())), int(e.valueSize))
}

// tallyAt answers where the tally of a counter begins.
func tallyAt(keyLen int) int { return entrySize + (keyLen+7)&^7 }

// tally answers that of a counter.
func (e *entry) tally() *tally {
	return (*tally)(unsafe.Add(unsafe.Pointer(e), tallyAt(e.keyLen())))
}

// item answers the value and the token of an entry that holds bytes; of a counter
// under the lock.
func (e *entry) item() (value []byte, token any) {
	switch e.kind() {
	case plain:
		return e.plainValue(), e
	case counter:
		t := e.tally()
		r := &reading{of: e, version: t.version}
		return slices.Clip(strconv.AppendUint(r.digits[:0], t.number, 10)), r
	}
	return e.box().value, e
}

// matches tells whether token was answered for the state that e is in.
func (e *entry) matches(token any) bool {
	if r, ok := token.(*reading); ok {
		return r.of == e && r.version == e.tally().version
	}
	return token == any(e)
}

// count answers the number that the entry stands for, under the lock.
func (e *entry) count() (uint64, error) {
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
	errHoldsShared = fmt.Errorf("%w: the key holds a Go value, stored through core.Shared", core.ErrCodec)
	errHoldsBytes  = fmt.Errorf("%w: the key holds bytes, not a value of core.Shared", core.ErrCodec)
)

func (e *entry) expired(now int64) bool {
	deadline := e.deadline.Load()
	return deadline != 0 && now >= deadline
}

// The readCounts count reads. There are several, of which each takes mostly the same
// one, so that processors need not take it from one another.
type readCounts [64]readCount

type readCount struct {
	hits, misses atomic.Uint64
	_            [48]byte
}

// mine answers the one of the goroutine that calls: by where its stack lies.
func (r *readCounts) mine() *readCount {
	var here byte
	return &r[uintptr(unsafe.Pointer(&here))>>11%uintptr(len(r))]
}

// classSize answers how much memory the allocator gives for n bytes.
func classSize(n int) int {
	if n <= maxEighths {
		return int(eighths[(n+7)/8])
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
	maxClass   = 32 << 10
	maxEighths = 1 << 10
)

// classes are the sizes that the allocator has up to maxClass, and eighths those of small
// n, by n/8.
var classes, eighths = func() (classes []int, eighths [maxEighths/8 + 1]uint16) {
	for n := 1; n <= maxClass; n++ {
		n = cap(slices.Grow([]byte(nil), n))
		classes = append(classes, n)
	}
	for i := 1; i < len(eighths); i++ {
		at, _ := slices.BinarySearch(classes, 8*i)
		eighths[i] = uint16(classes[at])
	}
	return classes, eighths
}()
