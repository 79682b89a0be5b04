package lockout

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/cachewire/cachewire/core"
)

// An engine is the part of a Lockout that does not depend on C.
type engine struct {
	clock      *clock
	cache      *core.Cache
	name       string
	failClosed bool
	onError    func(ctx context.Context, err error)

	keepsNothing bool         // whether the cache keeps nothing
	reported     atomic.Int64 // when keepsNothing was last reported, in nanoseconds since 1970
}

// failed is called with an error of the cache, or nil. It returns the error for the caller of
// the verb. If ctx is done, it returns the error of ctx: the cache has not failed, and a
// client must not pass because it hung up.
func (e *engine) failed(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return e.report(ctx, err)
}

// report is like failed, for a context that does not belong to the caller.
func (e *engine) report(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if e.onError != nil {
		e.onError(ctx, err)
	}
	if e.failClosed {
		return err
	}
	return nil
}

// countsNothing is like failed, for a cache that keeps nothing. It calls OnError at most once
// a minute.
func (e *engine) countsNothing(ctx context.Context) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	now, last := time.Now().UnixNano(), e.reported.Load()
	due := now < last || now-last >= int64(time.Minute)
	if due && e.reported.CompareAndSwap(last, now) {
		return e.report(ctx, errKeepsNothing)
	}
	if e.failClosed {
		return errKeepsNothing
	}
	return nil
}

// detach returns a context for counting what was done under ctx. It does not end with ctx: a
// failure counts even if the client has gone away.
func detach(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
}

// The methods below are the steps of an attempt. An attempt is one call of a verb with one C.
// It has a tally for each rule that counts this C.

// counts reports whether a rule counts the attempt and the cache keeps counters. If not, it
// also returns the error for the caller, or nil.
func (e *engine) counts(ctx context.Context, tallies []tally) (ok bool, err error) {
	if len(tallies) == 0 {
		return false, nil
	}
	if e.keepsNothing {
		return false, e.countsNothing(ctx)
	}
	return true, nil
}

// admit counts the attempt if all its counters have room for it and there is no lock.
// Otherwise it returns a *LockedError and counts nothing. If the cache fails, it returns the
// error for the caller, or counts what it can. If locksNow is true, admit then sets the locks
// of full counters. Otherwise the caller sets them.
func (e *engine) admit(ctx context.Context, tallies []tally, locksNow bool) error {
	if ok, err := e.counts(ctx, tallies); !ok {
		return err
	}
	if err := e.refuse(ctx, tallies, forAttempt); err != nil {
		return err
	}
	for i := range tallies {
		err := tallies[i].add(ctx)
		if err = e.added(ctx, tallies, i, err, locksNow); err != nil {
			return err
		}
	}
	if locksNow {
		return e.setLocks(ctx, tallies, false)
	}
	return nil
}

// added is called after the attempt was added to tallies[i] with the error err. If the
// attempt cannot pass, added removes it from all counters and returns an error.
func (e *engine) added(
	ctx context.Context, tallies []tally, i int, err error, locksNow bool,
) error {
	t := &tallies[i]
	again := isUnreadable(err)
	if again {
		err = join(err, t.discard(ctx))
	}
	if err = e.failed(ctx, err); err == nil && again { // the first of a new count
		err = e.failed(ctx, t.add(ctx))
	}
	if err != nil {
		return join(err, e.remove(ctx, tallies, false))
	}
	if !t.refused {
		return nil
	}
	if locksNow { // the process of the caller that filled the counter may have died
		err = e.setLocks(ctx, tallies[i:i+1], false)
	}
	return join(e.refusal(tallies), join(err, e.remove(ctx, tallies, false)))
}

// check returns a *LockedError if there is a lock, or if a counter without locks has no room.
func (e *engine) check(ctx context.Context, tallies []tally) error {
	if ok, err := e.counts(ctx, tallies); !ok {
		return err
	}
	return e.refuse(ctx, tallies, forCheck)
}

// record counts the attempt, whether or not there is room for it, and sets the locks of the
// counters that are full.
func (e *engine) record(ctx context.Context, tallies []tally) error {
	if ok, err := e.counts(ctx, tallies); !ok {
		return err
	}
	errs := []error{e.look(ctx, tallies, forRecord)}
	for i := range tallies {
		t := &tallies[i]
		err := t.record(ctx)
		if isUnreadable(err) {
			errs = append(errs, err, t.discard(ctx))
			err = t.record(ctx)
		}
		if err == nil && t.lock > 0 && t.isFull() {
			err = t.setLock(ctx, false)
		}
		errs = append(errs, err)
	}
	return e.report(ctx, errors.Join(errs...))
}

// refuse reads the counters and locks that v needs. It returns a *LockedError if one of the
// tallies then refuses. If the cache fails, it returns the error for the caller.
func (e *engine) refuse(ctx context.Context, tallies []tally, v view) error {
	looks := false
	for i := range tallies {
		looks = looks || tallies[i].looks(v)
	}
	if !looks {
		return nil
	}
	err := e.look(ctx, tallies, v)
	if refusal := e.refusal(tallies); refusal != nil {
		return refusal
	}
	return e.failed(ctx, err)
}

// look reads the counters and locks that the tallies need for v, in one round trip. It
// deletes a counter that it cannot read.
func (e *engine) look(ctx context.Context, tallies []tally, v view) error {
	var buf [4]string
	keys := buf[:0]
	for i := range tallies {
		keys = tallies[i].appendKeys(keys, v)
	}
	if len(keys) == 0 {
		return nil
	}
	f := read(ctx, e.cache, keys)
	first := f.err
	for i := range tallies {
		t := &tallies[i]
		err := t.look(&f, v)
		if isUnreadable(err) {
			err = join(err, t.discard(ctx))
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// refusal returns a *LockedError if one of the tallies refuses, judging by what they have
// read. If several refuse, the error describes the one that refuses longest.
func (e *engine) refusal(tallies []tally) error {
	var longest *tally
	for i := range tallies {
		t := &tallies[i]
		if !t.refuses() {
			continue
		}
		if longest == nil || t.neverFits() ||
			!longest.neverFits() && t.freeAt() > longest.freeAt() {
			longest = t
		}
	}
	if longest == nil {
		return nil
	}
	return &LockedError{e.name, longest.name, timeOf(longest.freeAt())}
}

// setLocks sets the locks of the tallies that are full, even if ctx is done. If recheck is
// true, it reads their counters again first, because others may have been removed since the
// attempt was counted.
func (e *engine) setLocks(ctx context.Context, tallies []tally, recheck bool) error {
	isDue := func(t *tally) bool { return t.lock > 0 && (t.added || t.refused) && t.isFull() }
	due := false
	for i := range tallies {
		due = due || isDue(&tallies[i])
	}
	if !due {
		return nil
	}
	ctx, cancel := detach(ctx)
	defer cancel()
	var errs []error
	for i := range tallies {
		t := &tallies[i]
		if !isDue(t) {
			continue
		}
		if recheck {
			full, err := t.isStillFull(ctx)
			if errs = append(errs, err); err == nil && !full {
				continue
			}
		}
		errs = append(errs, t.setLock(ctx, true))
	}
	return e.report(ctx, errors.Join(errs...))
}

// remove removes the attempt from the counters that have counted it, even if ctx is done. If
// reset is true, it deletes the counters that a success resets.
func (e *engine) remove(ctx context.Context, tallies []tally, reset bool) error {
	ctx, cancel := detach(ctx)
	defer cancel()
	var errs []error
	for i := range tallies {
		if t := &tallies[i]; t.added && (t.keep || !reset) {
			t.added = false
			errs = append(errs, t.remove(ctx))
		}
	}
	if reset {
		errs = append(errs, e.reset(ctx, tallies, false))
	}
	return e.report(ctx, errors.Join(errs...))
}

// reset deletes the counters and the locks. If all is false, it leaves those of rules with
// Keep. It returns the error of the cache.
func (e *engine) reset(ctx context.Context, tallies []tally, all bool) error {
	var keys []string
	now := time.Now().UnixNano()
	for i := range tallies {
		if t := &tallies[i]; all || !t.keep {
			keys = t.appendResetKeys(keys, now)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	return e.cache.DeleteMulti(ctx, keys)
}
