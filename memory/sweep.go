package memory

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// A sweeper finds the expired items that are not read. It divides time into ticks of one
// interval each. A round is as many ticks as the first row has buckets.
//
// There are two rows of buckets. An item that expires within the next round is in the
// bucket of its tick, which is swept when the tick is over. An item that expires later is
// in the bucket of its round; there are farRounds of these. When its round has begun, it
// moves to the bucket of its tick. A sweep therefore looks at an item only a few times,
// however long it lives.
//
// A bucket is not a list: each table has a number for each of its slots, the bucket of the
// item in that slot. A sweep of a bucket goes through these numbers.
type sweeper struct {
	buckets  int64 // the number of buckets in the first row
	interval int64 // in nanoseconds

	nextTick atomic.Int64 // the first tick that is not swept yet; written under mu

	// mu is held by the store or the timer that sweeps. It guards the fields below.
	mu        sync.Mutex
	endTick   int64 // the tick after the last that is being swept; nextTick if none is
	nextShard int   // the shard with which to continue
	earliest  int64 // not after the deadline of any item that was left since sweepAll began
}

// farRounds is the number of buckets in the second row. An item that expires in more rounds
// than that is looked at once in every farRounds rounds.
const farRounds = 64

// sweepBudget is how much work one store does for the sweeper before it leaves the rest to
// others. The timer does as much while it holds the lock of a shard. To begin with a shard
// counts as 1, to go through sweptSlots slots as 1, and to move or drop an item as sweptItem.
const (
	sweepBudget = 2000
	sweptItem   = 8
	sweptSlots  = 64
)

// deadlineAfter returns the time at which an item expires if it is stored now for ttl.
func deadlineAfter(now int64, ttl time.Duration) int64 {
	switch {
	case ttl == 0:
		return 0
	case now > math.MaxInt64-int64(ttl): // in three centuries
		return math.MaxInt64
	}
	return now + int64(ttl)
}

// bucketOf returns the bucket of an item that expires at deadline. Those of the second row
// follow those of the first.
func (s *sweeper) bucketOf(deadline, now int64) int32 {
	tick := deadline / s.interval
	if tick-now/s.interval < s.buckets {
		return int32(mod(tick, s.buckets))
	}
	return int32(s.buckets + mod(tick/s.buckets, farRounds))
}

// sweep continues for a store with the ticks that are over, unless there are none or the timer
// or another store is sweeping.
func (b *Backend) sweep(now int64) {
	current := now / b.interval
	if b.nextTick.Load() >= current || !b.sweeper.mu.TryLock() {
		return
	}
	defer b.sweeper.mu.Unlock()
	if current < b.endTick {
		return // another store has a newer time; some ticks that it sweeps are not over at now
	}
	for budget := sweepBudget; budget > 0; {
		next := b.nextTick.Load()
		if b.endTick <= next {
			if b.endTick = current; b.endTick <= next {
				return
			}
		}
		work, finished := b.shards[b.nextShard].sweep(next, b.endTick, now, budget)
		if !finished {
			return
		}
		budget -= work
		if b.nextShard++; b.nextShard == len(b.shards) {
			b.nextShard = 0
			b.nextTick.Store(b.endTick)
		}
	}
}

// sweep drops the items that expired in the ticks from first up to, but not including, end.
// It moves the items of the rounds that began in these ticks to the buckets of their ticks.
// It returns the amount of work, at least 1, and whether it finished the shard. If the
// budget ended first, the next sweep continues.
func (sh *shard) sweep(first, end, now int64, budget int) (work int, finished bool) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	b := sh.backend
	t := sh.table.Load()
	work = 1
	// A bucket also has the items of ticks or rounds that are a whole turn later.
	firstRound := (first + b.buckets - 1) / b.buckets
	rounds := (end-1)/b.buckets - firstRound + 1
	start := sh.sweepSlot
	for at := start; at < len(t.due); at++ {
		s, due := slot(at), t.due[at]
		if at%sweptSlots == sweptSlots-1 {
			work++
		}
		if work >= budget && at != start {
			sh.sweepSlot = at
			return work, false
		}
		if due == 0 {
			continue
		}
		bucket := int64(due) - 1
		if bucket < b.buckets {
			if ahead := mod(bucket-first, b.buckets); ahead >= end-first {
				b.earliest = min(b.earliest, (first+ahead)*b.interval)
				continue
			}
		} else if ahead := mod(bucket-b.buckets-firstRound, farRounds); ahead >= rounds {
			b.earliest = min(b.earliest, (firstRound+ahead)*b.buckets*b.interval)
			continue
		}
		e := t.at(s)
		if sh.dropExpired(e, now) {
			work += sweptItem
		} else {
			deadline := e.deadline.Load()
			b.earliest = min(b.earliest, deadline)
			if moved := 1 + uint16(b.bucketOf(deadline, now)); moved != due {
				t.due[s] = moved
				work += sweptItem
			}
		}
		if shrunk := sh.table.Load(); shrunk != t { // start again with the smaller table
			t, at = shrunk, -1
		}
	}
	sh.sweepSlot = 0
	return work, true
}

// mod returns n modulo m, which is never negative.
func mod(n, m int64) int64 { return (n%m + m) % m }
