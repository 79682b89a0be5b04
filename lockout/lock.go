package lockout

import (
	"context"
	"errors"
	"math"
	"strconv"
	"time"

	"github.com/cachewire/cachewire/core"
)

// lookForLock reads from f whether there is a lock. Any value under its key is a lock.
func (t *tally) lookForLock(f *found) {
	item, err := f.item(t.lockKey())
	if t.locked = err == nil || isUnreadable(err); t.locked {
		t.until = lockEnd(item.Value)
	}
}

// lockEnd returns when the lock with that value ends, in nanoseconds since 1970. It returns 0
// if the value has no time: Python programs store 1.
func lockEnd(value []byte) int64 {
	seconds, err := core.ParseCount(value)
	if err != nil || seconds <= 1 || seconds > math.MaxInt64/uint64(time.Second) {
		return 0
	}
	return int64(seconds) * int64(time.Second)
}

// setLock sets the lock of t, and t.alerts. If another caller has set it, setLock only reads
// when it ends. Callers that find the counter full also call setLock, because the process of
// the caller that filled it may have died.
//
// If keep is true, the counter is kept nearly as long as the lock. Otherwise it is deleted.
func (t *tally) setLock(ctx context.Context, keep bool) error {
	previous, rowErr := t.locksInRow(ctx)
	duration := t.lockDuration(previous)
	end := time.Now().Add(duration).UnixNano()
	err := t.cache.Store(ctx, core.Add, core.Item{
		Key:   t.lockKey(),
		Value: strconv.AppendInt(nil, (end-1)/int64(time.Second)+1, 10), // rounded up
		Flags: core.FlagInt,
		TTL:   duration,
	})
	if errors.Is(err, core.ErrExists) {
		f := read(ctx, t.cache, []string{t.lockKey()})
		t.lookForLock(&f)
		return f.err
	}
	if err != nil {
		return errors.Join(rowErr, err)
	}
	t.locked, t.until, t.alerts = true, end, true
	if t.maxLock > 0 && (rowErr == nil || isUnreadable(rowErr)) {
		rowErr = join(rowErr, t.cache.Store(ctx, core.Set, core.Item{
			Key:   t.rowKey(),
			Value: strconv.AppendUint(nil, previous+1, 10),
			Flags: core.FlagInt,
			TTL:   t.rowTTL(duration),
		}))
	}
	return errors.Join(rowErr, t.endCounter(ctx, keep))
}

// endCounter deletes the counter of t, whose lock has been set. If keep is true, it keeps the
// counter nearly as long as the lock instead: the counter then stops callers that looked for
// the lock before it was set, but not callers that come after the lock.
func (t *tally) endCounter(ctx context.Context, keep bool) error {
	err := error(nil)
	if keep {
		resolution := max(t.cache.Traits().Resolution, 10*time.Millisecond)
		left := time.Until(time.Unix(0, t.until)) - resolution
		err = t.cache.Touch(ctx, t.key, max(left, time.Millisecond))
	} else {
		err = t.cache.Delete(ctx, t.key)
	}
	if err == core.ErrMiss {
		return nil
	}
	return err
}

// locksInRow returns the number of locks in the row before the next lock of t. If the number
// cannot be read, setLock sets a lock of the first length and starts a new row. If the cache
// fails, the row stays.
func (t *tally) locksInRow(ctx context.Context) (uint64, error) {
	if t.maxLock == 0 {
		return 0, nil
	}
	previous, err := t.cache.Count(ctx, t.rowKey())
	if err == core.ErrMiss {
		return 0, nil
	}
	return previous, err
}

// lockDuration returns how long a lock lasts that follows previous other locks in its row.
func (r *rule) lockDuration(previous uint64) time.Duration {
	d := r.lock
	for range previous {
		if d > r.maxLock/2 {
			return r.maxLock
		}
		d *= 2
	}
	return d
}

// rowTTL returns how long the number of locks in a row is kept if the last lock lasts d.
func (r *rule) rowTTL(d time.Duration) time.Duration { return d + max(d, r.Period) }
