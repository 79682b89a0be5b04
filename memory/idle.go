package memory

import (
	"math"
	"sync/atomic"
	"time"
)

// This file has the life of an item in a Backend with an IdleTTL. The deadline of its entry is
// the end of its own time to live, or that of its idle time, whichever is earlier. The former is
// also in the tail, so that a read can set the deadline without a lock.
//
// A deadline that has passed may therefore still be moved by a read that began before it. Whoever
// drops an expired entry first sets its deadline to ended. From then on it stays there, and the
// read is a miss.

// ended is the deadline of an entry that was dropped because it had expired. It is before all
// times, and far enough from the smallest number that differences do not overflow.
const ended = math.MinInt64 / 2

// limit returns where the end of the item's own time to live is kept: math.MaxInt64 if it never
// expires.
func (e *entry) limit() *atomic.Int64 { return e.tail(0) }

// setLimit sets the limit of e, which is stored or touched now, to end, or to no limit if end is
// 0. It returns the deadline.
func (b *Backend) setLimit(e *entry, now, end int64) int64 {
	if end == 0 {
		end = math.MaxInt64
	}
	e.limit().Store(end)
	return min(end, deadlineAfter(now, time.Duration(b.idle)))
}

// timeLeft returns how long e, which has not expired at now, has left of its own time to live, or
// 0 if that never ends.
func (b *Backend) timeLeft(e *entry, now int64) time.Duration {
	end := e.deadline.Load()
	if b.idle != 0 {
		end = e.limit().Load()
	}
	if end == 0 || end == math.MaxInt64 {
		return 0
	}
	return time.Duration(max(end-now, 1))
}

// prolong begins the idle time of e again. It reports false if e has ended.
//
// To write seldom to an entry that is read often, prolong sets the deadline a 64th later than
// necessary, and does nothing as long as the deadline is late enough. The coarse time may be a
// tick behind, or more if the timers of the program are late.
func (b *Backend) prolong(e *entry) bool {
	idleEnd := deadlineAfter(b.approxNow()+int64(clockTick), time.Duration(b.idle))
	for {
		deadline := e.deadline.Load()
		if deadline == ended {
			return false
		}
		limit := e.limit().Load()
		if deadline <= limit && deadline >= min(idleEnd, limit) {
			return true
		}
		later := deadlineAfter(idleEnd, time.Duration(b.idle/64))
		e.deadline.CompareAndSwap(deadline, min(later, limit))
	}
}

// tryEnd sets the deadline of e to ended, and reports true, unless e has not expired now.
func (e *entry) tryEnd(now int64) bool {
	for {
		deadline := e.deadline.Load()
		if deadline > now {
			return false
		}
		if e.deadline.CompareAndSwap(deadline, ended) {
			return true
		}
	}
}
