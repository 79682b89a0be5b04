package memory

// This file grows and shrinks the table of a shard by small steps, so that no verb takes long
// however many entries there are. A table that would have more than maxPart buckets is
// divided, as in extendible hashing (Fagin and others, "Extendible Hashing: A Fast Access Method
// for Dynamic Files", 1979): it has a list of parts, which are tables of their own. The first
// bits of a key's homeOf choose the part. A part that is full grows, or is split in two; one that
// is almost empty shrinks, or is joined with the other half if that has room for both.
//
// A reader that has loaded the table of a shard sees a list of parts that does not change. A part
// that is not in use any more still has all entries that it had last.

// maxPart bounds the number of buckets of a table that is not divided, but for the few that
// newTable adds.
const maxPart = 64

// maxDepth bounds the depth of a table. No number of entries that fits into memory comes near it.
const maxDepth = 20

// part returns the part of the table for a key whose homeOf is hash: t itself if it is not divided.
func (t *table) part(hash uint32) *table {
	if t.parts == nil {
		return t
	}
	return t.parts[hash>>(32-t.depth)]
}

// undivided yields the parts of the table in order, or t itself if it is not divided.
func (t *table) undivided(yield func(*table) bool) {
	if t.parts == nil {
		yield(t)
		return
	}
	for i := 0; i < len(t.parts); i += t.span(t.parts[i].depth) {
		if !yield(t.parts[i]) {
			return
		}
	}
}

// span returns how often a part of the given depth is in the list of the parts of t.
func (t *table) span(depth uint8) int { return 1 << (t.depth - depth) }

// all yields the entries of the table.
func (t *table) all(yield func(*entry) bool) {
	for part := range t.undivided {
		for i := range part.buckets {
			b := &part.buckets[i]
			if b.tags.Load()&tagBits == 0 {
				continue
			}
			for j := range b.entries {
				if e := b.entries[j].Load(); e != nil && !yield(e) {
					return
				}
			}
		}
	}
}

// with returns a table like t that has other parts, of the same depth each, from the part for
// hash on.
func (t *table) with(hash uint32, others ...*table) *table {
	depth := others[0].depth
	if depth == 0 {
		return others[0]
	}
	if t.parts != nil {
		depth = max(depth, t.depth)
	}
	list := &table{parts: make([]*table, 1<<depth), depth: depth}
	for i := range list.parts {
		list.parts[i] = t.part(uint32(i) << (32 - depth))
	}
	i := int(hash>>(32-others[0].depth)) * list.span(others[0].depth)
	for _, part := range others {
		for range list.span(part.depth) {
			list.parts[i] = part
			i++
		}
	}
	return list.shortened()
}

// shortened returns a table with the parts of t, which is divided, of the least depth.
func (t *table) shortened() *table {
	depth := uint8(1)
	for part := range t.undivided {
		depth = max(depth, part.depth)
	}
	if depth == t.depth {
		return t
	}
	list := &table{parts: make([]*table, 1<<depth), depth: depth}
	for i := range list.parts {
		list.parts[i] = t.parts[i*t.span(depth)]
	}
	return list
}

// resized returns a table of the given number of buckets with the entries of t, which is not
// divided.
func (t *table) resized(buckets int, homeOf func(*entry) uint32) *table {
	other := newTable(buckets, t.depth)
	t.copyTo(homeOf, func(uint32) *table { return other })
	return other
}

// split returns two tables with the entries of t, which is not divided. Each has the given number
// of buckets, or more if it needs them.
func (t *table) split(buckets int, homeOf func(*entry) uint32) (halves [2]*table) {
	halves = [2]*table{newTable(buckets, t.depth+1), newTable(buckets, t.depth+1)}
	t.copyTo(homeOf, func(hash uint32) *table {
		half := &halves[hash>>(31-t.depth)&1]
		if n := len((*half).buckets); !fits((*half).count+2, n) {
			*half = (*half).resized(n+n/4+1, homeOf)
		}
		return *half
	})
	return halves
}

// join returns a table with the entries of t and of other, which differ in the last bit of their
// depth, and with room for as many more.
func (t *table) join(other *table, homeOf func(*entry) uint32) *table {
	joined := newTable(bucketsFor(2*(t.count+other.count)), t.depth-1)
	for _, half := range []*table{t, other} {
		half.copyTo(homeOf, func(uint32) *table { return joined })
	}
	return joined
}

// fits reports whether n entries fill at most nine tenths of a table of so many buckets.
func fits(n, buckets int) bool { return n*10 <= buckets*slots*9 }

// bucketsFor returns the smallest number of buckets for which n entries fit, or 1.
func bucketsFor(n int) int { return max(1, (n*10+slots*9-1)/(slots*9)) }

// grow makes room in t, the part of the table for hash, and returns what is the part for hash then.
func (sh *shard) grow(t *table, hash uint32) *table {
	if size := sh.grownSize(len(t.buckets)); size <= maxPart || t.depth == maxDepth {
		sh.setParts(hash, t.resized(size, sh.backend.home))
	} else {
		halves := t.split(size/2, sh.backend.home)
		sh.setParts(hash&^(1<<(31-t.depth)), halves[:]...)
	}
	return sh.part(hash)
}

// shrink makes t, the part of the table for hash, smaller if it is almost empty.
func (sh *shard) shrink(t *table, hash uint32) {
	n := len(t.buckets)
	if !fits(8*t.count, n) {
		return
	}
	joined := t
	for joined.depth > 0 {
		other := sh.part(hash ^ 1<<(32-joined.depth))
		if other.depth != joined.depth || !fits(2*(joined.count+other.count), maxPart) {
			break
		}
		joined = joined.join(other, sh.backend.home)
		sh.setParts(hash, joined)
	}
	// For each entry that moves into a smaller table, at least two have been removed.
	if joined == t && n > maxPart/2 {
		sh.setParts(hash, t.resized(n/4, sh.backend.home))
	}
}

// setParts makes parts, of the same depth each, the parts of the table from the one for hash on.
func (sh *shard) setParts(hash uint32, parts ...*table) {
	swept := sh.part(sh.sweepHome)
	sh.table.Store(sh.table.Load().with(hash, parts...))
	if sh.part(sh.sweepHome) != swept {
		sh.sweepSlot = 0
	}
}
