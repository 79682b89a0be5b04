package memory

import (
	"sync"
)

// A shard is a part of the keys, with all that belongs to them.
type shard struct {
	owner *Backend

	mu      sync.Mutex        // guards all below, and the entries
	entries map[string]*entry // by key
	buckets []ring            // of what has a deadline; nil until something has
	queues                    // only with a bound
	bytes   int64             // what the entries cost

	hits, misses, evictions, expirations uint64

	_ [64]byte // keeps the lock of the next shard out of this one's cache line
}

// reset forgets all entries. What has been counted stays.
func (sh *shard) reset() {
	sh.entries = map[string]*entry{}
	sh.buckets = nil
	sh.queues = queues{}
	sh.bytes = 0
}

// live answers the entry under key, or nil. An expired one it drops.
func (sh *shard) live(key string) *entry {
	e := sh.entries[key]
	if e == nil || e.deadline == 0 || !e.expired(sh.owner.now()) {
		return e
	}
	sh.drop(e)
	sh.expirations++
	return nil
}

// read is live for a verb that counts as a hit or a miss.
func (sh *shard) read(key string) *entry {
	e := sh.live(key)
	if e == nil {
		sh.misses++
		return nil
	}
	sh.hits++
	sh.use(e)
	return e
}

// use notes that e was of use, for eviction to know.
func (sh *shard) use(e *entry) {
	if sh.owner.bounds.set() && e.reads < maxReads {
		e.reads++
	}
}

// drop takes e out of the shard and gives its room back.
func (sh *shard) drop(e *entry) {
	delete(sh.entries, e.key)
	sh.setDeadline(e, 0)
	if sh.owner.bounds.set() {
		sh.queues.remove(e)
	}
	sh.bytes -= e.cost
	sh.owner.bounds.release(1, e.cost)
}

// insert puts e, for which room has been taken, into the shard.
func (sh *shard) insert(e *entry) {
	sh.entries[e.key] = e
	if sh.owner.bounds.set() {
		sh.queues.enqueue(e, sh.owner.hash(e.key))
	}
	sh.bytes += e.cost
}

// setDeadline says when e expires and puts it into the bucket for that.
func (sh *shard) setDeadline(e *entry, deadline int64) {
	if e.deadline != 0 {
		sh.buckets[e.bucket].remove(e, inBucket)
	}
	e.deadline = deadline
	if deadline == 0 {
		return
	}
	if sh.buckets == nil {
		sh.buckets = make([]ring, sh.owner.buckets)
	}
	e.bucket = sh.owner.bucketOf(deadline)
	sh.buckets[e.bucket].push(e, inBucket)
}

// setCount makes e a counter that stands at n.
func (sh *shard) setCount(e *entry, n uint64) {
	e.number, e.counter, e.value = n, true, nil
	c := cost(e.key, 0)
	sh.bytes += c - e.cost
	sh.owner.bounds.release(0, e.cost-c)
	e.cost = c
}

// evict drops the entry that eviction chooses, and answers false if there is
// none. One that has expired is no eviction.
func (sh *shard) evict() bool {
	e := sh.queues.victim()
	if e == nil {
		return false
	}
	if e.deadline != 0 && e.expired(sh.owner.now()) {
		sh.expirations++
	} else {
		sh.evictions++
		if e.queue == smallQueue {
			sh.queues.ghosts.add(sh.owner.hash(e.key), ghostRounds*len(sh.entries))
		}
	}
	sh.drop(e)
	return true
}
