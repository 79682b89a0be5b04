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
// There are two rows of buckets. What expires within the next round lies in the bucket
// of its tick, which is looked through when the tick is over. What expires later lies in
// the bucket of its round, of which there are farRounds; when its round has begun it
// moves to the bucket of its tick. An item is thus looked at a few times in its life,
// however long that is. A bucket is a number beside the item's slot in its table, so
// that to look through one is to look along these numbers.
type sweeper struct {
	buckets  int64 // how many, in the first row
	interval int64 // in nanoseconds

	next atomic.Int64 // the tick that is to be swept; written under mu

	mu    sync.Mutex // held by the one who sweeps
	until int64      // the tick behind the last that is being swept, or next where none is; guarded by mu
	shard int        // in which shard to go on; guarded by mu
}

// farRounds is how many buckets the second row has. An item that expires more
// than so many rounds from now is looked at each time they have gone by.
const farRounds = 64

// sweepBudget is how much one store does for the sweeper before it leaves the rest to
// those that follow. To begin with a shard counts as one, to look along sweptSlots as
// another, and to move or drop an item as sweptItem.
const (
	sweepBudget = 2000
	sweptItem   = 8
	sweptSlots  = 64
)

// deadline answers when an item stored now for ttl expires.
func deadline(now int64, ttl time.Duration) int64 {
	switch {
	case ttl == 0:
		return 0
	case now > math.MaxInt64-int64(ttl): // in three centuries
		return math.MaxInt64
	}
	return now + int64(ttl)
}

// bucketOf answers the bucket of what expires at deadline.
func (s *sweeper) bucketOf(deadline, now int64) int32 {
	tick := deadline / s.interval
	if tick-now/s.interval < s.buckets {
		return int32(turn(tick, s.buckets))
	}
	return int32(s.buckets + turn(tick/s.buckets, farRounds))
}

// sweep goes on with the ticks that are over, if there are any and nobody else
// is at it.
func (b *Backend) sweep(now int64) {
	current := now / b.interval
	if b.next.Load() >= current || !b.sweeper.mu.TryLock() {
		return
	}
	defer b.sweeper.mu.Unlock()
	if current < b.until {
		return // another's time is newer, and what it looks for is not over by this one
	}
	for budget := sweepBudget; budget > 0; {
		next := b.next.Load()
		if b.until <= next {
			if b.until = current; b.until <= next {
				return
			}
		}
		done, all := b.shards[b.shard].sweep(next, b.until, now, budget)
		if !all {
			return
		}
		budget -= done
		if b.shard++; b.shard == len(b.shards) {
			b.shard = 0
			b.next.Store(b.until)
		}
	}
}

// sweep drops what expired in the ticks from first to before last, and spreads the items
// of the rounds that began in them. It answers what that counts as, at least 1, and
// whether it came to the end; where the budget ended it, the next one goes on.
func (sh *shard) sweep(first, last, now int64, budget int) (done int, all bool) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	b := sh.owner
	t := sh.table.Load()
	done = 1
	// Of ticks and rounds what comes a whole turn later lies in the same bucket.
	firstRound := (first + b.buckets - 1) / b.buckets
	rounds := (last-1)/b.buckets - firstRound + 1
	start := sh.swept
	for at := start; at < len(t.due); at++ {
		s, due := slot(at), t.due[at]
		if at%sweptSlots == sweptSlots-1 {
			done++
		}
		if done >= budget && at != start {
			sh.swept = at
			return done, false
		}
		if due == 0 {
			continue
		}
		bucket := int64(due) - 1
		if bucket < b.buckets {
			if turn(bucket-first, b.buckets) >= last-first || !t.at(s).expired(now) {
				continue
			}
		} else if turn(bucket-b.buckets-firstRound, farRounds) >= rounds {
			continue
		}
		if e := t.at(s); sh.dropExpired(e, now) {
			done += sweptItem
		} else if bucket := b.bucketOf(e.deadline.Load(), now); int64(bucket) < b.buckets {
			t.due[s] = 1 + uint16(bucket)
			done += sweptItem
		}
		if other := sh.table.Load(); other != t { // it got smaller: begin again in that one
			t, at = other, -1
		}
	}
	sh.swept = 0
	return done, true
}

// turn answers n as a place on a circle of that many.
func turn(n, many int64) int64 { return (n%many + many) % many }
