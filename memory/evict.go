package memory

import "math"

// This file has the two queues of a shard, and chooses the entry to evict. New entries go
// through the small queue. An entry that reaches its front moves into the main queue only if
// its key was used more often than that of the entry that the main queue would lose. In this
// respect it is TinyLFU (Einziger and others, "TinyLFU: A Highly Efficient Cache Admission
// Policy", 2017). As in S3-FIFO (Yang and others, "FIFO queues are all you need for cache
// eviction", 2023), a read only marks its entry, so that it needs no lock. The size of the
// small queue adapts as in ARC (Megiddo and others, 2003).

const (
	smallQueue = iota
	mainQueue
)

// maxReads is the largest number of reads of an entry that are remembered. The main queue
// lets the entry pass this often.
const maxReads = 3

// minShrunk is the smallest number of places in queues that are worth shrinking.
const minShrunk = 512

// queueBit of entry.reads is set in the main queue.
const queueBit = 1 << 31

// The small queue holds between minSmallShare and maxSmallShare thousandths of the entries. If a
// key comes back soon after its eviction, its queue was too small: the share then changes by
// shareStep. Soon means that since then the queue has lost at most one of ghostShare entries
// of the shard. See BenchmarkHitRatio.
const (
	minSmallShare = 10
	maxSmallShare = 800
	shareStep     = 10
	ghostShare    = 20
)

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
		q.makeRoom()
	}
	e.extension().place = q.last
	*q.at(q.last) = e
	q.last++
	q.count++
}

// makeRoom makes room for half as many more.
func (q *fifo) makeRoom() {
	if q.count < len(q.places)/4*3 || q.last == math.MaxUint32 {
		q.resize()
		return
	}
	// There are few gaps. They stay, because to close them needs a look at every entry.
	larger := fifo{make([]*entry, len(q.places)+len(q.places)/2+8), q.first, q.last, q.count}
	for place := q.first; place != q.last; place++ {
		*larger.at(place) = *q.at(place)
	}
	*q = larger
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
	fifos   [2]fifo
	ghosts  ghosts
	history history
}

func (q *queues) count() int { return q.fifos[smallQueue].count + q.fifos[mainQueue].count }

// smallSize returns how many entries the small queue should hold.
func (q *queues) smallSize() int {
	share := minSmallShare + int64(q.history.extraShare)
	return max(1, int(int64(q.count())*share/1000))
}

// enqueue puts a new entry into the small queue. Hash is the homeOf of its key's hash.
func (q *queues) enqueue(e *entry, hash uint32) {
	e.extension().hash = hash
	q.push(e, smallQueue, 0)
	q.history.fit(q.count())
	q.use(e, 1)
	q.adapt(e)
	// While there is room, what leaves the small queue need not compete. A few entries
	// leave at a time.
	for range 2 {
		if q.fifos[smallQueue].count <= q.smallSize()+1 {
			break
		}
		first := q.fifos[smallQueue].front()
		q.foldReads(first)
		q.promote(first)
	}
}

// use counts n uses of the key of e, and returns the count.
func (q *queues) use(e *entry, n int) int { return q.history.add(e.extension().hash, n, q.count()) }

// adapt changes the size of the small queue if the key of e was evicted not long ago.
func (q *queues) adapt(e *entry) {
	extra := &q.history.extraShare
	switch queue, found := q.ghosts.remove(e.extension().hash, q.ghostLimit()); {
	case !found:
	case queue == smallQueue:
		*extra = min(*extra+shareStep, maxSmallShare-minSmallShare)
	case *extra > 0:
		*extra -= shareStep
	}
}

// ghostLimit returns how many evictions of a queue are remembered.
func (q *queues) ghostLimit() int { return max(1, q.count()/ghostShare) }

// bury remembers that e is evicted. It must still be in its queue.
func (q *queues) bury(e *entry) { q.ghosts.add(e.extension().hash, e.queue(), q.ghostLimit()) }

// shrink frees the memory that the remaining entries do not need, and forgets keys, if the queues
// are almost empty.
func (q *queues) shrink() {
	places := 0
	for i := range q.fifos {
		places += len(q.fifos[i].places)
	}
	if places < minShrunk || 8*q.count() > places {
		return
	}
	q.ghosts, q.history = ghosts{}, history{}
	q.history.fit(max(1, q.count())) // an entry may be out of its queue for a moment
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
	e.extension().hash, e.extension().place = old.extension().hash, place
	e.reads.Store(old.reads.Load())
	*q.fifos[old.queue()].at(place) = e
}

// promote moves e, whose reads are in the history, from the small queue into the main queue.
func (q *queues) promote(e *entry) {
	q.fifos[smallQueue].remove(e)
	q.push(e, mainQueue, 0)
}

// foldReads moves the reads of e, which is in the small queue, into the history. It returns
// the count of the key there.
func (q *queues) foldReads(e *entry) int {
	reads := e.reads.Load()
	if reads == 0 {
		return q.history.uses(e.extension().hash)
	}
	e.reads.Store(0)
	return q.use(e, int(reads))
}

// victim returns the entry to evict, or nil if there is none. It may promote another one in
// its place.
func (q *queues) victim() *entry {
	small, main := &q.fifos[smallQueue], &q.fifos[mainQueue]
	switch {
	case main.count == 0 && small.count == 0:
		return nil
	case main.count == 0:
		return small.front()
	case small.count < q.smallSize():
		return q.mainVictim()
	}
	candidate := small.front()
	// Most keys were used once. They do not compete, which saves the search for a rival.
	uses := q.foldReads(candidate)
	if uses <= 1 {
		return candidate
	}
	rival := q.mainVictim()
	if uses <= q.history.uses(rival.extension().hash) {
		return candidate
	}
	q.promote(candidate)
	return rival
}

// maxMoves is the largest number of entries that one search for a victim lets pass because
// they were read.
const maxMoves = 64

// mainVictim returns the first entry of the main queue, which must not be empty, after it has
// moved entries that were read to the end.
func (q *queues) mainVictim() *entry {
	main := &q.fifos[mainQueue]
	for moved := 0; ; moved++ {
		e := main.front()
		reads := e.reads.Load() &^ queueBit
		if reads == 0 || moved == maxMoves {
			return e
		}
		q.use(e, 1)
		main.remove(e)
		q.push(e, mainQueue, reads-1)
	}
}
