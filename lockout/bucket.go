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
// one that is counted moves this time into the future by the interval of the Rate. The
// counter is stored as the byte bucketMark and eight bytes of the time, big endian.

const (
	bucketMark = 1 // no other kind of value begins with this byte

	// bucketSlack is how long a state is kept after the bucket is full, for machines whose
	// clocks are behind. Package memory also reads an item faster that lives for more than a
	// second.
	bucketSlack = 2 * time.Second
)

// values holds buffers for core.Item.Value. A cache keeps no reference to them.
var values = sync.Pool{New: func() any { return new([9]byte) }}

// parseBucket returns the state in value, as it is at the time t.now.
func (t *tally) parseBucket(value []byte) (full int64, err error) {
	if len(value) != 9 || value[0] != bucketMark {
		return t.now, fmt.Errorf("%w: lockout: %q holds no token bucket", core.ErrCodec, t.key)
	}
	full = int64(binary.BigEndian.Uint64(value[1:]))
	// A bucket that is more than empty comes from a clock that is ahead, or from a Rate with
	// more room. It counts as empty.
	return min(max(full, t.now), t.now+int64(t.refill)), nil
}

// bucketUsed returns the count at the time t.now.
func (t *tally) bucketUsed() uint64 {
	return uint64((t.full - t.now + t.interval - 1) / t.interval)
}

// bucketDropsTo returns the time from which the count is at most n, if no more are added.
func (t *tally) bucketDropsTo(n uint64) int64 { return t.full - int64(n)*t.interval }

// A bucketChange is one of the changes that an attempt can make to a bucket.
type bucketChange uint8

const (
	take bucketChange = iota // count the attempt if there is room for it
	fill                     // count as much of it as there is room for
	give                     // remove it
)

// apply applies c to t.full. If there is no room, it sets t.refused and returns false.
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

// changeBucket applies c to t and stores the new state, unless apply returns false. It takes
// two round trips, or one if the state has been read before. It takes two more each time
// another caller is faster.
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

// tryChange tries changeBucket once. It returns false if another caller was faster.
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
		if !t.fits(1, t.now) { // the attempt may have waited until there was room again
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

// moveOn sets the time of the attempt to now, unless now is earlier. A caller that began
// later may have stored the state, and some of the count may have faded since the attempt
// began.
func (t *tally) moveOn(now int64) {
	t.now = max(t.now, now)
	t.full = max(t.full, t.now)
}

// moveOnUnlocked calls moveOn if that makes room for the attempt and there still is no lock:
// the attempt must not pass because the bucket has filled while a lock lasts. It reports
// whether there is room.
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
