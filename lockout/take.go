package lockout

import (
	"context"
	"errors"

	"github.com/cachewire/cachewire/core"
)

// A taken is a counter that was moved, and where it stands.
type taken[C any] struct {
	count[C]
	reached uint64
}

// Take counts c first, and calls do if no lock stands and no counter is beyond its count;
// else it is a *LockedError, and c is not counted. However many come at once, as many as
// the count are past it. When do is done, a success resets what Resets and is not counted
// by the others; nor is an error of do, which is answered. A failure stays counted, and
// the one that has reached the count sets the lock.
//
// What is given back, or comes, in the moment in which a period ends can be the next one's.
// It takes a call of the cache for the locks, and one for each counter, or two for one that
// begins.
func (l *Lockout[C]) Take(ctx context.Context, c C, do func(ctx context.Context) (bool, error)) (bool, error) {
	if l == nil {
		return do(ctx)
	}
	all, err := l.take(ctx, c)
	if err != nil {
		return false, err
	}
	ok, err := do(ctx)
	ctx, cancel := detach(ctx)
	defer cancel()
	switch {
	case err != nil:
		return ok, errors.Join(err, l.giveBack(ctx, all, false))
	case ok:
		return ok, errors.Join(l.giveBack(ctx, all, true), l.Reset(ctx, c))
	}
	var errs []error
	for _, t := range all {
		if t.reached >= t.Count {
			// The counter stays for as long as the lock, and stops those that looked for
			// the lock before it was set.
			errs = append(errs, l.set(ctx, c, t.count, t.reached, func() error {
				return l.locker.cache.Touch(ctx, t.key, t.Duration)
			}))
		}
	}
	return ok, l.failed(ctx, errors.Join(errs...))
}

// take counts c, or gives back what it has counted.
func (l *Lockout[C]) take(ctx context.Context, c C) ([]taken[C], error) {
	if err := l.Forbid(ctx, c); err != nil {
		return nil, err
	}
	var all []taken[C]
	for _, n := range l.counts(c) {
		reached, err := l.locker.cache.IncrFrom(ctx, n.key, 1, 0, n.Period)
		if err == core.ErrMiss { // a cache that keeps nothing
			continue
		}
		if err == nil {
			all = append(all, taken[C]{n, reached})
		}
		err = l.failed(ctx, err)
		if reached > n.Count {
			err = &LockedError{Lockout: l.name, Counter: n.name}
		}
		if err != nil {
			return nil, errors.Join(err, l.giveBack(ctx, all, false))
		}
	}
	return all, nil
}

// giveBack takes all back. With kept, those counters are left out that Reset deletes.
func (l *Lockout[C]) giveBack(ctx context.Context, all []taken[C], kept bool) error {
	ctx, cancel := detach(ctx)
	defer cancel()
	var errs []error
	for _, t := range all {
		if kept && t.Success == Resets {
			continue
		}
		if _, err := l.locker.cache.Decr(ctx, t.key, 1); err != core.ErrMiss {
			errs = append(errs, err)
		}
	}
	return l.failed(ctx, errors.Join(errs...))
}
