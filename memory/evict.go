package memory

// The queues of S3-FIFO, and its ghosts: what is known of items that are gone.

const (
	smallQueue uint8 = iota
	mainQueue
)

// maxReads is how many reads of an entry are remembered, and so how often the
// main queue lets it pass. One is enough to get from the small queue into the
// main one.
const maxReads = 3

// smallShare is which part of the entries the small queue holds: a tenth.
const smallShare = 10

// ghostRounds is for how many entries that went, by those that are there, the
// ghosts reach back.
const ghostRounds = 2

// queues are those of one shard. The shard's lock guards them.
type queues struct {
	rings  [2]ring
	sizes  [2]int
	ghosts ghosts
}

// enqueue puts a new entry into its queue: the main one if the key was dropped
// from the small one not long ago.
func (q *queues) enqueue(e *entry, hash uint64) {
	queue := smallQueue
	if q.ghosts.take(hash) {
		queue = mainQueue
	}
	q.push(e, queue)
}

func (q *queues) push(e *entry, queue uint8) {
	e.queue = queue
	q.rings[queue].push(e, inQueue)
	q.sizes[queue]++
}

func (q *queues) remove(e *entry) {
	q.rings[e.queue].remove(e, inQueue)
	q.sizes[e.queue]--
}

// victim answers the entry that is to go, or nil if there is none. On the way it
// moves those that were read since it last came past.
func (q *queues) victim() *entry {
	for {
		small, main := q.sizes[smallQueue], q.sizes[mainQueue]
		switch {
		case small+main == 0:
			return nil
		case main == 0 || small*smallShare >= small+main:
			e := q.rings[smallQueue].first
			if e.reads == 0 {
				return e
			}
			q.remove(e)
			e.reads = 0
			q.push(e, mainQueue)
		default:
			e := q.rings[mainQueue].first
			if e.reads == 0 {
				return e
			}
			q.remove(e)
			e.reads--
			q.push(e, mainQueue)
		}
	}
}

// ghosts remember, by hash, which keys were dropped from the small queue. Each
// has a number, one more than the one before.
type ghosts struct {
	known map[uint32]uint32 // the number, by fingerprint
	order []uint32          // fingerprints, the oldest first; some may be taken or renewed
	first uint32            // the number of the first in order
}

// add remembers hash and forgets what is more than limit back. If limit became
// less, it forgets some at a time.
func (g *ghosts) add(hash uint64, limit int) {
	if g.known == nil {
		g.known = map[uint32]uint32{}
	}
	print := fingerprint(hash)
	g.known[print] = g.first + uint32(len(g.order))
	g.order = append(g.order, print)
	for n := 0; n < 8 && len(g.order) > limit; n++ {
		oldest := g.order[0]
		if number, ok := g.known[oldest]; ok && number == g.first {
			delete(g.known, oldest)
		}
		g.order, g.first = g.order[1:], g.first+1
	}
}

// take tells whether hash is remembered, and forgets it.
func (g *ghosts) take(hash uint64) bool {
	print := fingerprint(hash)
	_, ok := g.known[print]
	delete(g.known, print)
	return ok
}

// fingerprint takes the half of hash that does not choose the shard.
func fingerprint(hash uint64) uint32 { return uint32(hash >> 32) }
