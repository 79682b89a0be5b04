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
	sweepBudget = 1000
	sweptItem   = 8
	sweptSlots  = 32
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
	ticks := sh.backend.newSweptTicks(first, end)
	work = 1
	for began := sh.sweepSlot; ; began = -1 {
		t := sh.part(sh.sweepHome)
		for sh.sweepSlot < len(t.due) {
			if sh.sweepSlot%sweptSlots == sweptSlots-1 {
				work++
			}
			if work >= budget && sh.sweepSlot != began {
				return work, false
			}
			s := slot(sh.sweepSlot)
			sh.sweepSlot++
			if due := t.due[s]; due == 0 || !ticks.have(int64(due)-1) {
				continue
			}
			if sh.sweepItem(t, s, now) {
				work += sweptItem
			}
			t = sh.part(sh.sweepHome) // if it is a smaller one now, setParts has set sweepSlot to 0
		}
		sh.sweepSlot = 0
		// The next part begins where the first bits of the homeOf are the next number.
		sh.sweepHome = (sh.sweepHome>>(32-t.depth) + 1) << (32 - t.depth)
		if sh.sweepHome == 0 {
			return work, true
		}
	}
}

// sweepItem drops the item in slot s of t if it has expired, or else puts it into its bucket. It
// reports whether it did one of these.
func (sh *shard) sweepItem(t *table, s slot, now int64) bool {
	b, e := sh.backend, t.at(s)
	if sh.dropExpired(e, now) {
		return true
	}
	deadline := e.deadline.Load()
	b.earliest = min(b.earliest, deadline)
	due := t.due[s]
	t.due[s] = 1 + uint16(b.bucketOf(deadline, now))
	return t.due[s] != due
}

// sweptTicks are the ticks that a sweep sweeps, and the rounds that began in them.
type sweptTicks struct {
	sweeper *sweeper
	rows    [2]sweptRow
}

// A sweptRow says which buckets of a row are swept: those of some ticks, or of some rounds.
type sweptRow struct {
	first, n int64 // the first tick or round, and how many of them there are
	bucket   int64 // that of the first
	buckets  int64 // of the row
	duration int64 // of a tick or round, in nanoseconds
}

// newSweptTicks returns the ticks from first up to, but not including, end.
func (s *sweeper) newSweptTicks(first, end int64) sweptTicks {
	round := (first + s.buckets - 1) / s.buckets
	rounds := (end-1)/s.buckets - round + 1
	return sweptTicks{s, [...]sweptRow{
		{first, end - first, mod(first, s.buckets), s.buckets, s.interval},
		{round, rounds, s.buckets + mod(round, farRounds), farRounds, s.interval * s.buckets},
	}}
}

// have reports whether bucket has items of these ticks and rounds. It may also have those of ticks
// or rounds that are a whole turn later. If it has only later ones, sweeper.earliest takes account
// of them.
func (st *sweptTicks) have(bucket int64) bool {
	row := &st.rows[0]
	if bucket >= st.sweeper.buckets {
		row = &st.rows[1]
	}
	ahead := bucket - row.bucket
	if ahead < 0 {
		ahead += row.buckets
	}
	if ahead < row.n {
		return true
	}
	st.sweeper.earliest = min(st.sweeper.earliest, (row.first+ahead)*row.duration)
	return false
}

// restartSweep makes the next sweep of the shard begin at its first slot.
func (sh *shard) restartSweep() { sh.sweepHome, sh.sweepSlot = 0, 0 }

// mod returns n modulo m, which is never negative.
func mod(n, m int64) int64 { return (n%m + m) % m }
