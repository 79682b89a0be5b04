package memory

import (
	"math/bits"
	"sync/atomic"
)

// A table finds entries by key. It is written under its shard's lock, and read
// without: to store an entry in its slot is what publishes it, after all that leads
// there, and it is taken from its slot before what led there goes. Nothing moves in a
// table, so that none is missed meanwhile; it grows by being replaced.
//
// Keys of one home lie in the first bucket from there on that has room. How many of
// them had to go past a bucket is counted in it, and where none had to, a search ends.
type table struct {
	buckets []bucket
	due     []uint16 // by slot: in which bucket of the sweeper its entry lies, plus 1; 0 is in none. Guarded by the shard's lock
}

// slots is how many entries a bucket has room for, so that on 64-bit systems it is as large
// as a line of the processor's cache.
const slots = 7

type bucket struct {
	// tags has a byte for each slot: a part of the hash, and never 0, where there is an
	// entry. The last byte is how many went past; 255 stands for any more.
	tags    atomic.Uint64
	entries [slots]atomic.Pointer[entry]
}

const (
	ones  = 0x0001010101010101
	highs = 0x0080808080808080
	tags  = 0x00ffffffffffffff
	past  = 56 // the shift of the last byte
)

var noTable = &table{buckets: make([]bucket, 1)}

// newTable answers a table of so many buckets, or of some more where the allocator would
// else waste the room.
func newTable(buckets int) *table {
	const (
		header     = 8                             // of the allocator's, in a block with pointers
		headerless = pointerSize * 8 * pointerSize // the size of the largest such block that has none
	)
	if size := buckets * bucketSize; size > headerless {
		buckets = (classSize(size+header) - header) / bucketSize
	}
	return &table{buckets: make([]bucket, buckets), due: make([]uint16, buckets*slots)}
}

// tagOf takes the part of the hash that is not used for a place.
func tagOf(hash uint64) uint64 { return max(hash>>past, 1) }

// homeOf takes the part of the hash that chooses the bucket in which the search for a key
// begins. It is what entry.hash keeps.
func homeOf(hash uint64) uint32 { return uint32(hash >> shardBits) }

// match answers the high bits of those bytes of have that are tag, and perhaps of some
// behind one that is.
func match(have, tag uint64) uint64 {
	x := (have ^ tag*ones) & tags
	return (x - ones) &^ x & highs
}

// A slot is a place in a table.
type slot int

// home answers where to look first for a key whose homeOf is hash.
func (t *table) home(hash uint32) int { return int(uint64(hash) * uint64(len(t.buckets)) >> 32) }

// after answers the bucket behind the i-th, in the circle that they are.
func (t *table) after(i int) int {
	if i++; i < len(t.buckets) {
		return i
	}
	return 0
}

// find answers the entry under key and where it lies, or nil.
func (t *table) find(hash uint64, key string) (*entry, slot) {
	tag := tagOf(hash)
	i := t.home(homeOf(hash))
	for range t.buckets {
		b := &t.buckets[i]
		have := b.tags.Load()
		for m := match(have, tag); m != 0; m &= m - 1 {
			j := bits.TrailingZeros64(m) / 8 % slots
			if e := b.entries[j].Load(); e != nil && e.key() == key {
				return e, slot(i*slots + j)
			}
		}
		if have>>past == 0 {
			break
		}
		i = t.after(i)
	}
	return nil, 0
}

// slotOf answers where e lies, which is in the table.
func (t *table) slotOf(e *entry) slot {
	for i := t.home(e.hash); ; i = t.after(i) {
		b := &t.buckets[i]
		for j := range b.entries {
			if b.entries[j].Load() == e {
				return slot(i*slots + j)
			}
		}
	}
}

func (t *table) at(s slot) *entry { return t.buckets[s/slots].entries[s%slots].Load() }

// insert puts e, whose key is not there, where there is room; there is some.
func (t *table) insert(e *entry, hash uint32, tag uint64) slot {
	for i := t.home(hash); ; i = t.after(i) {
		b := &t.buckets[i]
		have := b.tags.Load()
		if free := match(have, 0); free != 0 {
			j := bits.TrailingZeros64(free) / 8
			b.tags.Store(have | tag<<(8*j))
			b.entries[j].Store(e)
			return slot(i*slots + j)
		}
		if have>>past != 255 {
			b.tags.Store(have + 1<<past)
		}
	}
}

// replace puts e in the place of another entry with its key.
func (t *table) replace(s slot, e *entry) { t.buckets[s/slots].entries[s%slots].Store(e) }

// remove takes out the entry at s, of which that is the hash.
func (t *table) remove(s slot, hash uint32) {
	t.due[s] = 0
	last, j := int(s/slots), int(s%slots)
	b := &t.buckets[last]
	b.entries[j].Store(nil)
	b.tags.Store(b.tags.Load() &^ (0xff << (8 * j)))
	for i := t.home(hash); i != last; i = t.after(i) {
		if b := &t.buckets[i]; b.tags.Load()>>past != 255 {
			b.tags.Store(b.tags.Load() - 1<<past)
		}
	}
}

// resized answers a table of so many buckets with the same entries.
func (t *table) resized(buckets int) *table {
	other := newTable(buckets)
	for i := range t.buckets {
		b := &t.buckets[i]
		have := b.tags.Load()
		var hashes [slots]uint32 // looked up first, so that the processor waits for all of them at once
		for j := range b.entries {
			if e := b.entries[j].Load(); e != nil {
				hashes[j] = e.hash
			}
		}
		for j := range b.entries {
			if e := b.entries[j].Load(); e != nil {
				other.due[other.insert(e, hashes[j], have>>(8*j)&0xff)] = t.due[i*slots+j]
			}
		}
	}
	return other
}

// all yields what is in the table.
func (t *table) all(yield func(slot, *entry) bool) {
	for i := range t.buckets {
		b := &t.buckets[i]
		if b.tags.Load()&tags == 0 {
			continue
		}
		for j := range b.entries {
			if e := b.entries[j].Load(); e != nil && !yield(slot(i*slots+j), e) {
				return
			}
		}
	}
}

// fits tells whether n entries leave room enough in so many buckets.
func fits(n, buckets int) bool { return n*5 <= buckets*slots*4 }
