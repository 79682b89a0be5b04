package lockout

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/cachewire/cachewire/core"
)

// Allow counts c, or refuses it as Forbid does, uncounted, where there is no room for it in
// one of its counters. However many come at once, as many as the count are allowed. The one
// that reaches the count sets the lock, of a counter that has one.
func (l *Lockout[C]) Allow(ctx context.Context, c C) error {
	if l != nil && l.simple {
		return l.allowSimple(ctx, c)
	}
	var some [few]taken[C]
	_, locked, err := l.allow(ctx, c, some[:0])
	return l.answer(ctx, c, locked, err)
}

// allowSimple is allow where there is one counter, in a FixedWindow without locks, which
// most requests that are counted have.
func (l *Lockout[C]) allowSimple(ctx context.Context, c C) error {
	n, ok := l.counters[0].of(c)
	if !ok {
		return nil
	}
	used, err := l.locker.cache.IncrFrom(ctx, n.key, 1, 0, n.Period)
	if err == nil && used <= n.Count {
		return nil
	}
	_, locked, err := l.took(ctx, c, taken[C]{count: n, used: used}, err, nil, allowing)
	return l.answer(ctx, c, locked, err)
}

// allow answers what it has counted, appended to all, or who refuses.
func (l *Lockout[C]) allow(ctx context.Context, c C, all []taken[C]) ([]taken[C], *LockedError, error) {
	all, locked, err := l.take(ctx, c, all, allowing)
	if locked == nil && err == nil {
		err = l.settle(ctx, c, all, allowing)
	}
	return all, locked, err
}

// Take counts c first, and calls do if it is not refused; see Allow. When do is done, a
// success resets what Resets and is not counted by the others; nor is an error of do, which
// is answered. A failure stays counted, as does a panic, and the one that has reached the
// count sets the lock, unless others were given back meanwhile.
//
// What is given back, or comes, in the moment in which a period ends can be the next one's.
func (l *Lockout[C]) Take(ctx context.Context, c C, do func(ctx context.Context) (bool, error)) (ok bool, err error) {
	var some [few]taken[C]
	all, locked, err := l.take(ctx, c, some[:0], taking)
	if err := l.answer(ctx, c, locked, err); err != nil {
		return false, err
	}
	failed := true // until do has returned
	defer func() {
		if failed {
			err = join(err, l.settle(ctx, c, all, taking))
		}
	}()
	if ok, err = do(ctx); !ok && err == nil {
		return ok, err
	}
	failed = false
	detached, cancel := detach(ctx)
	defer cancel()
	if err != nil {
		return ok, join(err, l.giveBack(detached, all, false))
	}
	return ok, join(l.giveBack(detached, all, true), l.Reset(detached, c))
}

// join is errors.Join, but answers one error as it is.
func join(one, other error) error {
	switch {
	case one == nil:
		return other
	case other == nil:
		return one
	}
	return errors.Join(one, other)
}

// A purpose is what one counts for. Allowing, what is refused stays counted in a
// FixedWindow, where it does no harm and nobody takes one back; taking, there may be others
// that do.
type purpose bool

const (
	allowing purpose = false
	taking   purpose = true
)

// take counts c and appends what it has counted to all, which is empty; or it answers who
// refuses, and counts nothing.
func (l *Lockout[C]) take(ctx context.Context, c C, all []taken[C], why purpose) ([]taken[C], *LockedError, error) {
	var some [few]count[C]
	counts := l.counts(c, some[:0])
	var views []view
	if l != nil && l.looks {
		var err error
		views, err = l.look(ctx, counts, func(n *named[C]) bool { return n.Algorithm != FixedWindow })
		if locked := l.locked(ctx, counts, views); locked != nil {
			return nil, locked, nil
		}
		if err := l.failed(ctx, err); err != nil {
			return nil, nil, err
		}
	}
	for i, n := range counts {
		var known core.Item
		if views != nil {
			known = views[i].item
		}
		t, err := l.add(ctx, n, known)
		var locked *LockedError
		if all, locked, err = l.took(ctx, c, t, err, all, why); locked != nil || err != nil {
			return nil, locked, err
		}
	}
	return all, nil, nil
}

// took appends t, which has been added if err is nil, to all; or it gives all back, and
// answers who refuses, or err.
func (l *Lockout[C]) took(ctx context.Context, c C, t taken[C], err error, all []taken[C], why purpose) ([]taken[C], *LockedError, error) {
	if err == core.ErrMiss { // a cache that keeps nothing
		return all, nil, nil
	}
	if err != nil {
		if err = l.failed(ctx, err); err != nil {
			err = join(err, l.giveBack(ctx, all, false))
		}
		return all, nil, err
	}
	if t.used <= t.Count {
		return append(all, t), nil, nil
	}
	if why == taking {
		return nil, l.full(ctx, t), l.giveBack(ctx, append(all, t), false)
	}
	beyond := []taken[C]{t}
	err = join(l.giveBack(ctx, all, false), l.settle(ctx, c, beyond, why))
	return nil, l.full(ctx, beyond[0]), err
}

// full answers that t, which is beyond its count, refuses.
func (l *Lockout[C]) full(ctx context.Context, t taken[C]) *LockedError {
	if t.Algorithm == FixedWindow && t.next.IsZero() {
		t.next = l.end(ctx, t.count)
	}
	return &LockedError{l.name, t.name, t.next}
}

// settle sets the locks of those that have reached their count, and notes when they end.
func (l *Lockout[C]) settle(ctx context.Context, c C, all []taken[C], why purpose) error {
	reached := func(t taken[C]) bool { return t.Duration > 0 && t.used >= t.Count }
	if !slices.ContainsFunc(all, reached) {
		return nil
	}
	ctx, cancel := detach(ctx)
	defer cancel()
	var errs []error
	for i, t := range all {
		if !reached(t) {
			continue
		}
		if why == taking {
			// Some of those that were counted with it may have been given back.
			item, err := l.locker.cache.GetItem(ctx, t.key)
			if err == core.ErrMiss || err == nil && t.count.used(item) < t.Count {
				continue
			}
			errs = append(errs, err)
		}
		end, err := l.lock(ctx, c, t, func(d time.Duration) error {
			// The counter stays for as long as the lock, and stops those that looked for
			// the lock before it was set.
			return l.locker.cache.Touch(ctx, t.key, d)
		})
		if errs = append(errs, err); !end.IsZero() {
			all[i].next = end
		}
	}
	return l.failed(ctx, errors.Join(errs...))
}

// giveBack takes all back. With reset, those counters are left out that Reset deletes.
func (l *Lockout[C]) giveBack(ctx context.Context, all []taken[C], reset bool) error {
	if len(all) == 0 {
		return nil
	}
	ctx, cancel := detach(ctx)
	defer cancel()
	var errs []error
	for _, t := range all {
		if !reset || t.Success != Resets {
			errs = append(errs, l.remove(ctx, t))
		}
	}
	return l.failed(ctx, errors.Join(errs...))
}
