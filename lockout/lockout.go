package lockout

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/cachewire/cachewire/core"
)

// A Lockout enforces terms. Many goroutines may use it at once. The nil Lockout allows
// everything and counts nothing.
type Lockout[C any] struct {
	locker   *Locker[C]
	name     string
	counters []named[C] // by name
	looks    bool       // whether Allow has to look for locks or states
	simple   bool       // whether allowSimple is for it
	action   Action[C]
}

// WithAction answers the same lockout with another action.
func (l *Lockout[C]) WithAction(action Action[C]) *Lockout[C] {
	if l == nil {
		return nil
	}
	other := *l
	other.action = action
	return &other
}

// countTimeout is how long it may take to count what was done.
const countTimeout = 5 * time.Second

// detach answers a context to count what was done under ctx: who goes away after a failure
// is counted all the same.
func detach(ctx context.Context) (context.Context, context.CancelFunc) {
	if ctx == nil {
		ctx = context.Background()
	}
	return context.WithTimeout(context.WithValue(context.WithoutCancel(ctx), detached{}, true), countTimeout)
}

// detached is the key of what only detach has in its context.
type detached struct{}

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

// Forbid refuses c while a lock stands for it, or a counter without locks has no room: of
// several the one that does longest. It is a *LockedError, or what the Action makes of it.
// It takes one call of the cache.
func (l *Lockout[C]) Forbid(ctx context.Context, c C) error {
	var some [few]count[C]
	counts := l.counts(c, some[:0])
	views, err := l.look(ctx, counts, func(n *named[C]) bool { return n.Duration == 0 })
	if locked := l.locked(ctx, counts, views); locked != nil {
		return l.answer(ctx, c, locked, nil)
	}
	return l.failed(ctx, err)
}

// locked answers which of counts refuses for longest, or nil.
func (l *Lockout[C]) locked(ctx context.Context, counts []count[C], views []view) (locked *LockedError) {
	for i, n := range counts {
		v := views[i]
		if n.Duration == 0 && n.used(v.item) >= n.Count {
			v.locked, v.until = true, l.room(ctx, n, v.item)
		}
		if v.locked && (locked == nil || v.until.After(locked.Until)) {
			locked = &LockedError{l.name, n.name, v.until}
		}
	}
	return locked
}

// answer answers what a caller is told of locked, which may be nil, and of err.
func (l *Lockout[C]) answer(ctx context.Context, c C, locked *LockedError, err error) error {
	if locked == nil {
		return err
	}
	refused := error(locked)
	if l.action != nil {
		refused = l.action(ctx, c, locked)
	}
	return join(refused, err)
}

// failed tells OnError of the err of a cache, and answers it if the caller is to know. A
// caller that has gone is no failure of the cache: who hangs up is not let in for it.
func (l *Lockout[C]) failed(ctx context.Context, err error) error {
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

// Incr counts c. Where it reaches the count of a counter it sets the lock. For what it
// takes see the package's documentation.
func (l *Lockout[C]) Incr(ctx context.Context, c C) error {
	var errs []error
	var some [few]count[C]
	for _, n := range l.counts(c, some[:0]) {
		t, err := l.add(ctx, n, core.Item{})
		if err == core.ErrMiss { // a cache that keeps nothing
			continue
		}
		if err == nil && t.used >= n.Count && n.Duration > 0 {
			_, err = l.lock(ctx, c, t, func(time.Duration) error { return l.locker.cache.Delete(ctx, n.key) })
		}
		errs = append(errs, err)
	}
	return l.failed(ctx, errors.Join(errs...))
}

// Reset deletes the counters of c that a success resets, and their locks. It takes one
// call of the cache.
func (l *Lockout[C]) Reset(ctx context.Context, c C) error {
	return l.delete(ctx, slices.DeleteFunc(l.counts(c, nil), func(n count[C]) bool { return n.Success == Keeps }))
}

// ForceReset deletes all counters of c, and their locks. It takes one call of the cache.
func (l *Lockout[C]) ForceReset(ctx context.Context, c C) error {
	return l.delete(ctx, l.counts(c, nil))
}

func (l *Lockout[C]) delete(ctx context.Context, counts []count[C]) error {
	if len(counts) == 0 {
		return nil
	}
	return l.failed(ctx, l.locker.cache.DeleteMulti(ctx, keysOf(counts)))
}

// A Status is what is known of a counter.
type Status struct {
	Counter string    // the name of the term
	Count   uint64    // how many there are, at most Limit
	Limit   uint64    // how many there may be
	Locked  bool      // whether it refuses
	Until   time.Time // when that ends; zero if it does not, or that is not known
}

// Status answers the state of each counter of c, in the order of their names. It takes one
// call of the cache, whose error it answers.
func (l *Lockout[C]) Status(ctx context.Context, c C) ([]Status, error) {
	counts := l.counts(c, nil)
	views, err := l.look(ctx, counts, func(*named[C]) bool { return true })
	var all []Status
	for i, n := range counts {
		s := Status{Counter: n.name, Limit: n.Count, Count: min(n.used(views[i].item), n.Count)}
		if locked := l.locked(ctx, counts[i:i+1], views[i:i+1]); locked != nil {
			s.Locked, s.Until = true, locked.Until
		}
		all = append(all, s)
	}
	return all, err
}
