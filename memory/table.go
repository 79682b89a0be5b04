package memory

import (
	"math/bits"
	"sync/atomic"
)

// A table finds entries by key. A writer holds the lock of the shard; a reader holds no lock.
//
// Storing an entry in its slot publishes it, so a writer first stores the tag and the
// overflow counts that lead to the entry. When it removes an entry, it clears the slot
// before these. Entries never move within a table, so that a reader never misses one. To
// grow, a table is replaced by a larger one, and a large table is divided, see parts.go.
//
// An entry is in the first bucket with room, starting from the home of its key. Each bucket
// counts the entries that passed it because it was full. A search ends at a bucket that no
// entry has passed.
type table struct {
	buckets []bucket

	parts []*table // of a divided table, which has nothing else but the depth
	depth uint8    // how many of the first bits of a homeOf choose the part

	_ [64 - 6*pointerSize - 1]byte // keeps what readers read apart from what writers change

	count int // of the entries; the shard's lock guards it

	// due has for each slot the bucket of the sweeper that its entry is in, plus 1, or 0 if
	// it is in none. The shard's lock guards it.
	due []uint16

	_ [64 - 4*pointerSize]byte
}

// slots is the number of entries for which a bucket has room. It makes a bucket as large as
// a line of the processor's cache on 64-bit systems.
const slots = 7

type bucket struct {
	// tags has a byte for each slot: a part of the key's hash, never 0, if there is an
	// entry, and 0 if there is none. The upper byte is the overflow count: how many entries
	// passed the bucket. Once it is 255, it stays there.
	tags    atomic.Uint64
	entries [slots]atomic.Pointer[entry]
}

// Masks and a shift for bucket.tags.
const (
	lowBits       = 0x0001010101010101 // of the byte of each slot
	highBits      = 0x0080808080808080
	tagBits       = 0x00ffffffffffffff
	overflowShift = 56 // of the upper byte
)

// noTable is the table of an empty shard. It is never written to.
var noTable = &table{buckets: make([]bucket, 1)}

// newTable returns an empty table of the given depth and number of buckets, or of a few buckets
// more if the allocator would waste the room for them otherwise.
func newTable(buckets int, depth uint8) *table {
	const (
		// header is the size of the header that the allocator adds to a block with
		// pointers. Blocks of up to maxHeaderless bytes have none.
		header        = 8
		maxHeaderless = pointerSize * 8 * pointerSize
	)
	if size := buckets * bucketSize; size > maxHeaderless {
		buckets = (int(classSize(int64(size+header))) - header) / bucketSize
	}
	return &table{
		buckets: make([]bucket, buckets), due: make([]uint16, buckets*slots), depth: depth,
	}
}

// tagShift is the shift of the part of a hash that is the tag. This part chooses neither
// the shard nor the home of a key.
const tagShift = 56

// tagOf returns the tag of a key with this hash. It is never 0.
func tagOf(hash uint64) uint64 { return max(hash>>tagShift, 1) }

// homeOf returns the part of hash that chooses the home of the key, the bucket in which a
// search for it begins.
func homeOf(hash uint64) uint32 { return uint32(hash >> shardBits) }

// matchTags returns the high bit of each byte of tags that equals tag. It may also return
// the high bits of other bytes above such a byte. The lowest bit that it returns is always
// right.
func matchTags(tags, tag uint64) uint64 {
	x := (tags ^ tag*lowBits) & tagBits
	return (x - lowBits) &^ x & highBits
}

// A slot is a place in a table that is not divided.
type slot int

// home returns the bucket in which the search begins for a key whose homeOf is hash.
func (t *table) home(hash uint32) int {
	return int(uint64(hash<<(t.depth%32)) * uint64(len(t.buckets)) >> 32)
}

// next returns the bucket after bucket i. The first one follows the last.
func (t *table) next(i int) int {
	if i++; i < len(t.buckets) {
		return i
	}
	return 0
}

// find returns the entry under key and its slot in its part of the table, or nil.
func (t *table) find(hash uint64, key string) (*entry, slot) {
	tag := tagOf(hash)
	t = t.part(homeOf(hash))
	i := t.home(homeOf(hash))
	for range t.buckets {
		b := &t.buckets[i]
		tags := b.tags.Load()
		for m := matchTags(tags, tag); m != 0; m &= m - 1 {
			j := bits.TrailingZeros64(m) / 8 % slots
			if e := b.entries[j].Load(); e != nil && e.key() == key {
				return e, slot(i*slots + j)
			}
		}
		if tags>>overflowShift == 0 {
			break
		}
		i = t.next(i)
	}
	return nil, 0
}

// slotOf returns the slot of e, which must be in the table. The homeOf of its key is hash.
func (t *table) slotOf(e *entry, hash uint32) slot {
	for i := t.home(hash); ; i = t.next(i) {
		b := &t.buckets[i]
		for j := range b.entries {
			if b.entries[j].Load() == e {
				return slot(i*slots + j)
			}
		}
	}
}

func (t *table) at(s slot) *entry { return t.buckets[s/slots].entries[s%slots].Load() }

// insert adds e and returns its slot. Its key must be absent, and the table must have room.
func (t *table) insert(e *entry, hash uint32, tag uint64) slot {
	for i := t.home(hash); ; i = t.next(i) {
		b := &t.buckets[i]
		tags := b.tags.Load()
		if free := matchTags(tags, 0); free != 0 {
			j := bits.TrailingZeros64(free) / 8
			b.tags.Store(tags | tag<<(8*j))
			b.entries[j].Store(e)
			t.count++
			return slot(i*slots + j)
		}
		if tags>>overflowShift != 255 {
			b.tags.Store(tags + 1<<overflowShift)
		}
	}
}

// replace puts e in the place of another entry with its key.
func (t *table) replace(s slot, e *entry) { t.buckets[s/slots].entries[s%slots].Store(e) }

// remove removes the entry at s. The homeOf of its key is hash.
func (t *table) remove(s slot, hash uint32) {
	t.count--
	t.due[s] = 0
	last, j := int(s/slots), int(s%slots)
	b := &t.buckets[last]
	b.entries[j].Store(nil)
	b.tags.Store(b.tags.Load() &^ (0xff << (8 * j)))
	for i := t.home(hash); i != last; i = t.next(i) {
		if b := &t.buckets[i]; b.tags.Load()>>overflowShift != 255 {
			b.tags.Store(b.tags.Load() - 1<<overflowShift)
		}
	}
}

// copyTo inserts the entries of t, which is not divided, into other tables. homeOf returns the
// homeOf of an entry's key, and to the table for it.
func (t *table) copyTo(homeOf func(*entry) uint32, to func(hash uint32) *table) {
	for i := range t.buckets {
		b := &t.buckets[i]
		tags := b.tags.Load()
		// All entries are read first, so that the processor waits for them at once.
		for j := range b.entries {
			if e := b.entries[j].Load(); e != nil {
				e.reads.Load()
			}
		}
		var hashes [slots]uint32
		for j := range b.entries {
			if e := b.entries[j].Load(); e != nil {
				hashes[j] = homeOf(e)
			}
		}
		for j := range b.entries {
			if e := b.entries[j].Load(); e != nil {
				other := to(hashes[j])
				s := other.insert(e, hashes[j], tags>>(8*j)&0xff)
				other.due[s] = t.due[i*slots+j]
			}
		}
	}
}
