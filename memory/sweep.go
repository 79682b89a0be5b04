package memory

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// A sweeper finds the expired items that nobody reads. Time is cut into ticks of
// one interval each, and as many ticks as there are buckets are a round.
//
// Each shard has two rows of buckets. What expires within the next round lies in
// the bucket of its tick, which is looked through when the tick is over. What
// expires later lies in the bucket of its round, of which there are farRounds;
// when its round has begun it moves to the bucket of its tick. An item is thus
// looked at a few times in its life, however long that is.
type sweeper struct {
	buckets  int64 // how many, in the first row
	interval int64 // in nanoseconds

	next atomic.Int64 // the tick that is to be swept; written under mu

	mu    sync.Mutex // held by the one who sweeps
	shard int        // in which shard to go on; guarded by mu
	round int64      // the last one whose items have moved; guarded by mu
}

// farRounds is how many buckets the second row has. An item that expires more
// than so many rounds from now is looked at each time they have gone by.
const farRounds = 64

// sweepBudget is how many items one store moves or drops for the sweeper before
// it leaves the rest to those that follow. A shard in which there is nothing to
// do counts as one.
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
func (s *sweeper) bucketOf(deadline, now int64) int32 {
	tick := deadline / s.interval
	if tick-now/s.interval < s.buckets {
		return int32(tick % s.buckets)
	}
	return int32(s.buckets + tick/s.buckets%farRounds)
}

// sweep goes on with the ticks that are over, if there are any and nobody else
// is at it.
func (b *Backend) sweep(now int64) {
	current := now / b.interval
	if b.next.Load() >= current || !b.sweeper.mu.TryLock() {
		return
	}
	defer b.sweeper.mu.Unlock()
	tick := b.next.Load()
	// Of rounds that went by unswept the last will do: it sees every bucket.
	tick += (current - tick - 1) / b.buckets * b.buckets
	for budget := sweepBudget; tick < current && budget > 0; {
		done, all := b.shards[b.shard].sweep(tick, now, budget)
		budget -= 1 + done
		if !all {
			break
		}
		if b.shard++; b.shard == len(b.shards) {
			b.shard = 0
			if tick%b.buckets == 0 {
				b.round = tick / b.buckets
			}
			tick++
		}
	}
	b.next.Store(tick)
}

// sweep drops what expired in the tick. If the tick is the first of its round, it
// first spreads the items of the round. It answers how many items it moved or
// dropped, and false if the budget ended it.
func (sh *shard) sweep(tick, now int64, budget int) (done int, all bool) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.buckets == nil {
		return 0, true
	}
	b := sh.owner
	if round := tick / b.buckets; tick%b.buckets == 0 {
		for r := max(b.round+1, round-farRounds+1); r <= round; r++ {
			n, all := sh.buckets[b.buckets+r%farRounds].sift(budget-done, func(e *entry) bool {
				return sh.dropExpired(e, now) || sh.bringNear(e, now)
			})
			if done += n; !all {
				return done, false
			}
		}
	}
	n, all := sh.buckets[tick%b.buckets].sift(budget-done, func(e *entry) bool { return sh.dropExpired(e, now) })
	return done + n, all
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

// bringNear moves e to the bucket of its tick, if the tick is near by now.
func (sh *shard) bringNear(e *entry, now int64) bool {
	if int64(sh.owner.bucketOf(e.deadline, now)) >= sh.owner.buckets {
		return false
	}
	sh.setDeadline(e, e.deadline, now)
	return true
}

// sift offers the entries of a bucket to take, which answers whether it took the
// entry out. It ends when it has seen all, or when budget were taken: then it
// answers false.
func (r *ring) sift(budget int, take func(e *entry) bool) (taken int, all bool) {
	var stays *entry // the first that was left
	for e := r.first; e != nil && e != stays; e = r.first {
		if taken == budget {
			return taken, false
		}
		if take(e) {
			taken++
			continue
		}
		if stays == nil {
			stays = e
		}
		r.first = e.links[inBucket].next
	}
	return taken, true
}
