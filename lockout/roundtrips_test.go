package lockout_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/lockout"
	"github.com/cachewire/cachewire/memory"
)

// A hookedBackend counts its calls. Each of them stands for a round trip. A test may set
// before to delay a call or to make it fail.
type hookedBackend struct {
	*memory.Backend
	calls  atomic.Int64
	before func(ctx context.Context, verb, key string) error // may be nil
}

func (b *hookedBackend) enter(ctx context.Context, verb, key string) error {
	b.calls.Add(1)
	if b.before == nil {
		return nil
	}
	return b.before(ctx, verb, key)
}

func (b *hookedBackend) GetItem(ctx context.Context, key string) (core.Item, error) {
	if err := b.enter(ctx, "GetItem", key); err != nil {
		return core.Item{}, err
	}
	return b.Backend.GetItem(ctx, key)
}

func (b *hookedBackend) Get(ctx context.Context, key string) ([]byte, error) {
	if err := b.enter(ctx, "Get", key); err != nil {
		return nil, err
	}
	return b.Backend.Get(ctx, key)
}

func (b *hookedBackend) GetItems(ctx context.Context, keys []string) ([]core.Item, error) {
	if err := b.enter(ctx, "GetItems", ""); err != nil {
		return nil, err
	}
	return b.Backend.GetItems(ctx, keys)
}

func (b *hookedBackend) Store(ctx context.Context, mode core.Mode, item core.Item) error {
	if err := b.enter(ctx, mode.String(), item.Key); err != nil {
		return err
	}
	return b.Backend.Store(ctx, mode, item)
}

func (b *hookedBackend) Delete(ctx context.Context, key string) error {
	if err := b.enter(ctx, "Delete", key); err != nil {
		return err
	}
	return b.Backend.Delete(ctx, key)
}

func (b *hookedBackend) DeleteMulti(ctx context.Context, keys []string) error {
	if err := b.enter(ctx, "DeleteMulti", ""); err != nil {
		return err
	}
	return b.Backend.DeleteMulti(ctx, keys)
}

func (b *hookedBackend) Incr(ctx context.Context, key string, delta uint64) (uint64, error) {
	if err := b.enter(ctx, "Incr", key); err != nil {
		return 0, err
	}
	return b.Backend.Incr(ctx, key, delta)
}

func (b *hookedBackend) Decr(ctx context.Context, key string, delta uint64) (uint64, error) {
	if err := b.enter(ctx, "Decr", key); err != nil {
		return 0, err
	}
	return b.Backend.Decr(ctx, key, delta)
}

func (b *hookedBackend) Touch(ctx context.Context, key string, ttl time.Duration) error {
	if err := b.enter(ctx, "Touch", key); err != nil {
		return err
	}
	return b.Backend.Touch(ctx, key, ttl)
}

// TTL is not supported, as on memcached.
func (b *hookedBackend) TTL(context.Context, string) (time.Duration, error) {
	return 0, errors.ErrUnsupported
}

// hookedCache returns a cache in memory, and its backend.
func hookedCache(t testing.TB) (*core.Cache, *hookedBackend) {
	b := &hookedBackend{Backend: must(memory.New(nil))}
	return cacheOf(t, b), b
}

// The documentation of the package has these numbers.
func TestVerbsTakeTheRoundTripsThatAreDocumented(t *testing.T) {
	const fixed, sliding, bucket = lockout.FixedWindow, lockout.SlidingWindow, lockout.TokenBucket
	for _, tt := range []struct {
		verb      string
		algorithm lockout.Algorithm
		rules     int
		lock      time.Duration
		want      [4]int64 // of the first four calls, with a Count of 3
	}{
		{"Allow", fixed, 1, 0, [4]int64{2, 1, 1, 1}},
		{"Allow", sliding, 1, 0, [4]int64{2, 1, 1, 1}},
		{"Allow", bucket, 1, 0, [4]int64{2, 2, 2, 1}},
		{"Allow", fixed, 1, time.Hour, [4]int64{2, 2, 2 + 2, 1}},
		{"Allow", sliding, 1, time.Hour, [4]int64{2, 2, 2 + 2, 1}},
		{"Allow", bucket, 1, time.Hour, [4]int64{2, 2, 2 + 2, 1}},
		{"Allow", fixed, 3, 0, [4]int64{6, 3, 3, 1}},
		{"Allow", sliding, 3, 0, [4]int64{4, 3, 3, 1}},
		{"Allow", bucket, 3, 0, [4]int64{4, 4, 4, 1}},
		{"Allow", fixed, 3, time.Hour, [4]int64{4, 4, 4 + 6, 1}},
		{"Guard, success", fixed, 1, time.Hour, [4]int64{3, 3, 3, 3}},
		{"Guard, success", bucket, 3, time.Hour, [4]int64{5, 5, 5, 5}},
		{"Guard, failure", fixed, 1, time.Hour, [4]int64{2, 2, 2 + 3, 1}},
		{"Guard, failure", sliding, 3, time.Hour, [4]int64{4, 4, 4 + 9, 1}},
		{"Quota, failure", sliding, 1, 0, [4]int64{3, 2, 2, 2}},
		{"Quota, failure", bucket, 1, 0, [4]int64{4, 4, 4, 4}},
		{"Check", fixed, 1, time.Hour, [4]int64{1, 1, 1, 1}},
		{"Check", sliding, 3, 0, [4]int64{1, 1, 1, 1}},
		{"Check", fixed, 3, time.Hour, [4]int64{1, 1, 1, 1}},
		{"Add", fixed, 1, time.Hour, [4]int64{2, 1, 1 + 2, 2}},
		{"Add", sliding, 1, 0, [4]int64{2, 1, 1, 2}},
		{"Add", bucket, 1, 0, [4]int64{2, 2, 2, 2}},
		{"Reset", sliding, 3, time.Hour, [4]int64{1, 1, 1, 1}},
		{"Status", sliding, 3, time.Hour, [4]int64{1, 1, 1, 1}},
	} {
		name := fmt.Sprintf("%s, algorithm %d, %d rules, lock %v",
			tt.verb, tt.algorithm, tt.rules, tt.lock)
		t.Run(name, func(t *testing.T) {
			c, b := hookedCache(t)
			var rules []lockout.Rule[visit]
			for i := range tt.rules {
				rules = append(rules, lockout.Rule[visit]{
					Name: fmt.Sprint("rule", i), Key: byID, Lock: tt.lock,
					Rate: lockout.Rate{Count: 3, Period: longPeriod, Algorithm: tt.algorithm},
				})
			}
			l := newLockout(t, c, "api", nil, rules...)
			var guard guardFunc = l.Guard
			if tt.verb == "Quota, failure" {
				guard = l.Quota
			}
			guardFor := func(ok bool) func(ctx context.Context) error {
				return func(ctx context.Context) error {
					_, err := guard(ctx, ann, result(ok))
					return err
				}
			}
			call := map[string]func(ctx context.Context) error{
				"Allow": func(ctx context.Context) error { return l.Allow(ctx, ann) },
				"Check": func(ctx context.Context) error { return l.Check(ctx, ann) },
				"Add":   func(ctx context.Context) error { return l.Add(ctx, ann, 1) },
				"Reset": func(ctx context.Context) error { return l.Reset(ctx, ann) },
				"Status": func(ctx context.Context) error {
					_, err := l.Status(ctx, ann)
					return err
				},
				"Guard, success": guardFor(true),
				"Guard, failure": guardFor(false),
				"Quota, failure": guardFor(false),
			}[tt.verb]
			var got [4]int64
			for i := range got {
				b.calls.Store(0)
				if err := call(t.Context()); err != nil {
					wantErr(t, err, lockout.ErrLocked)
				}
				got[i] = b.calls.Load()
			}
			if got != tt.want {
				t.Errorf("%v calls, want %v", got, tt.want)
			}
		})
	}
}

// Another process knows nothing about the counters yet.
func TestAProcessThatIsNewTakesTwoRoundTrips(t *testing.T) {
	for name, algorithm := range algorithms {
		for _, lock := range []time.Duration{0, time.Hour} {
			c, b := hookedCache(t)
			rate := lockout.Rate{Count: 3, Period: longPeriod, Algorithm: algorithm}
			countAllowed(t, byIDOnly(t, c, rate, lock), ann, 2)
			b.calls.Store(0)
			countAllowed(t, byIDOnly(t, c, rate, lock), ann, 1)
			if n := b.calls.Load(); n > 2 && lock == 0 || n > 4 {
				t.Errorf("%s, lock %v: %d calls, want at most 2, and 2 for a lock", name, lock, n)
			}
		}
	}
}
