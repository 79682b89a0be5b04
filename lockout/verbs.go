package lockout

import (
	"context"
	"time"
)

// Allow counts c if all its counters have room, and returns nil. Otherwise it counts nothing
// and returns a *LockedError that describes the rule that refuses longest. However many
// callers there are at once, as many are allowed as Rate says. The caller that uses up the
// Rate sets the lock, if the rule has locks.
func (l *Lockout[C]) Allow(ctx context.Context, c C) error {
	return l.AllowN(ctx, c, l.cost(c))
}

// AllowN is Allow for a c that counts for n. It counts all of n, or nothing. If there is
// never room for n, it refuses c, and Until of the error is zero.
//
// While AllowN refuses c, its n can take the room of a concurrent caller for a moment.
func (l *Lockout[C]) AllowN(ctx context.Context, c C, n uint64) error {
	if l == nil {
		return nil
	}
	ctx = notNil(ctx)
	if l.simple {
		return l.allowSimple(ctx, c, n)
	}
	var buf [bufLen]tally
	tallies := l.tallies(c, n, buf[:0])
	err := l.engine.admit(ctx, tallies, true)
	l.alert(ctx, c, tallies)
	return err
}

// allowSimple is AllowN for a Lockout with one rule, which has no lock, in a cache that keeps
// items. Most limiters are of that kind. It does what admit does, but faster.
func (l *Lockout[C]) allowSimple(ctx context.Context, c C, n uint64) error {
	id := l.keys[0](c)
	if id == "" && !l.plain {
		return nil
	}
	var t tally
	r := l.rules[0]
	t.begin(r, id, n, r.timeNow(l.engine.clock))
	if t.looks(forAttempt) {
		return l.engine.admit(ctx, []tally{t}, true)
	}
	if err := t.add(ctx); err != nil || t.refused {
		return l.engine.added(ctx, []tally{t}, 0, err, true)
	}
	return nil
}

// Guard calls do if c is allowed. If do returns false or panics, c has failed and is counted.
// If do returns true, Guard resets the counters of c, as Reset does. If do returns an error,
// Guard returns it, and c does not count.
//
// Guard counts c before it calls do, and removes it afterwards if it does not count. So it
// calls do for no more concurrent callers than may fail. If c is refused, Guard returns a
// *LockedError.
//
// The outcome of do is counted even if ctx is done by then. That may take five seconds if the
// cache hangs.
func (l *Lockout[C]) Guard(
	ctx context.Context, c C, do func(ctx context.Context) (bool, error),
) (ok bool, err error) {
	return l.try(ctx, c, do, false)
}

// Quota is like Guard, but limits successes: it counts c if do returns true. If do returns
// false, returns an error or panics, c does not count. Quota resets nothing.
func (l *Lockout[C]) Quota(
	ctx context.Context, c C, do func(ctx context.Context) (bool, error),
) (ok bool, err error) {
	return l.try(ctx, c, do, true)
}

// try calls do if c is admitted. It counts c if do returns counted and no error.
func (l *Lockout[C]) try(
	ctx context.Context, c C, do func(ctx context.Context) (bool, error), counted bool,
) (ok bool, err error) {
	if ctx = notNil(ctx); l == nil {
		return do(ctx)
	}
	var buf [bufLen]tally
	tallies := l.tallies(c, l.cost(c), buf[:0])
	if err := l.engine.admit(ctx, tallies, false); err != nil {
		return false, err
	}
	counts, resets := !counted, false // if do panics, which is a failure
	defer func() {
		if counts {
			err = join(err, l.engine.setLocks(ctx, tallies, true))
			l.alert(ctx, c, tallies)
		} else {
			err = join(err, l.engine.remove(ctx, tallies, resets))
		}
	}()
	ok, err = do(ctx)
	counts = err == nil && ok == counted
	resets = err == nil && ok && !counted
	return ok, err
}

// Check returns a *LockedError if there is a lock for c, or if a counter without locks has no
// room. It counts nothing. Check, Add and Reset together are a Guard that counts afterwards.
// Other callers may pass between Check and Add.
func (l *Lockout[C]) Check(ctx context.Context, c C) error {
	if l == nil {
		return nil
	}
	var buf [bufLen]tally
	tallies := l.tallies(c, l.cost(c), buf[:0])
	return l.engine.check(notNil(ctx), tallies)
}

// Add counts n for c, even if there is no room. If that uses up a Rate, Add sets the lock and
// deletes the counter. It counts even if ctx is done, because the event has happened. That
// may take five seconds if the cache hangs.
func (l *Lockout[C]) Add(ctx context.Context, c C, n uint64) error {
	if l == nil {
		return nil
	}
	var buf [bufLen]tally
	tallies := l.tallies(c, n, buf[:0])
	ctx, cancel := detach(notNil(ctx))
	defer cancel()
	err := l.engine.record(ctx, tallies)
	l.alert(ctx, c, tallies)
	return err
}

// Reset deletes the counters of c and their locks, except those of rules with Keep. Like Add,
// it works even if ctx is done.
func (l *Lockout[C]) Reset(ctx context.Context, c C) error { return l.reset(ctx, c, false) }

// ResetAll is Reset for all rules, including those with Keep.
func (l *Lockout[C]) ResetAll(ctx context.Context, c C) error { return l.reset(ctx, c, true) }

func (l *Lockout[C]) reset(ctx context.Context, c C, all bool) error {
	if l == nil {
		return nil
	}
	var buf [bufLen]tally
	tallies := l.tallies(c, 0, buf[:0])
	ctx, cancel := detach(notNil(ctx))
	defer cancel()
	return l.engine.report(ctx, l.engine.reset(ctx, tallies, all))
}

// A Status is the state of a counter.
type Status struct {
	Rule   string    // the name of the rule
	Count  uint64    // how many are counted, at most Limit
	Limit  uint64    // how many there is room for after a long pause
	Locked bool      // whether the rule refuses
	Until  time.Time // when the rule stops refusing; zero if it does not refuse, or if not known
}

// Status returns the state of each counter of c, in the order of the rules. It returns the
// errors of the cache even without FailClosed.
func (l *Lockout[C]) Status(ctx context.Context, c C) ([]Status, error) {
	if l == nil {
		return nil, nil
	}
	tallies := l.tallies(c, 1, nil)
	if l.engine.keepsNothing {
		return nil, errKeepsNothing
	}
	err := l.engine.look(notNil(ctx), tallies, forStatus)
	all := make([]Status, len(tallies))
	for i := range all {
		t := &tallies[i]
		all[i] = Status{Rule: t.name, Limit: t.capacity, Count: min(t.used(), t.capacity)}
		if t.refuses() {
			all[i].Locked, all[i].Until = true, timeOf(t.freeAt())
		}
	}
	return all, err
}

// notNil returns ctx, or the background context if it is nil.
func notNil(ctx context.Context) context.Context {
	if ctx == nil {
		return context.Background()
	}
	return ctx
}
