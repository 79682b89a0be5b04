package lockout

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/cachewire/cachewire/core"
)

// ErrLocked: a lock stands. It is what errors.Is finds in a *LockedError.
var ErrLocked = errors.New("lockout: locked")

// A LockedError tells which lock stands.
type LockedError struct {
	Lockout string    // its name
	Counter string    // the name of the term
	Until   time.Time // when the lock ends; zero if that is not known
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

// A Lockout enforces terms. Many goroutines may use it at once. The nil Lockout allows
// everything and counts nothing.
type Lockout[C any] struct {
	locker   *Locker[C]
	name     string
	prefix   string
	counters []named[C]
}

// A named is a counter with the name of its term.
type named[C any] struct {
	Counter[C]
	name string
}

// A count is a counter for one c.
type count[C any] struct {
	named[C]
	key string
}

func (n count[C]) lock() string { return "lock:" + n.key }

// counts answers the counters that count c.
func (l *Lockout[C]) counts(c C) []count[C] {
	if l == nil {
		return nil
	}
	all := make([]count[C], 0, len(l.counters))
	for _, n := range l.counters {
		if key := n.Key(c); key != "" {
			all = append(all, count[C]{n, l.prefix + key})
		}
	}
	return all
}

// countTimeout is how long it may take to count what was done.
const countTimeout = 5 * time.Second

// detach answers a context to count what was done under ctx: who goes away after a failure
// is counted all the same.
func detach(ctx context.Context) (context.Context, context.CancelFunc) {
	if ctx == nil {
		ctx = context.Background()
	}
	return context.WithTimeout(context.WithoutCancel(ctx), countTimeout)
}

// Guard calls do, and counts a failure; a success resets what Resets. An error of do is
// neither, and is answered. What was done is counted also when ctx is done by then, which
// may take five seconds where the cache hangs; so it is in Quota and Take.
func (l *Lockout[C]) Guard(ctx context.Context, c C, do func(ctx context.Context) (bool, error)) (bool, error) {
	ok, err := do(ctx)
	if err != nil {
		return ok, err
	}
	ctx, cancel := detach(ctx)
	defer cancel()
	if ok {
		return ok, l.Reset(ctx, c)
	}
	return ok, l.Incr(ctx, c)
}

// Quota calls do, and counts a success. An error of do is answered.
func (l *Lockout[C]) Quota(ctx context.Context, c C, do func(ctx context.Context) (bool, error)) (bool, error) {
	ok, err := do(ctx)
	if err != nil || !ok {
		return ok, err
	}
	ctx, cancel := detach(ctx)
	defer cancel()
	return ok, l.Incr(ctx, c)
}

// Forbid is a *LockedError if a lock stands for c: of several the one that stands longest.
// It takes one call of the cache.
func (l *Lockout[C]) Forbid(ctx context.Context, c C) error {
	counts := l.counts(c)
	if len(counts) == 0 {
		return nil
	}
	keys := make([]string, len(counts))
	for i, n := range counts {
		keys[i] = n.lock()
	}
	locks, err := l.locker.cache.GetMulti(ctx, keys)
	var locked *LockedError
	for i, n := range counts {
		if value, ok := locks[keys[i]]; ok {
			if until := until(value); locked == nil || until.After(locked.Until) {
				locked = &LockedError{l.name, n.name, until}
			}
		}
	}
	if locked != nil {
		return locked
	}
	return l.failed(ctx, err)
}

// until reads when a lock ends. A Python program stores 1 in it.
func until(value []byte) time.Time {
	seconds, err := core.ParseCount(value)
	if err != nil || seconds <= 1 || seconds > 1<<40 {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0)
}

// failed answers the err of a cache to a caller, or tells OnError of it.
func (l *Lockout[C]) failed(ctx context.Context, err error) error {
	if err == nil || l.locker.opts.FailClosed {
		return err
	}
	l.locker.opts.OnError(ctx, err)
	return nil
}

// Incr counts c. Where it reaches the count of a counter it sets the lock. It takes a call
// of the cache for each counter, or two for one that begins, and two more for a lock.
func (l *Lockout[C]) Incr(ctx context.Context, c C) error {
	var errs []error
	for _, n := range l.counts(c) {
		reached, err := l.locker.cache.IncrFrom(ctx, n.key, 1, 0, n.Period)
		if err == core.ErrMiss { // a cache that keeps nothing
			continue
		}
		if err == nil && reached >= n.Count {
			err = l.set(ctx, c, n, reached, func() error { return l.locker.cache.Delete(ctx, n.key) })
		}
		errs = append(errs, err)
	}
	if l == nil {
		return nil
	}
	return l.failed(ctx, errors.Join(errs...))
}

// set sets the lock of n, alerts, and does what then is to be done to the counter. Of those
// that try, one does: who is beyond the count tries, too, for the one that reached it may
// have died.
func (l *Lockout[C]) set(ctx context.Context, c C, n count[C], reached uint64, then func() error) error {
	end := time.Now().Add(n.Duration)
	seconds := end.Unix()
	if end.Nanosecond() != 0 {
		seconds++
	}
	err := l.locker.cache.Store(ctx, core.Add, core.Item{
		Key: n.lock(), Value: strconv.AppendInt(nil, seconds, 10), Flags: core.FlagInt, TTL: n.Duration,
	})
	if errors.Is(err, core.ErrExists) {
		return nil
	}
	if err != nil {
		return err
	}
	if n.Alert != nil {
		n.Alert(ctx, c, Event{l.name, n.name, reached, end})
	}
	if err := then(); err != core.ErrMiss {
		return err
	}
	return nil
}

// Reset deletes the counters of c that a success resets, and their locks. It takes one
// call of the cache.
func (l *Lockout[C]) Reset(ctx context.Context, c C) error {
	return l.delete(ctx, slices.DeleteFunc(l.counts(c), func(n count[C]) bool { return n.Success == Keeps }))
}

// ForceReset deletes all counters of c, and their locks. It takes one call of the cache.
func (l *Lockout[C]) ForceReset(ctx context.Context, c C) error {
	return l.delete(ctx, l.counts(c))
}

func (l *Lockout[C]) delete(ctx context.Context, counts []count[C]) error {
	if len(counts) == 0 {
		return nil
	}
	keys := make([]string, 0, 2*len(counts))
	for _, n := range counts {
		keys = append(keys, n.key, n.lock())
	}
	return l.failed(ctx, l.locker.cache.DeleteMulti(ctx, keys))
}

// A Status is what is known of a counter.
type Status struct {
	Counter string    // the name of the term
	Count   uint64    // how many there were since the period began
	Limit   uint64    // how many there may be
	Locked  bool      // whether the lock stands
	Until   time.Time // when it ends; zero if it does not stand, or that is not known
}

// Status answers the state of each counter of c, in the order of their names. It takes one
// call of the cache, whose error it answers.
func (l *Lockout[C]) Status(ctx context.Context, c C) ([]Status, error) {
	counts := l.counts(c)
	if len(counts) == 0 {
		return nil, nil
	}
	keys := make([]string, 0, 2*len(counts))
	for _, n := range counts {
		keys = append(keys, n.key, n.lock())
	}
	found, err := l.locker.cache.GetMulti(ctx, keys)
	all := make([]Status, len(counts))
	for i, n := range counts {
		s := Status{Counter: n.name, Limit: n.Count}
		if value, ok := found[n.key]; ok {
			s.Count, _ = core.ParseCount(value)
		}
		if value, ok := found[n.lock()]; ok {
			s.Locked, s.Until = true, until(value)
		}
		all[i] = s
	}
	return all, err
}
