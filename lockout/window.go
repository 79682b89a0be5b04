package lockout

import (
	"context"
	"errors"
	"math/bits"
	"strconv"
	"time"

	"github.com/cachewire/cachewire/core"
)

// This file has the counters of FixedWindow and SlidingWindow. There is one for each window,
// with the number of the window in its key. The counter of a sliding window has the count of
// the window before in its lower bits.

// shift returns how many bits are below the count in a counter of r.
func (r *rule) shift() int {
	if r.Algorithm == SlidingWindow {
		return beforeBits
	}
	return 0
}

// afterlife returns how long a counter is kept after the end of its window. The counter of a
// sliding window is kept until the next window has ended. The counter of a fixed window is
// kept for machines whose clocks are behind.
func (r *rule) afterlife() time.Duration {
	if r.Algorithm == SlidingWindow {
		return r.Period
	}
	return min(r.Period, time.Minute)
}

// windowTTL returns the time to live of a counter in w that begins at the time now.
func (r *rule) windowTTL(w *window, now int64) time.Duration {
	return time.Duration(w.end-now) + r.afterlife()
}

// split returns the count of the window and the count of the window before.
func (t *tally) split() (count, before uint64) {
	shift := t.shift()
	return t.number >> shift, t.number & (1<<shift - 1)
}

// windowUsed returns the count at the time t.now.
func (t *tally) windowUsed() uint64 {
	count, before := t.split()
	if before == 0 {
		return count
	}
	left := max(0, t.window.end-t.now)
	hi, lo := bits.Mul64(before, uint64(left))
	share, _ := bits.Div64(hi, lo, uint64(t.Period))
	return count + share
}

// windowDropsTo returns the time from which the count is at most n, if no more are added. The
// count at t.now must be more than n.
func (t *tally) windowDropsTo(n uint64) int64 {
	count, before := t.split()
	switch {
	case t.Algorithm == FixedWindow:
		return t.window.end
	case count > n:
		return t.window.end + t.fadesTo(min(count, t.Count), n)
	}
	return t.window.start + t.fadesTo(before, n-count)
}

// fadesTo returns how long after the start of a window the share of the window before is at
// most n. The count of the window before is before.
func (t *tally) fadesTo(before, n uint64) int64 {
	if before <= n {
		return 0
	}
	// The rest of the window is the longest one for which the share of before is less than
	// n+1.
	hi, lo := bits.Mul64(uint64(t.Period), n+1)
	lo, borrow := bits.Sub64(lo, 1, 0)
	rest, _ := bits.Div64(hi-borrow, lo, before)
	return int64(t.Period) - int64(rest)
}

// windowAdd counts the attempt, even beyond Count. It takes one round trip if the counter is
// present or was read before. It takes two if a fixed window has no counter yet, and three if
// a sliding window should have a counter and has none.
func (t *tally) windowAdd(ctx context.Context) error {
	delta := t.n << t.shift()
	if t.Algorithm == SlidingWindow && (t.present || !t.looked) {
		number, err := t.cache.Incr(ctx, t.key, delta)
		if err == nil {
			t.number = number
		}
		if err != core.ErrMiss {
			return err
		}
		before, err := t.cache.Count(ctx, t.window.before+t.id)
		if err != nil && err != core.ErrMiss && !isUnreadable(err) {
			return err
		}
		t.lookedAt(0, false, before)
	}
	ttl := t.windowTTL(t.window, t.now)
	start := uint64(0)
	if t.looked && !t.present {
		start = t.number
		err := t.cache.Store(ctx, core.Add, core.Item{
			Key:   t.key,
			Value: strconv.AppendUint(nil, start+delta, 10),
			Flags: core.FlagInt,
			TTL:   ttl,
		})
		if err == nil {
			t.number += delta
		}
		if !errors.Is(err, core.ErrExists) { // nil, or a failure
			return err
		}
	}
	number, err := t.cache.IncrFrom(ctx, t.key, delta, start, ttl)
	if err == nil {
		t.number = number
	}
	return err
}

// windowRemove removes the attempt that windowAdd has counted.
func (t *tally) windowRemove(ctx context.Context) error {
	_, err := t.cache.Decr(ctx, t.key, t.n<<t.shift())
	if err == core.ErrMiss {
		return nil
	}
	return err
}

// lookedAt records the number in the counter, and whether it is present. An absent counter
// will start from the count in before, which is the number in the counter of the window
// before.
func (t *tally) lookedAt(number uint64, present bool, before uint64) {
	t.looked, t.present, t.number = true, present, number
	if !present && t.Algorithm == SlidingWindow {
		t.number = min(before>>beforeBits, t.Count)
	}
}
