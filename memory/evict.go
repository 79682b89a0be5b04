package memory

import "math"

// This file has the queues of S3-FIFO, and its ghosts, which remember the keys of evicted
// items. There are as many ghosts as items.

const (
	smallQueue = iota
	mainQueue
)

// maxReads is the largest number of reads of an entry that are remembered. The main queue
// lets the entry pass this often. One read is enough to move from the small queue into the
// main queue.
const maxReads = 3

// queueBit of entry.reads is set in the main queue.
const queueBit = 1 << 31

// smallShare sets the size of the small queue: it holds one of smallShare entries. That is
// enough, because a key that is used again only after its eviction still has a ghost. See
// BenchmarkHitRatio.
const smallShare = 20

// queue returns the queue that e is in.
func (e *entry) queue() int { return int(e.reads.Load() / queueBit) }

// A fifo is a queue from which entries may also be removed in the middle.
type fifo struct {
	places      []*entry // a circle; a place is nil if its entry was removed
	first, last uint32   // the numbers of the first place, and of the one after the last
	count       int      // of the entries
}

func (q *fifo) at(place uint32) **entry { return &q.places[place%uint32(len(q.places))] }

// push adds e at the end.
func (q *fifo) push(e *entry) {
	if int(q.last-q.first) == len(q.places) || q.last == math.MaxUint32 {
		q.resize()
	}
	e.extension().place = q.last
	*q.at(q.last) = e
	q.last++
	q.count++
}

// resize closes the gaps, makes room for half as many more, and numbers the places from 0.
func (q *fifo) resize() {
	places := make([]*entry, q.count+q.count/2+8)
	n := uint32(0)
	for place := q.first; place != q.last; place++ {
		if e := *q.at(place); e != nil {
			places[n], e.extension().place = e, n
			n++
		}
	}
	q.places, q.first, q.last = places, 0, n
}

// front returns the first entry. The queue must not be empty.
func (q *fifo) front() *entry {
	for *q.at(q.first) == nil {
		q.first++
	}
	return *q.at(q.first)
}

func (q *fifo) remove(e *entry) {
	*q.at(e.extension().place) = nil
	q.count--
}

// queues are those of one shard. The shard's lock guards them.
type queues struct {
	fifos  [2]fifo
	ghosts ghosts
}

// enqueue puts a new entry into its queue. That is the main queue if the key was evicted
// from the small one not long ago.
func (q *queues) enqueue(e *entry, hash uint64) {
	queue := smallQueue
	if q.ghosts.remove(hash, q.fifos[smallQueue].count+q.fifos[mainQueue].count+1) {
		queue = mainQueue
	}
	q.push(e, queue, 0)
}

// shrink frees the memory that the remaining entries do not need, and all ghosts.
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

// replace gives e the place and the reads of old.
func (q *queues) replace(old, e *entry) {
	place := old.extension().place
	e.extension().place = place
	e.reads.Store(old.reads.Load())
	*q.fifos[old.queue()].at(place) = e
}

// maxMoves is the largest number of entries that one search for a victim lets pass because
// they were read.
const maxMoves = 64

// victim returns the entry to evict, or nil if there is none. Entries before it that were
// read since they last came to the front are moved to the end of the main queue.
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

// ghosts remember, by hash, which keys were evicted from the small queue. They are in sets.
// A new ghost takes the place of the oldest one in its set.
type ghosts struct {
	sets [][8]ghost
	last uint32 // the number of the newest ghost
}

type ghost struct {
	fingerprint uint32 // of the hash; 0 if there is no ghost
	number      uint32 // ghosts are numbered in the order in which they were added
}

// ghostsPerSet is how many ghosts there are, on average, in a set of eight.
const ghostsPerSet = 5

// add remembers hash as the newest of limit ghosts.
func (g *ghosts) add(hash uint64, limit int) {
	if len(g.sets)*ghostsPerSet < limit {
		old := g.sets
		g.sets = make([][8]ghost, limit/ghostsPerSet*5/4+1)
		for _, set := range old {
			for _, known := range set {
				if known.fingerprint != 0 {
					g.put(known)
				}
			}
		}
	}
	g.last++
	g.put(ghost{fingerprintOf(hash), g.last})
}

func (g *ghosts) put(added ghost) {
	set := g.set(added.fingerprint)
	at, oldest := 0, uint32(0)
	for i, known := range set {
		if known.fingerprint == added.fingerprint {
			at = i
			break
		}
		age := g.last - known.number
		if known.fingerprint == 0 {
			age = math.MaxUint32
		}
		if age >= oldest {
			at, oldest = i, age
		}
	}
	set[at] = added
}

// remove forgets hash, and reports whether it was among the limit newest ghosts.
func (g *ghosts) remove(hash uint64, limit int) bool {
	if len(g.sets) == 0 {
		return false
	}
	fingerprint := fingerprintOf(hash)
	set := g.set(fingerprint)
	for i, known := range set {
		if known.fingerprint == fingerprint {
			set[i].fingerprint = 0
			return uint64(g.last-known.number) < uint64(limit)
		}
	}
	return false
}

func (g *ghosts) set(fingerprint uint32) *[8]ghost {
	return &g.sets[uint64(fingerprint)*uint64(len(g.sets))>>32]
}

// fingerprintOf returns the half of hash that does not choose the shard, but never 0.
func fingerprintOf(hash uint64) uint32 { return max(uint32(hash>>32), 1) }
