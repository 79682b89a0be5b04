package memory

import "math"

// This file has what a shard remembers about keys: how often they were used, and which ones
// were evicted not long ago. Keys are known by the hashes of their entries.

// A history counts uses of keys, whether they are present or not. The counts are halved from
// time to time, so that recent uses weigh more. There are about four to eight counts for each
// entry of the shard. If more keys are used, those with the lowest counts are forgotten.
type history struct {
	sets   []historySet
	added  uint32 // the uses since the counts were halved, and a half of those before
	halved uint16 // how often the counts were halved

	// extraShare is by how much the share of the small queue is above minSmallShare. It is
	// here because here it takes no room.
	extraShare uint16
}

// A historySet has the counts of keys with similar hashes, the last one used first.
type historySet struct {
	counts [7]uint16 // twelve bits of the hash, and four bits of the count; 0 if free
	halved uint16    // the state of history.halved that the counts are for
}

const (
	maxUses = 15 // the largest count

	// usesPerEntry is the number of uses for each entry after which the counts are halved.
	usesPerEntry = 20

	// minCounts is the least number of counts for each entry.
	minCounts = 4
)

// set returns the set of hash, with counts that are halved as they should be, and the bits
// that mark the count of hash.
func (h *history) set(hash uint32) (set *historySet, tag uint16) {
	set = &h.sets[uint64(hash)*uint64(len(h.sets))>>32]
	if set.halved != h.halved {
		times := min(h.halved-set.halved, 4)
		for i, c := range set.counts {
			if set.counts[i] = c&^maxUses | c&maxUses>>times; c&maxUses>>times == 0 {
				set.counts[i] = 0
			}
		}
		set.halved = h.halved
	}
	return set, uint16(hash) << 4
}

// uses returns the count of hash.
func (h *history) uses(hash uint32) int {
	set, tag := h.set(hash)
	for _, c := range set.counts {
		if c&^maxUses == tag {
			return int(c & maxUses)
		}
	}
	return 0
}

// add adds n uses of hash in a shard with the given number of entries, and returns the count.
// fit must have been called.
func (h *history) add(hash uint32, n, entries int) int {
	set, tag := h.set(hash)
	at, lowest, sum := 0, uint16(math.MaxUint16), n
	for i, c := range set.counts {
		if c != 0 && c&^maxUses == tag {
			at, sum = i, n+int(c&maxUses)
			break
		}
		if c&maxUses <= lowest {
			at, lowest = i, c&maxUses
		}
	}
	for ; at > 0; at-- {
		set.counts[at] = set.counts[at-1]
	}
	sum = min(sum, maxUses)
	set.counts[0] = tag | uint16(sum)
	if h.added += uint32(n); int64(h.added) >= usesPerEntry*int64(entries) {
		h.added /= 2
		h.halved++
	}
	return sum
}

// fit makes the history large enough for a shard with the given number of entries.
func (h *history) fit(entries int) {
	n := len(h.sets)
	for n*len(historySet{}.counts) < entries*minCounts {
		n = max(1, 2*n)
	}
	if n == len(h.sets) {
		return
	}
	// A set becomes several sets, which all have its counts. Those of other sets are never
	// used again, and so are the first to be forgotten.
	sets := make([]historySet, n)
	for i, set := range h.sets {
		copies := n / len(h.sets)
		for j := range copies {
			sets[i*copies+j] = set
		}
	}
	h.sets = sets
}

// ghosts remember which keys were evicted last from each queue. They are in sets. A new ghost
// takes the place of the oldest one in its set.
type ghosts struct {
	sets [][8]ghost
	last [2]uint32 // how many ghosts were added, by queue
}

type ghost struct {
	hash   uint32 // never 0; 0 if there is no ghost
	number uint32 // the ghosts of a queue are numbered; the lowest bit is the queue
}

// age returns how many ghosts of the same queue were added after known.
func (g *ghosts) age(known ghost) uint32 {
	return (g.last[known.number&1]<<1 - known.number&^1) >> 1
}

// ghostsPerSet is how many ghosts there are, on average, in a set of eight.
const ghostsPerSet = 5

// add remembers hash as the newest of the limit ghosts of queue.
func (g *ghosts) add(hash uint32, queue, limit int) {
	if limit *= len(g.last); len(g.sets)*ghostsPerSet < limit {
		old := g.sets
		g.sets = make([][8]ghost, limit/ghostsPerSet*5/4+1)
		for _, set := range old {
			for _, known := range set {
				if known.hash != 0 {
					g.put(known)
				}
			}
		}
	}
	g.last[queue]++
	g.put(ghost{max(hash, 1), g.last[queue]<<1 | uint32(queue)})
}

func (g *ghosts) put(added ghost) {
	set := g.set(added.hash)
	at, oldest := 0, uint32(0)
	for i, known := range set {
		if known.hash == added.hash {
			at = i
			break
		}
		age := g.age(known)
		if known.hash == 0 {
			age = math.MaxUint32
		}
		if age >= oldest {
			at, oldest = i, age
		}
	}
	set[at] = added
}

// remove forgets hash. It returns the queue from which the key was evicted, and reports
// whether it was among the limit newest ghosts of this queue.
func (g *ghosts) remove(hash uint32, limit int) (queue int, found bool) {
	if len(g.sets) == 0 {
		return 0, false
	}
	hash = max(hash, 1)
	set := g.set(hash)
	for i, known := range set {
		if known.hash == hash {
			set[i].hash = 0
			return int(known.number & 1), uint64(g.age(known)) < uint64(limit)
		}
	}
	return 0, false
}

func (g *ghosts) set(hash uint32) *[8]ghost {
	return &g.sets[uint64(hash)*uint64(len(g.sets))>>32]
}
