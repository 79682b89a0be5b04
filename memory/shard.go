package memory

import "sync"

// A shard is a part of the keys, with all that belongs to them.
type shard struct {
	owner *Backend

	mu      sync.Mutex        // guards all below, and the entries
	entries map[string]*entry // by key
	peak    int               // how many entries there were since the map was made
	buckets []ring            // of what has a deadline, both rows; nil until something has
	queues                    // only with a bound
	bytes   int64             // what the entries cost

	hits, misses, evictions, expirations uint64

	_ [64]byte // keeps the lock of the next shard out of this one's cache line
}

// reset forgets all entries. What has been counted stays.
func (sh *shard) reset() {
	sh.entries, sh.peak = map[string]*entry{}, 0
	sh.buckets = nil
	sh.queues = queues{}
	sh.bytes = 0
}

// live answers the entry under key, or nil. An expired one it drops.
func (sh *shard) live(key string, now int64) *entry {
	e := sh.entries[key]
	if e == nil || sh.dropExpired(e, now) {
		return nil
	}
	return e
}

// read is live for a verb that counts as a hit or a miss. It looks at the clock
// only if it must.
func (sh *shard) read(key string) *entry {
	e := sh.entries[key]
	if e == nil || e.deadline != 0 && sh.dropExpired(e, sh.owner.now()) {
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

// insert puts e, for which room has been taken, into the shard.
func (sh *shard) insert(e *entry) {
	sh.entries[e.key] = e
	sh.peak = max(sh.peak, len(sh.entries))
	sh.bytes += e.cost
	if sh.owner.bounds.set() {
		sh.queues.enqueue(e, sh.owner.hash(e.key))
	}
}

// remove takes e out of the shard, and leaves its room taken.
func (sh *shard) remove(e *entry) {
	delete(sh.entries, e.key)
	sh.setDeadline(e, 0, 0)
	if sh.owner.bounds.set() {
		sh.queues.remove(e)
	}
	sh.bytes -= e.cost
	sh.shrink()
}

// drop takes e out of the shard and gives its room back.
func (sh *shard) drop(e *entry) {
	sh.remove(e)
	sh.owner.bounds.release(1, e.cost)
}

// evict drops the entry that eviction chooses, leaves its room to w, and answers
// false if there is none. One that has expired is no eviction.
func (sh *shard) evict(w *write) bool {
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
	sh.remove(e)
	w.items, w.bytes = w.items+1, w.bytes+e.cost
	return true
}

// shrink makes a smaller map once few of its entries are left, for a map never
// gets smaller by itself. Each entry that it moves stands for seven that went.
func (sh *shard) shrink() {
	const small, part = 1024, 8
	if sh.peak <= small || len(sh.entries) > sh.peak/part {
		return
	}
	entries := make(map[string]*entry, len(sh.entries))
	for key, e := range sh.entries {
		entries[key] = e
	}
	sh.entries, sh.peak = entries, len(entries)
	sh.queues.ghosts = ghosts{}
}

// setDeadline says when e expires and puts it into the bucket for that.
func (sh *shard) setDeadline(e *entry, deadline, now int64) {
	if e.deadline != 0 {
		sh.buckets[e.bucket].remove(e, inBucket)
	}
	e.deadline = deadline
	if deadline == 0 {
		return
	}
	if sh.buckets == nil {
		sh.buckets = make([]ring, sh.owner.buckets+farRounds)
	}
	e.bucket = sh.owner.bucketOf(deadline, now)
	sh.buckets[e.bucket].push(e, inBucket)
}

// setCount makes e a counter that stands at n.
func (sh *shard) setCount(e *entry, n uint64) {
	e.number, e.counter, e.value = n, true, nil
	c := sh.owner.bounds.cost(e.key, 0)
	sh.bytes += c - e.cost
	sh.owner.bounds.release(0, e.cost-c)
	e.cost = c
}
