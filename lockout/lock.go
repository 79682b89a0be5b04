package lockout

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/cachewire/cachewire/core"
)

// ErrLocked means that there is a lock, or that a counter without locks has no room.
// errors.Is finds it in a *LockedError.
var ErrLocked = errors.New("lockout: locked")

// A LockedError says which counter refuses.
type LockedError struct {
	Lockout string    // the name of the lockout
	Counter string    // the name of the term
	Until   time.Time // when the lock ends, or when there is room; zero if that is not known
}

func (e *LockedError) Error() string {
	text := fmt.Sprintf("%s: %s, by %s", ErrLocked, e.Lockout, e.Counter)
	if !e.Until.IsZero() {
		text += ", until " + e.Until.Format(time.RFC3339)
	}
	return text
}

// Unwrap returns ErrLocked.
func (e *LockedError) Unwrap() error { return ErrLocked }

// lockEnd returns when a lock with that value ends, or zero if the value does not say so.
// Python programs store 1.
func lockEnd(value []byte) time.Time {
	seconds, err := core.ParseCount(value)
	if err != nil || seconds <= 1 || seconds > 1<<40 {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0)
}

// setLock sets the lock of a, calls changeCounter with the duration of the lock, and calls
// Alert. It returns when the lock ends. If another caller has set the lock, setLock returns
// zero and calls nothing. In Incr and Allow, callers that are beyond Count try as well,
// because the process of the one that reached Count may have died.
func (l *Lockout[C]) setLock(
	ctx context.Context, c C, a addition[C], changeCounter func(time.Duration) error,
) (time.Time, error) {
	previous, rowErr := l.locksInRow(ctx, a)
	duration := a.lockDuration(previous)
	end := time.Now().Add(duration)
	seconds := end.Unix()
	if end.Nanosecond() != 0 {
		seconds++
	}
	err := l.locker.cache.Store(ctx, core.Add, core.Item{
		Key:   a.lockKey(),
		Value: strconv.AppendInt(nil, seconds, 10),
		Flags: core.FlagInt,
		TTL:   duration,
	})
	if errors.Is(err, core.ErrExists) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, errors.Join(rowErr, err)
	}
	if a.MaxDuration > 0 && rowErr == nil {
		rowErr = l.locker.cache.Store(ctx, core.Set, core.Item{
			Key:   a.rowKey(),
			Value: strconv.AppendUint(nil, previous+1, 10),
			Flags: core.FlagInt,
			TTL:   duration + max(duration, a.Period),
		})
	}
	if err = changeCounter(duration); err == core.ErrMiss {
		err = nil
	}
	if a.Alert != nil {
		a.Alert(ctx, c, Event{l.name, a.name, a.used, end})
	}
	return end, errors.Join(rowErr, err)
}

// locksInRow returns how many locks in a row there were before the next one of a. If it
// fails, setLock sets a lock of the first length, and leaves the row as it is.
func (l *Lockout[C]) locksInRow(ctx context.Context, a addition[C]) (uint64, error) {
	if a.MaxDuration == 0 {
		return 0, nil
	}
	previous, err := l.locker.cache.Count(ctx, a.rowKey())
	if err == core.ErrMiss {
		return 0, nil
	}
	return previous, err
}

// lockDuration returns how long a lock lasts if it follows previous others in its row.
func (c *Counter[C]) lockDuration(previous uint64) time.Duration {
	d := c.Duration
	for range previous {
		if d > c.MaxDuration/2 {
			return c.MaxDuration
		}
		d *= 2
	}
	return d
}
