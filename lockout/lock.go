package lockout

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/cachewire/cachewire/core"
)

// ErrLocked: a lock stands, or a counter without one has no room. It is what errors.Is
// finds in a *LockedError.
var ErrLocked = errors.New("lockout: locked")

// A LockedError tells which counter refuses.
type LockedError struct {
	Lockout string    // its name
	Counter string    // the name of the term
	Until   time.Time // when the lock ends, or there is room; zero if that is not known
}

func (e *LockedError) Error() string {
	text := fmt.Sprintf("%s: %s, by %s", ErrLocked, e.Lockout, e.Counter)
	if !e.Until.IsZero() {
		text += ", until " + e.Until.Format(time.RFC3339)
	}
	return text
}

// Unwrap answers ErrLocked.
func (e *LockedError) Unwrap() error { return ErrLocked }

// until reads when a lock ends. A Python program stores 1 in it.
func until(value []byte) time.Time {
	seconds, err := core.ParseCount(value)
	if err != nil || seconds <= 1 || seconds > 1<<40 {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0)
}

// lock sets the lock of t, has then do what is to be done to the counter, by the lock's
// duration, and alerts. Of those that try, one does: with Incr and Allow, who is beyond the
// count tries, too, for the one that reached it may have died. It answers when the lock
// ends, or zero if it has not set it.
func (l *Lockout[C]) lock(ctx context.Context, c C, t taken[C], then func(time.Duration) error) (time.Time, error) {
	row, rowErr := l.row(ctx, t)
	duration := t.inRow(row)
	end := time.Now().Add(duration)
	seconds := end.Unix()
	if end.Nanosecond() != 0 {
		seconds++
	}
	err := l.locker.cache.Store(ctx, core.Add, core.Item{
		Key: t.lockKey(), Value: strconv.AppendInt(nil, seconds, 10), Flags: core.FlagInt, TTL: duration,
	})
	if errors.Is(err, core.ErrExists) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, errors.Join(rowErr, err)
	}
	if t.MaxDuration > 0 && rowErr == nil {
		rowErr = l.locker.cache.Store(ctx, core.Set, core.Item{
			Key: t.rowKey(), Value: strconv.AppendUint(nil, row+1, 10), Flags: core.FlagInt, TTL: duration + max(duration, t.Period),
		})
	}
	if err = then(duration); err == core.ErrMiss {
		err = nil
	}
	if t.Alert != nil {
		t.Alert(ctx, c, Event{l.name, t.name, t.used, end})
	}
	return end, errors.Join(rowErr, err)
}

// row answers how many locks in a row there were before the next of t. Where that cannot be
// read, there is a lock all the same.
func (l *Lockout[C]) row(ctx context.Context, t taken[C]) (uint64, error) {
	if t.MaxDuration == 0 {
		return 0, nil
	}
	row, err := l.locker.cache.Count(ctx, t.rowKey())
	if err == core.ErrMiss {
		return 0, nil
	}
	return row, err
}

// inRow answers how long the lock lasts that comes after row others.
func (c *Counter[C]) inRow(row uint64) time.Duration {
	d := c.Duration
	for range row {
		if d > c.MaxDuration/2 {
			return c.MaxDuration
		}
		d *= 2
	}
	return d
}
