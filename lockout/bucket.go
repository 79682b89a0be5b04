package lockout

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cachewire/cachewire/core"
)

// This file has the counter of TokenBucket: the time at which the bucket is full again. Each
// one that is counted moves it into the future by the interval of the Rate. It is stored as
// bucketMark and eight bytes, big endian.

const (
	bucketMark = 1 // no other kind of value begins like this

	// bucketSlack is how long a state is kept after the bucket is full, for a machine whose
	// clock is behind. With more than a second to live, package memory reads it faster, too.
	bucketSlack = 2 * time.Second
)

// values are used for core.Item.Value again and again: a cache keeps no reference to them.
var values = sync.Pool{New: func() any { return new([9]byte) }}

// parseBucket returns the state that value holds, as it is at the time t.now.
func (t *tally) parseBucket(value []byte) (full int64, err error) {
	if len(value) != 9 || value[0] != bucketMark {
		return t.now, fmt.Errorf("%w: lockout: %q holds no token bucket", core.ErrCodec, t.key)
	}
	full = int64(binary.BigEndian.Uint64(value[1:]))
	// A bucket that is more than empty comes from a clock that is ahead, or from a Rate with
	// more room. It counts as empty.
	return min(max(full, t.now), t.now+int64(t.refill)), nil
}

// bucketUsed returns how many count at the time t.now.
func (t *tally) bucketUsed() uint64 {
	return uint64((t.full - t.now + t.interval - 1) / t.interval)
}

// bucketDropsTo returns the time from which no more than n count, if none is added.
func (t *tally) bucketDropsTo(n uint64) int64 { return t.full - int64(n)*t.interval }

// A bucketChange is something to do with a bucket.
type bucketChange uint8

const (
	take bucketChange = iota // count the attempt if there is room for it
	fill                     // count as much of it as there is room for
	give                     // remove it
)

// apply changes t.full, or sets t.refused and returns false.
func (t *tally) apply(c bucketChange) bool {
	if c == give { // from t.since on, the attempt counts for less and less
		t.full -= max(0, int64(t.n)*t.interval-max(0, t.now-t.since))
		return true
	}
	if t.refused = c == take && !t.fits(t.n, t.now); t.refused {
		return false
	}
	n := t.n
	if c == fill {
		n = min(n, t.capacity-t.bucketUsed())
	}
	t.since = t.full
	t.full += int64(n) * t.interval
	return true
}

// changeBucket stores the state of t to which c has been applied, unless apply returns false.
// It takes two round trips, or one if the state was looked at, and two more for each caller
// that was faster.
func (t *tally) changeBucket(ctx context.Context, c bucketChange) error {
	if done, err := t.tryChange(ctx, c); done {
		return err
	}
	end, err := t.turns.take(ctx, t.key)
	if err != nil {
		return err
	}
	defer end()
	for {
		t.looked = false
		if done, err := t.tryChange(ctx, c); done {
			return err
		}
	}
}

// tryChange tries once what changeBucket does. It returns false if another caller was faster.
func (t *tally) tryChange(ctx context.Context, c bucketChange) (done bool, err error) {
	if !t.looked {
		item, err := t.cache.GetItem(ctx, t.key)
		if err != nil && err != core.ErrMiss {
			return true, err
		}
		if err := t.lookedAtBucket(&item, err == nil); err != nil {
			return true, err
		}
	}
	if !t.apply(c) && !(t.moveOnUnlocked(ctx) && t.apply(c)) {
		return true, nil
	}
	value := values.Get().(*[9]byte)
	value[0] = bucketMark
	binary.BigEndian.PutUint64(value[1:], uint64(t.full))
	mode := core.Add
	if t.present {
		mode = core.CompareAndSwap
	}
	err = t.cache.Store(ctx, mode, core.Item{
		Key:   t.key,
		Value: value[:],
		TTL:   max(time.Duration(t.full-t.now), 0) + bucketSlack,
		Token: t.token,
	})
	values.Put(value)
	if err == nil {
		if !t.fits(1, t.now) { // or is it only as long as the attempt has waited?
			t.moveOn(time.Now().UnixNano())
		}
		return true, nil
	}
	tooSlow := err == core.ErrMiss || errors.Is(err, core.ErrExists) ||
		errors.Is(err, core.ErrConflict)
	return !tooSlow, err
}

// lookedAtBucket records the state in item, and whether it is present.
func (t *tally) lookedAtBucket(item *core.Item, present bool) error {
	t.looked, t.present, t.token, t.full = true, present, item.Token, t.now
	if !present {
		return nil
	}
	var err error
	if t.full, err = t.parseBucket(item.Value); err == nil && t.lock == 0 && !t.fits(t.n, t.now) {
		t.moveOn(time.Now().UnixNano())
	}
	return err
}

// fits reports whether there is room for n at the time now, which is not before t.now.
func (t *tally) fits(n uint64, now int64) bool {
	return n <= t.capacity && t.full-now <= int64(t.capacity-n)*t.interval
}

// moveOn makes the time now that of the attempt, unless it is before it. A caller that began
// later may have stored the state, and what counted fully at the start of the attempt may
// count for less by now.
func (t *tally) moveOn(now int64) {
	t.now = max(t.now, now)
	t.full = max(t.full, t.now)
}

// moveOnUnlocked is moveOn if that makes room for the attempt and there still is no lock: the
// attempt must not pass because the bucket has filled while a lock lasts. It reports whether
// there is room.
func (t *tally) moveOnUnlocked(ctx context.Context) bool {
	now := time.Now().UnixNano()
	if t.lock == 0 || !t.fits(t.n, max(t.now, now)) {
		return false
	}
	f := read(ctx, t.cache, []string{t.lockKey()})
	if t.lookForLock(&f); t.locked || f.err != nil {
		return false
	}
	t.moveOn(now)
	return true
}
