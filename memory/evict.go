package memory

// The queues of S3-FIFO, and its ghosts: what is known of items that are gone. Ghosts are as
// many as there are items.

const (
	smallQueue = iota
	mainQueue
)

// maxReads is how many reads of an entry are remembered, and so how often the
// main queue lets it pass. One is enough to get from the small queue into the
// main one.
const maxReads = 3

// queueBit of entry.reads is set in the main queue.
const queueBit = 1 << 31

// smallShare is which part of the entries the small queue holds: a twentieth, as the
// ghosts give what comes back late its second chance. See BenchmarkHitRatio.
const smallShare = 20

// queue answers in which queue e lies.
func (e *entry) queue() int { return int(e.reads.Load() / queueBit) }

// A fifo is a queue that entries may also leave from the middle.
type fifo struct {
	places      []*entry // a circle, as long as a power of two; nil where one has left
	first, last uint32   // numbers of the first place and of the one behind the last, which wrap around
	count       int      // how many there are
}

func (q *fifo) at(place uint32) **entry { return &q.places[place&uint32(len(q.places)-1)] }

// push puts e behind the others.
func (q *fifo) push(e *entry) {
	if int(q.last-q.first) == len(q.places) {
		q.resize()
	}
	e.place = q.last
	*q.at(q.last) = e
	q.last++
	q.count++
}

// resize closes the gaps, and makes room for as many more.
func (q *fifo) resize() {
	size := 8
	for size < 2*q.count {
		size *= 2
	}
	places := make([]*entry, size)
	n := uint32(0)
	for place := q.first; place != q.last; place++ {
		if e := *q.at(place); e != nil {
			places[n], e.place = e, n
			n++
		}
	}
	q.places, q.first, q.last = places, 0, n
}

// front answers the first entry; there is one.
func (q *fifo) front() *entry {
	for *q.at(q.first) == nil {
		q.first++
	}
	return *q.at(q.first)
}

func (q *fifo) remove(e *entry) {
	*q.at(e.place) = nil
	q.count--
}

// queues are those of one shard. The shard's lock guards them.
type queues struct {
	fifos  [2]fifo
	ghosts ghosts
}

// enqueue puts a new entry into its queue: the main one if the key was dropped
// from the small one not long ago.
func (q *queues) enqueue(e *entry, hash uint64) {
	queue := smallQueue
	if q.ghosts.take(hash) {
		queue = mainQueue
	}
	q.push(e, queue, 0)
}

// shrink gives back what few entries do not need.
func (q *queues) shrink() {
	q.ghosts = ghosts{}
	for i := range q.fifos {
		q.fifos[i].resize()
	}
}

func (q *queues) push(e *entry, queue int, reads uint32) {
	e.reads.Store(uint32(queue)*queueBit + reads)
	q.fifos[queue].push(e)
}

func (q *queues) remove(e *entry) { q.fifos[e.queue()].remove(e) }

// replace gives e the place of old, and its reads.
func (q *queues) replace(old, e *entry) {
	e.place = old.place
	e.reads.Store(old.reads.Load())
	*q.fifos[old.queue()].at(old.place) = e
}

// maxMoves is how many entries that were read a search for a victim lets pass.
const maxMoves = 64

// victim answers the entry that is to go, or nil if there is none. On the way it
// moves those that were read since it last came past.
func (q *queues) victim() *entry {
	for moved := 0; ; moved++ {
		small, main := q.fifos[smallQueue].count, q.fifos[mainQueue].count
		if small+main == 0 {
			return nil
		}
		from := mainQueue
		if main == 0 || small*smallShare >= small+main {
			from = smallQueue
		}
		e := q.fifos[from].front()
		reads := e.reads.Load() &^ queueBit
		if reads == 0 || moved == maxMoves {
			return e
		}
		q.fifos[from].remove(e)
		if from == smallQueue {
			reads = 0
		} else {
			reads--
		}
		q.push(e, mainQueue, reads)
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
