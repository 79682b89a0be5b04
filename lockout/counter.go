package lockout

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cachewire/cachewire/core"
)

// used returns the count, judging by what t has read.
func (t *tally) used() uint64 {
	if t.Algorithm == TokenBucket {
		return t.bucketUsed()
	}
	return t.windowUsed()
}

// dropsTo returns the time from which the count is at most n, if no more are added. The count
// at t.now must be more than n.
func (t *tally) dropsTo(n uint64) int64 {
	if t.Algorithm == TokenBucket {
		return t.bucketDropsTo(n)
	}
	return t.windowDropsTo(n)
}

// isFull reports whether there is no room for any more.
func (t *tally) isFull() bool { return t.used() >= t.capacity }

// neverFits reports whether there is no room for the attempt even after a long pause.
func (t *tally) neverFits() bool { return t.n > t.capacity }

// refuses reports whether there is a lock, or no room for the attempt, as far as t has read.
func (t *tally) refuses() bool {
	return t.locked || t.refused || t.neverFits() ||
		t.looked && t.lock == 0 && t.used() > t.capacity-t.n
}

// freeAt returns when t stops refusing, in nanoseconds since 1970. It returns 0 if that time
// is not known, or never comes.
func (t *tally) freeAt() int64 {
	switch {
	case t.neverFits():
		return 0
	case t.locked:
		return t.until
	}
	return t.dropsTo(t.capacity - t.n)
}

// add counts the attempt, or sets t.refused if there is no room for it. A window counts it in
// both cases: then t.added is true, and the caller has to remove it.
func (t *tally) add(ctx context.Context) error {
	if t.Algorithm == TokenBucket {
		err := t.changeBucket(ctx, take)
		t.added = err == nil && !t.refused
		return err
	}
	err := t.windowAdd(ctx)
	if t.added = err == nil; !t.added {
		return err
	}
	t.learn()
	if t.refused = t.used() > t.capacity; t.refused {
		t.number -= t.n << t.shift() // the counter after the attempt is removed
	}
	return nil
}

// learn stores the new hint for the window if it differs from the old one.
func (t *tally) learn() {
	if isFull := t.isFull(); isFull != (t.hint == wasFull) || t.hint == mayBeAbsent {
		t.hints.learn(t.key, isFull, t.now)
	}
}

// record counts the attempt even if there is no room for it.
func (t *tally) record(ctx context.Context) error {
	if t.n = min(t.n, t.capacity); t.Algorithm == TokenBucket {
		return t.changeBucket(ctx, fill)
	}
	if err := t.windowAdd(ctx); err != nil {
		return err
	}
	t.learn()
	if t.used()-t.n >= t.capacity { // it was full: it must not grow until it wraps around
		return t.windowRemove(ctx)
	}
	return nil
}

// remove removes the attempt.
func (t *tally) remove(ctx context.Context) error {
	if t.Algorithm == TokenBucket {
		t.now, t.looked = time.Now().UnixNano(), false
		return t.changeBucket(ctx, give)
	}
	return t.windowRemove(ctx)
}

// A view says what a verb reads before it changes anything.
type view uint8

const (
	forAttempt view = iota // the lock, and the counters that add needs
	forRecord              // the counters that record needs
	forCheck               // the lock, or a counter without a lock
	forStatus              // the lock and the counter
)

// looks reports whether t may have to read anything for v, or refuses in any case.
func (t *tally) looks(v view) bool {
	return v != forAttempt || t.hint != wasPresent || t.lock > 0 || t.neverFits()
}

// wants reports whether v needs the counter of t, and the counter of the window before.
func (t *tally) wants(v view) (counter, before bool) {
	sliding := t.Algorithm == SlidingWindow
	switch {
	case v == forCheck && t.lock > 0:
		return false, false
	case v == forRecord:
		return sliding && t.hint == mayBeAbsent, sliding
	case v != forAttempt, t.neverFits():
		return true, sliding
	case t.hint == wasPresent:
		return false, false
	case t.hint == wasFull:
		return t.lock == 0, false // so that a refusal needs no write
	}
	return t.Algorithm != FixedWindow || t.lock > 0, sliding
}

// appendKeys appends the keys that are read for v.
func (t *tally) appendKeys(keys []string, v view) []string {
	if t.lock > 0 && v != forRecord {
		keys = append(keys, t.lockKey())
	}
	counter, before := t.wants(v)
	if counter {
		keys = append(keys, t.key)
	}
	if counter && before {
		keys = append(keys, t.window.before+t.id)
	}
	return keys
}

// look takes from f what was read for v. Its error says why the counter could not be read.
func (t *tally) look(f *found, v view) error {
	if t.lock > 0 && v != forRecord {
		t.lookForLock(f)
	}
	counter, before := t.wants(v)
	if !counter {
		return nil
	}
	return t.lookAtCounter(f, before)
}

// lookAtCounter takes the counter from f and, if before is true, the one of the window
// before.
func (t *tally) lookAtCounter(f *found, before bool) error {
	item, err := f.item(t.key)
	present := err == nil
	if !present && err != core.ErrMiss {
		return err
	}
	if t.Algorithm == TokenBucket {
		return t.lookedAtBucket(item, present)
	}
	if present {
		number, err := core.ParseCount(item.Value)
		if err != nil {
			return fmt.Errorf("%w: lockout: %q holds no counter", err, t.key)
		}
		t.lookedAt(number, true, 0)
		return nil
	}
	var previous uint64
	if before {
		item, err := f.item(t.window.before + t.id)
		if err != nil && err != core.ErrMiss && !isUnreadable(err) {
			return err
		}
		previous, _ = core.ParseCount(item.Value) // if it cannot be read, it is 0
	}
	if before || t.Algorithm == FixedWindow {
		t.lookedAt(0, false, previous)
	}
	return nil
}

// discard deletes the counter, which cannot be read, so that the next count starts from zero.
// It does nothing if another caller was faster and may have counted again.
func (t *tally) discard(ctx context.Context) error {
	t.looked, t.present, t.number = false, false, 0
	f := read(ctx, t.cache, []string{t.key})
	err := f.err
	switch {
	case isUnreadable(err): // a value without a token
		err = t.cache.Delete(ctx, t.key)
	case err == nil && !f.miss && isUnreadable(t.lookAtCounter(&f, false)):
		err = t.cache.CompareAndDelete(ctx, core.Item{Key: t.key, Token: f.one.Token})
	}
	t.looked, t.present, t.number = false, false, 0
	if err == core.ErrMiss || errors.Is(err, core.ErrConflict) {
		return nil
	}
	return err
}

// isStillFull reads the counter again, and reports whether there is no room for any more.
func (t *tally) isStillFull(ctx context.Context) (bool, error) {
	f := read(ctx, t.cache, []string{t.key})
	if f.miss {
		return false, nil
	}
	t.now = time.Now().UnixNano()
	err := t.lookAtCounter(&f, false)
	return err == nil && t.isFull(), err
}

// appendResetKeys appends all keys that a reset at the time now deletes.
func (t *tally) appendResetKeys(keys []string, now int64) []string {
	if t.Algorithm == TokenBucket {
		keys = append(keys, t.key)
	} else {
		w := t.windowAt(now)
		keys = append(keys, w.counters+t.id, w.before+t.id)
		t.hints.forget(w.counters + t.id)
	}
	if t.lock > 0 {
		keys = append(keys, t.lockKey())
	}
	if t.maxLock > 0 {
		keys = append(keys, t.rowKey())
	}
	return keys
}

// longestTTL returns the longest time to live of the items of r.
func (r *rule) longestTTL() time.Duration {
	counter := r.refill
	if r.Algorithm == TokenBucket {
		counter += bucketSlack
	} else {
		counter += r.afterlife()
	}
	if r.maxLock > 0 {
		return max(counter, r.rowTTL(r.maxLock))
	}
	return max(counter, r.lock)
}
