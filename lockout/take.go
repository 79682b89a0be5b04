package lockout

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/cachewire/cachewire/core"
)

// Allow counts c if all of its counters have room. Otherwise it refuses c as Forbid does,
// and does not count it. Of any number of concurrent callers, as many are allowed as Count
// says. The one that reaches Count sets the lock, if the counter has locks.
func (l *Lockout[C]) Allow(ctx context.Context, c C) error {
	if l != nil && l.simple {
		return l.allowSimple(ctx, c)
	}
	var buf [bufLen]addition[C]
	_, locked, err := l.allow(ctx, c, buf[:0])
	return l.refusal(ctx, c, locked, err)
}

// allowSimple is Allow for a lockout with one counter, a FixedWindow without locks. Most
// limits of requests are of that kind.
func (l *Lockout[C]) allowSimple(ctx context.Context, c C) error {
	e, ok := l.terms[0].entry(c)
	if !ok {
		return nil
	}
	used, err := l.locker.cache.IncrFrom(ctx, e.key, 1, 0, e.Period)
	if err == nil && used <= e.Count {
		return nil
	}
	_, locked, err := l.accept(ctx, c, addition[C]{entry: e, used: used}, err, nil, forAllow)
	return l.refusal(ctx, c, locked, err)
}

// allow does what Allow does. It returns what it has added, appended to buf, or the error of
// the counter that refuses.
func (l *Lockout[C]) allow(
	ctx context.Context, c C, buf []addition[C],
) ([]addition[C], *LockedError, error) {
	added, locked, err := l.addAll(ctx, c, buf, forAllow)
	if locked == nil && err == nil {
		err = l.setLocks(ctx, c, added, forAllow)
	}
	return added, locked, err
}

// Take counts c first, and calls do if c is not refused; see Allow. If do returns true, Take
// resets the counters that a success resets, and removes c from the others. If do returns an
// error, Take removes c from all counters and returns the error. If do returns false or
// panics, c stays counted. If it has reached Count, Take then sets the lock, unless others
// were removed meanwhile.
//
// If c is added or removed at the moment at which a period ends, that can affect the next
// period.
func (l *Lockout[C]) Take(
	ctx context.Context, c C, do func(ctx context.Context) (bool, error),
) (ok bool, err error) {
	var buf [bufLen]addition[C]
	added, locked, err := l.addAll(ctx, c, buf[:0], forTake)
	if err := l.refusal(ctx, c, locked, err); err != nil {
		return false, err
	}
	failed := true // until do has returned
	defer func() {
		if failed {
			err = join(err, l.setLocks(ctx, c, added, forTake))
		}
	}()
	if ok, err = do(ctx); !ok && err == nil {
		return ok, err
	}
	failed = false
	detached, cancel := detach(ctx)
	defer cancel()
	if err != nil {
		return ok, join(err, l.removeAll(detached, added, false))
	}
	return ok, join(l.removeAll(detached, added, true), l.Reset(detached, c))
}

// join is errors.Join, except that it returns a single error unchanged.
func join(one, other error) error {
	switch {
	case one == nil:
		return other
	case other == nil:
		return one
	}
	return errors.Join(one, other)
}

// A purpose is the verb for which c is counted. For Allow, a c that a FixedWindow refuses
// stays counted in it. That does no harm: callers that have passed are not removed, so that
// the window is full until it ends. For Take it is removed, because the window has room
// again when a caller that has passed is removed.
type purpose bool

const (
	forAllow purpose = false
	forTake  purpose = true
)

// addAll counts c in all its counters. It returns what it has added, appended to buf, which
// is empty. If a counter refuses, it returns that error and counts nothing.
func (l *Lockout[C]) addAll(
	ctx context.Context, c C, buf []addition[C], why purpose,
) ([]addition[C], *LockedError, error) {
	added := buf
	var entriesBuf [bufLen]entry[C]
	entries := l.entries(c, entriesBuf[:0])
	var views []view
	if l != nil && l.readsFirst {
		var err error
		views, err = l.read(ctx, entries, func(t *term[C]) bool {
			return t.Algorithm != FixedWindow
		})
		if locked := l.longestRefusal(ctx, entries, views); locked != nil {
			return nil, locked, nil
		}
		if err := l.handleError(ctx, err); err != nil {
			return nil, nil, err
		}
	}
	for i, e := range entries {
		var known core.Item
		if views != nil {
			known = views[i].item
		}
		a, err := l.add(ctx, e, known)
		var locked *LockedError
		if added, locked, err = l.accept(ctx, c, a, err, added, why); locked != nil || err != nil {
			return nil, locked, err
		}
	}
	return added, nil, nil
}

// accept appends a to added if there was room for it. Otherwise it removes added again, and
// returns the error of the counter that refuses. err is the error of the call that added a.
func (l *Lockout[C]) accept(
	ctx context.Context, c C, a addition[C], err error, added []addition[C], why purpose,
) ([]addition[C], *LockedError, error) {
	if err == core.ErrMiss { // a cache that keeps nothing
		return added, nil, nil
	}
	if err != nil {
		if err = l.handleError(ctx, err); err != nil {
			err = join(err, l.removeAll(ctx, added, false))
		}
		return added, nil, err
	}
	if a.used <= a.Count {
		return append(added, a), nil, nil
	}
	if why == forTake {
		return nil, l.refusalOf(ctx, a), l.removeAll(ctx, append(added, a), false)
	}
	beyond := []addition[C]{a}
	err = join(l.removeAll(ctx, added, false), l.setLocks(ctx, c, beyond, why))
	return nil, l.refusalOf(ctx, beyond[0]), err
}

// refusalOf returns the error of a, which is beyond its Count.
func (l *Lockout[C]) refusalOf(ctx context.Context, a addition[C]) *LockedError {
	if a.Algorithm == FixedWindow && a.roomAt.IsZero() {
		a.roomAt = l.windowEnd(ctx, a.entry)
	}
	return &LockedError{l.name, a.name, a.roomAt}
}

// setLocks sets the locks of those of added that have reached their Count. It stores in
// their roomAt when the locks end.
func (l *Lockout[C]) setLocks(
	ctx context.Context, c C, added []addition[C], why purpose,
) error {
	reached := func(a addition[C]) bool { return a.Duration > 0 && a.used >= a.Count }
	if !slices.ContainsFunc(added, reached) {
		return nil
	}
	ctx, cancel := detach(ctx)
	defer cancel()
	var errs []error
	for i, a := range added {
		if !reached(a) {
			continue
		}
		if why == forTake {
			// Some of those that were counted at the same time may have been removed.
			item, err := l.locker.cache.GetItem(ctx, a.key)
			if err == core.ErrMiss || err == nil && a.entry.used(item) < a.Count {
				continue
			}
			errs = append(errs, err)
		}
		end, err := l.setLock(ctx, c, a, func(d time.Duration) error {
			// The counter stays as long as the lock. It stops callers that looked for the
			// lock before it was set.
			return l.locker.cache.Touch(ctx, a.key, d)
		})
		if errs = append(errs, err); !end.IsZero() {
			added[i].roomAt = end
		}
	}
	return l.handleError(ctx, errors.Join(errs...))
}

// removeAll removes added from the counters again. If reset is true, it leaves out the
// counters that Reset deletes.
func (l *Lockout[C]) removeAll(ctx context.Context, added []addition[C], reset bool) error {
	if len(added) == 0 {
		return nil
	}
	ctx, cancel := detach(ctx)
	defer cancel()
	var errs []error
	for _, a := range added {
		if !reset || a.Success != Resets {
			errs = append(errs, l.remove(ctx, a))
		}
	}
	return l.handleError(ctx, errors.Join(errs...))
}
