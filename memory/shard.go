package memory

import (
	"math"
	"sync"
	"sync/atomic"
)

// A shard holds a part of the keys, with everything that belongs to them. Reads that find
// their key take no lock.
type shard struct {
	backend *Backend
	number  int                   // the index of the shard in the backend's shards
	table   atomic.Pointer[table] // written under mu

	_ [40]byte // keeps what readers read apart from what writers change

	mu        sync.Mutex // guards the fields below, and writes of the table
	count     int        // of the entries
	queues               // empty without a bound
	bytes     int64      // what the entries cost
	sweepHome uint32     // a homeOf: a sweep continues in the part of the table for it
	sweepSlot int        // the slot of that part at which it continues

	inserts uint64          // how many entries came
	removed [reasons]uint64 // how many went, by Reason

	_ [24]byte // makes each shard begin on a line of the processor's cache
}

// reset empties the shard. It counts no entry as removed.
func (sh *shard) reset() {
	sh.table.Store(noTable)
	sh.restartSweep()
	sh.count = 0
	sh.queues = queues{}
	sh.bytes = 0
}

// part returns the part of the table for a key whose homeOf is hash.
func (sh *shard) part(hash uint32) *table { return sh.table.Load().part(hash) }

// get returns the entry under key, or nil. It takes the lock only to remove an expired
// entry.
func (sh *shard) get(hash uint64, key string) *entry {
	e, _ := sh.table.Load().find(hash, key)
	if e == nil {
		return nil
	}
	if deadline := e.deadline.Load(); deadline != 0 && sh.backend.passed(deadline) {
		sh.mu.Lock()
		defer sh.mu.Unlock()
		e, _ = sh.findLive(hash, key, sh.backend.now())
	}
	if sh.backend.idle != 0 && e != nil && !sh.backend.prolong(e) {
		return nil // it has just expired
	}
	return e
}

// counted counts the outcome of a read: a hit on e, or a miss if e is nil. It returns e.
func (sh *shard) counted(e *entry) *entry {
	reads := sh.backend.reads.ofGoroutine()
	if e == nil {
		reads.misses.Add(1)
		return nil
	}
	reads.hits.Add(1)
	sh.markRead(e)
	return e
}

// findLive is get for a caller that holds the lock. It also returns the slot of the entry
// in its part of the table, which is right until the table changes.
func (sh *shard) findLive(hash uint64, key string, now int64) (*entry, slot) {
	e, s := sh.table.Load().find(hash, key)
	if e == nil || sh.dropExpired(e, now) {
		return nil, 0
	}
	return e, s
}

// markRead records for eviction that e was used.
func (sh *shard) markRead(e *entry) {
	if !sh.backend.bounds.isSet() {
		return
	}
	// If two goroutines read at once, the two reads may count as one. That does no harm.
	if reads := e.reads.Load(); reads&^queueBit < maxReads {
		e.reads.CompareAndSwap(reads, reads+1)
	}
}

// insert adds e to the shard. Room for its cost has been reserved.
func (sh *shard) insert(e *entry, hash uint64, cost int64) slot {
	t := sh.part(homeOf(hash))
	if t == noTable {
		t = newTable(1, 0)
		sh.table.Store(t)
	} else if !fits(t.count+1, len(t.buckets)) {
		t = sh.grow(t, homeOf(hash))
	}
	sh.count++
	sh.inserts++
	sh.bytes += cost
	if sh.backend.bounds.isSet() {
		sh.queues.enqueue(e, homeOf(hash))
	}
	return t.insert(e, homeOf(hash), tagOf(hash))
}

// growth is by how much the tables of a shard differ in size.
const growth = 1.4

// grownSize returns the number of buckets of the table that replaces a full one of n
// buckets. The sizes of each shard are a power of growth apart, and those of one shard are
// between those of another, so that not all shards grow at once, and the memory that they
// take rises evenly. Tables are a little larger than that, see newTable.
func (sh *shard) grownSize(n int) int {
	size := math.Pow(growth, float64(sh.number)/float64(len(sh.backend.shards)))
	for size < float64(n)*(1+growth)/2 {
		size *= growth
	}
	return int(math.Ceil(size))
}

// replace puts e in the place of old, which has the same key and hash and is at s. The cost of e is
// that of old and extraCost. It does not count old as removed, because e may be the same item
// in another form.
func (sh *shard) replace(old, e *entry, hash uint64, s slot, extraCost int64) {
	sh.bytes += extraCost
	if sh.backend.bounds.isSet() {
		sh.queues.replace(old, e)
	}
	sh.part(homeOf(hash)).replace(s, e)
}

// remove removes e from the shard for reason and returns its cost. It does not release the
// room.
func (sh *shard) remove(e *entry, reason Reason) (cost int64) {
	home := sh.backend.home(e)
	t := sh.part(home)
	t.remove(t.slotOf(e, home), home)
	sh.count--
	cost = sh.backend.bounds.cost(e)
	sh.bytes -= cost
	sh.countRemoved(e, reason)
	sh.shrink(t, home)
	if sh.backend.bounds.isSet() {
		sh.queues.remove(e)
		sh.queues.shrink()
	}
	return cost
}

// countRemoved counts that e is not in the table any more.
func (sh *shard) countRemoved(e *entry, reason Reason) {
	sh.removed[reason]++
	if sh.backend.removals.onRemove != nil {
		sh.passToOnRemove(e, reason)
	}
}

// passToOnRemove makes OnRemove be called with e, which is not in the table any more.
func (sh *shard) passToOnRemove(e *entry, reason Reason) {
	sh.backend.removals.add(removal{entry: e, items: 1, bytes: e.size(), reason: reason})
}

// drop removes e from the shard for reason and releases its room.
func (sh *shard) drop(e *entry, reason Reason) {
	sh.backend.bounds.release(1, sh.remove(e, reason))
}

// evict removes the entry that eviction chooses, and gives its room to w. It reports
// whether there was one. An expired entry counts as an expiration, not as an eviction.
func (sh *shard) evict(w *write) bool {
	e := sh.queues.victim()
	if e == nil {
		return false
	}
	reason := Evicted
	if e.expired(sh.backend.now()) {
		reason = Expired
	} else {
		sh.queues.bury(e)
	}
	w.freedItems, w.freedBytes = w.freedItems+1, w.freedBytes+sh.remove(e, reason)
	return true
}

// setDeadline sets when e, whose key has this hash and which is at s, expires, and puts it into the
// right bucket of the sweeper.
func (sh *shard) setDeadline(hash uint64, s slot, e *entry, deadline, now int64) {
	e.deadline.Store(deadline)
	t := sh.part(homeOf(hash))
	t.due[s] = 0
	if deadline != 0 {
		t.due[s] = 1 + uint16(sh.backend.bucketOf(deadline, now))
		if deadline < sh.backend.wakeTimer.from.Load() {
			sh.backend.wakeFor(deadline)
		}
	}
}

// dropExpired drops e if it has expired, and reports whether it did.
func (sh *shard) dropExpired(e *entry, now int64) bool {
	if !e.expired(now) || sh.backend.idle != 0 && !e.tryEnd(now) {
		return false
	}
	sh.drop(e, Expired)
	return true
}
