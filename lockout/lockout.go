package lockout

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/cachewire/cachewire/core"
)

// A Lockout enforces terms: it counts, and refuses callers for which a counter has no room.
// Many goroutines may use it at once. The nil Lockout allows everything and counts nothing.
type Lockout[C any] struct {
	locker     *Locker[C]
	name       string
	terms      []term[C] // sorted by name
	readsFirst bool      // whether Allow has to read locks or states before it counts
	simple     bool      // whether Allow may use allowSimple
	action     Action[C]
}

// WithAction returns a Lockout with the counters and locks of l, and another action.
func (l *Lockout[C]) WithAction(action Action[C]) *Lockout[C] {
	if l == nil {
		return nil
	}
	other := *l
	other.action = action
	return &other
}

// countTimeout limits the calls that count what has been done.
const countTimeout = 5 * time.Second

// detach returns a context with which to count what was done under ctx. It is not done when
// ctx is: a client that goes away after a failure is still counted.
func detach(ctx context.Context) (context.Context, context.CancelFunc) {
	if ctx == nil {
		ctx = context.Background()
	}
	ctx = context.WithValue(context.WithoutCancel(ctx), detached{}, true)
	return context.WithTimeout(ctx, countTimeout)
}

// detached is the key of a value that only the contexts of detach have.
type detached struct{}

// Guard calls do, and counts c if do returns false. If do returns true, Guard resets the
// counters, as Reset does. If do returns an error, Guard returns it, and neither counts nor
// resets.
//
// The result is counted even if ctx is done by then. That may take five seconds if the cache
// hangs. The same holds for Quota and Take.
func (l *Lockout[C]) Guard(
	ctx context.Context, c C, do func(ctx context.Context) (bool, error),
) (bool, error) {
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

// Quota calls do, and counts c if do returns true. If do returns an error, Quota returns it
// and counts nothing.
func (l *Lockout[C]) Quota(
	ctx context.Context, c C, do func(ctx context.Context) (bool, error),
) (bool, error) {
	ok, err := do(ctx)
	if err != nil || !ok {
		return ok, err
	}
	ctx, cancel := detach(ctx)
	defer cancel()
	return ok, l.Incr(ctx, c)
}

// Forbid returns a *LockedError if there is a lock for c, or if a counter without locks has
// no room. If several counters refuse, the error describes the one that refuses longest. An
// Action may return another error in its place. Forbid counts nothing. It takes one call of
// the cache, and another to find out when a FixedWindow without locks has room.
func (l *Lockout[C]) Forbid(ctx context.Context, c C) error {
	var buf [bufLen]entry[C]
	entries := l.entries(c, buf[:0])
	views, err := l.read(ctx, entries, func(t *term[C]) bool { return t.Duration == 0 })
	if locked := l.longestRefusal(ctx, entries, views); locked != nil {
		return l.refusal(ctx, c, locked, nil)
	}
	return l.handleError(ctx, err)
}

// longestRefusal returns the error of the entry that refuses longest, or nil if none does.
func (l *Lockout[C]) longestRefusal(
	ctx context.Context, entries []entry[C], views []view,
) (locked *LockedError) {
	for i, e := range entries {
		v := views[i]
		if e.Duration == 0 && e.used(v.item) >= e.Count {
			v.locked, v.until = true, l.roomAt(ctx, e, v.item)
		}
		if v.locked && (locked == nil || v.until.After(locked.Until)) {
			locked = &LockedError{l.name, e.name, v.until}
		}
	}
	return locked
}

// refusal returns the error for the caller: that of the action on locked, joined with err.
// If locked is nil, it returns err.
func (l *Lockout[C]) refusal(ctx context.Context, c C, locked *LockedError, err error) error {
	if locked == nil {
		return err
	}
	refused := error(locked)
	if l.action != nil {
		refused = l.action(ctx, c, locked)
	}
	return join(refused, err)
}

// handleError calls OnError with err, an error of the cache, and returns err if the caller
// must get it. If ctx is done, it returns the error of ctx: then the cache has not failed,
// and a client must not pass because it hung up.
func (l *Lockout[C]) handleError(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx != nil && ctx.Err() != nil && ctx.Value(detached{}) == nil {
		return ctx.Err()
	}
	l.locker.opts.OnError(ctx, err)
	if l.locker.opts.FailClosed {
		return err
	}
	return nil
}

// Incr counts c. If that reaches the Count of a counter, Incr sets the lock. The
// documentation of the package says how many calls of the cache it takes.
func (l *Lockout[C]) Incr(ctx context.Context, c C) error {
	var errs []error
	var buf [bufLen]entry[C]
	for _, e := range l.entries(c, buf[:0]) {
		a, err := l.add(ctx, e, core.Item{})
		if err == core.ErrMiss { // a cache that keeps nothing
			continue
		}
		if err == nil && a.used >= e.Count && e.Duration > 0 {
			_, err = l.setLock(ctx, c, a, func(time.Duration) error {
				return l.locker.cache.Delete(ctx, e.key)
			})
		}
		errs = append(errs, err)
	}
	return l.handleError(ctx, errors.Join(errs...))
}

// Reset deletes the counters of c that a success resets, and their locks. It takes one call
// of the cache.
func (l *Lockout[C]) Reset(ctx context.Context, c C) error {
	return l.delete(ctx, slices.DeleteFunc(l.entries(c, nil), func(e entry[C]) bool {
		return e.Success == Keeps
	}))
}

// ForceReset deletes all counters of c, and their locks. It takes one call of the cache.
func (l *Lockout[C]) ForceReset(ctx context.Context, c C) error {
	return l.delete(ctx, l.entries(c, nil))
}

func (l *Lockout[C]) delete(ctx context.Context, entries []entry[C]) error {
	if len(entries) == 0 {
		return nil
	}
	return l.handleError(ctx, l.locker.cache.DeleteMulti(ctx, keysOf(entries)))
}

// A Status is the state of a counter.
type Status struct {
	Counter string    // the name of the term
	Count   uint64    // how many are counted, at most Limit
	Limit   uint64    // how many are allowed
	Locked  bool      // whether the counter refuses
	Until   time.Time // when that ends; zero if it does not refuse, or if that is not known
}

// Status returns the state of each counter of c, sorted by name. It takes as many calls of
// the cache as Forbid, and returns their error even without Options.FailClosed.
func (l *Lockout[C]) Status(ctx context.Context, c C) ([]Status, error) {
	entries := l.entries(c, nil)
	views, err := l.read(ctx, entries, func(*term[C]) bool { return true })
	var all []Status
	for i, e := range entries {
		s := Status{Counter: e.name, Limit: e.Count, Count: min(e.used(views[i].item), e.Count)}
		if locked := l.longestRefusal(ctx, entries[i:i+1], views[i:i+1]); locked != nil {
			s.Locked, s.Until = true, locked.Until
		}
		all = append(all, s)
	}
	return all, err
}
