package memory

import "math"

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
	places      []*entry // a circle; nil where one has left
	first, last uint32   // numbers of the first place and of the one behind the last
	count       int      // how many there are
}

func (q *fifo) at(place uint32) **entry { return &q.places[place%uint32(len(q.places))] }

// push puts e behind the others.
func (q *fifo) push(e *entry) {
	if int(q.last-q.first) == len(q.places) || q.last == math.MaxUint32 {
		q.resize()
	}
	e.place = q.last
	*q.at(q.last) = e
	q.last++
	q.count++
}

// resize closes the gaps, makes room for half as many more, and numbers places anew.
func (q *fifo) resize() {
	places := make([]*entry, q.count+q.count/2+8)
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
	if q.ghosts.take(hash, q.fifos[smallQueue].count+q.fifos[mainQueue].count+1) {
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

// ghosts remember, by hash, which keys were dropped from the small queue. They lie in sets, in
// each of which the oldest makes room for one that comes.
type ghosts struct {
	sets [][8]ghost
	last uint32 // the number of the latest
}

type ghost struct {
	print  uint32 // of the hash; 0 is no ghost
	number uint32 // one more than that of the one before
}

// crowd is how many ghosts there are to a set of eight.
const crowd = 5

// add remembers hash, among as many as limit.
func (g *ghosts) add(hash uint64, limit int) {
	if len(g.sets)*crowd < limit {
		old := g.sets
		g.sets = make([][8]ghost, limit/crowd*5/4+1)
		for _, set := range old {
			for _, known := range set {
				if known.print != 0 {
					g.put(known)
				}
			}
		}
	}
	g.last++
	g.put(ghost{fingerprint(hash), g.last})
}

func (g *ghosts) put(new ghost) {
	set := g.set(new.print)
	at, oldest := 0, uint32(0)
	for i, known := range set {
		if known.print == new.print {
			at = i
			break
		}
		age := g.last - known.number
		if known.print == 0 {
			age = math.MaxUint32
		}
		if age >= oldest {
			at, oldest = i, age
		}
	}
	set[at] = new
}

// take tells whether hash is one of as many as limit that are remembered, and forgets it.
func (g *ghosts) take(hash uint64, limit int) bool {
	if len(g.sets) == 0 {
		return false
	}
	print := fingerprint(hash)
	set := g.set(print)
	for i, known := range set {
		if known.print == print {
			set[i].print = 0
			return uint64(g.last-known.number) < uint64(limit)
		}
	}
	return false
}

func (g *ghosts) set(print uint32) *[8]ghost {
	return &g.sets[uint64(print)*uint64(len(g.sets))>>32]
}

// fingerprint takes the half of hash that does not choose the shard; it is not 0.
func fingerprint(hash uint64) uint32 { return max(uint32(hash>>32), 1) }
