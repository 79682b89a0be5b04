package memory

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// A sweeper finds the expired items that nobody reads. Time is cut into ticks
// of one interval each; an entry lies in the bucket of the tick in which it
// expires, and a bucket is looked through when its tick is over. With more ticks
// to come than there are buckets, a bucket also holds entries of later rounds.
type sweeper struct {
	buckets  int64 // how many
	interval int64 // in nanoseconds

	next atomic.Int64 // the tick whose bucket is to be looked through; written under mu

	mu    sync.Mutex // held by the one who sweeps
	shard int        // the shard in which to go on; guarded by mu
}

// sweepBudget is how many entries a store looks at, and in how many shards, for
// the sweeper before it leaves the rest to the stores that follow. A shard's
// bucket is looked through as a whole.
const sweepBudget = 1000

// deadline answers when an item stored now for ttl expires.
func deadline(now int64, ttl time.Duration) int64 {
	switch {
	case ttl == 0:
		return 0
	case int64(ttl) > math.MaxInt64-now: // in three centuries
		return math.MaxInt64
	}
	return now + int64(ttl)
}

// bucketOf answers the bucket of what expires at deadline.
func (s *sweeper) bucketOf(deadline int64) int32 {
	return int32(deadline / s.interval % s.buckets)
}

// sweep looks through buckets whose tick is over, if there are any and nobody
// else does.
func (b *Backend) sweep(now int64) {
	current := now / b.interval
	if b.next.Load() >= current || !b.sweeper.mu.TryLock() {
		return
	}
	defer b.sweeper.mu.Unlock()
	tick := b.next.Load()
	if current-tick > b.buckets { // one round sees every bucket
		tick, b.shard = current-b.buckets, 0
	}
	budget := sweepBudget
	for ; tick < current; tick++ {
		for ; b.shard < len(b.shards); b.shard++ {
			if budget <= 0 {
				b.next.Store(tick)
				return
			}
			budget -= 1 + b.shards[b.shard].sweep(tick%b.buckets, now)
		}
		b.shard = 0
	}
	b.next.Store(tick)
}

// sweep drops what has expired in a bucket and answers how many entries lay
// there.
func (sh *shard) sweep(bucket, now int64) int {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.buckets == nil {
		return 0
	}
	r := &sh.buckets[bucket]
	seen := 0
	// The entries that stay are gathered, for a ring that loses entries is no
	// place to walk along.
	var stay ring
	for e := r.first; e != nil; e = r.first {
		seen++
		if e.expired(now) {
			sh.drop(e)
			sh.expirations++
			continue
		}
		r.remove(e, inBucket)
		stay.push(e, inBucket)
	}
	*r = stay
	return seen
}
