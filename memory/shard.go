package memory

import (
	"sync"
	"sync/atomic"
)

// A shard is a part of the keys, with all that belongs to them. Reads that find what
// they look for take no lock.
type shard struct {
	owner  *Backend
	number int                   // which of the owner's shards it is
	table  atomic.Pointer[table] // written under mu

	_ [40]byte // keeps what readers look at apart from what writers change

	mu     sync.Mutex // guards all below, and writes of the table
	count  int        // how many entries there are
	queues            // only with a bound
	bytes  int64      // what the entries cost
	swept  int        // in which slot of the table a sweep goes on

	evictions, expirations uint64

	_ [32]byte // makes each shard begin where a line of the processor's cache does
}

// reset forgets all entries. What has been counted stays.
func (sh *shard) reset() {
	sh.setTable(noTable)
	sh.count = 0
	sh.queues = queues{}
	sh.bytes = 0
}

// setTable makes t the table.
func (sh *shard) setTable(t *table) {
	sh.table.Store(t)
	sh.swept = 0
}

// get answers the entry under key, or nil, without the lock. An expired one it drops.
func (sh *shard) get(hash uint64, key string) *entry {
	e, _ := sh.table.Load().find(hash, key)
	if e == nil {
		return nil
	}
	if deadline := e.deadline.Load(); deadline != 0 && sh.owner.passed(deadline) {
		sh.mu.Lock()
		defer sh.mu.Unlock()
		e, _ = sh.live(hash, key, sh.owner.now())
	}
	return e
}

// read is get for a verb that counts as a hit or a miss.
func (sh *shard) read(hash uint64, key string) *entry {
	e := sh.get(hash, key)
	reads := sh.owner.reads.mine()
	if e == nil {
		reads.misses.Add(1)
		return nil
	}
	reads.hits.Add(1)
	sh.use(e)
	return e
}

// live is get under the lock, and tells where the entry lies, until something changes.
func (sh *shard) live(hash uint64, key string, now int64) (*entry, slot) {
	e, s := sh.table.Load().find(hash, key)
	if e == nil || sh.dropExpired(e, now) {
		return nil, 0
	}
	return e, s
}

// use notes that e was of use, for eviction to know.
func (sh *shard) use(e *entry) {
	if !sh.owner.bounds.set() {
		return
	}
	// That two who read at once count as one does no harm.
	if reads := e.reads.Load(); reads&^queueBit < maxReads {
		e.reads.CompareAndSwap(reads, reads+1)
	}
}

// insert puts e, for the cost of which room has been taken, into the shard.
func (sh *shard) insert(e *entry, hash uint64, cost int64) slot {
	t := sh.table.Load()
	if t == noTable {
		t = newTable(1)
		sh.setTable(t)
	} else if !fits(sh.count+1, len(t.buckets)) {
		t = t.resized(sh.grown(len(t.buckets)))
		sh.setTable(t)
	}
	sh.count++
	sh.bytes += cost
	if sh.owner.bounds.set() {
		sh.queues.enqueue(e, hash)
	}
	return t.insert(e, e.hash, tagOf(hash))
}

// grown answers how many buckets a table has after one of n. The sizes of shards differ, so that
// they do not all grow at once, and the memory they take rises evenly.
func (sh *shard) grown(n int) int {
	if n == lastCommon {
		n += n * sh.number / len(sh.owner.shards)
	}
	return 2 * n
}

// lastCommon is the last size of a table that all shards have in common.
const lastCommon = 8

// replace puts e, which costs so much more, in the place of old, which has the same key
// and lies at s.
func (sh *shard) replace(old, e *entry, s slot, more int64) {
	sh.bytes += more
	if sh.owner.bounds.set() {
		sh.queues.replace(old, e)
	}
	sh.table.Load().replace(s, e)
}

// remove takes e out of the shard, leaves its room taken, and answers what it costs.
func (sh *shard) remove(e *entry) (cost int64) {
	t := sh.table.Load()
	t.remove(t.slotOf(e), e.hash)
	if sh.owner.bounds.set() {
		sh.queues.remove(e)
	}
	sh.count--
	cost = sh.owner.bounds.cost(e)
	sh.bytes -= cost
	// For each entry that a smaller table is made of, at least two have gone.
	if n := len(t.buckets); n > 64 && fits(8*sh.count, n) {
		sh.setTable(t.resized(n / 4))
		if sh.owner.bounds.set() {
			sh.queues.shrink()
		}
	}
	return cost
}

// drop takes e out of the shard and gives its room back.
func (sh *shard) drop(e *entry) {
	sh.owner.bounds.release(1, sh.remove(e))
}

// evict drops the entry that eviction chooses, leaves its room to w, and answers
// false if there is none. One that has expired is no eviction.
func (sh *shard) evict(w *write) bool {
	e := sh.queues.victim()
	if e == nil {
		return false
	}
	if e.expired(sh.owner.now()) {
		sh.expirations++
	} else {
		sh.evictions++
		if e.queue() == smallQueue {
			sh.queues.ghosts.add(sh.owner.hash(e.key()), sh.count)
		}
	}
	w.items, w.bytes = w.items+1, w.bytes+sh.remove(e)
	return true
}

// setDeadline says when e, which lies at s, expires, and puts it into the bucket for
// that.
func (sh *shard) setDeadline(s slot, e *entry, deadline, now int64) {
	e.deadline.Store(deadline)
	t := sh.table.Load()
	t.due[s] = 0
	if deadline != 0 {
		t.due[s] = 1 + uint16(sh.owner.bucketOf(deadline, now))
	}
}

// dropExpired drops e if its time is over.
func (sh *shard) dropExpired(e *entry, now int64) bool {
	if !e.expired(now) {
		return false
	}
	sh.drop(e)
	sh.expirations++
	return true
}
