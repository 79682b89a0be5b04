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

// A hookedBackend counts its calls, each of which stands for a round trip. A test may set
// before to delay a call or to make it fail.
type hookedBackend struct {
	*memory.Backend
	calls  atomic.Int64
	before func(ctx context.Context, verb, key string) error // if nil, not called
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

func TestVerbsTakeTheRoundTripsThatAreDocumented(t *testing.T) {
	const fixed, sliding = lockout.FixedWindow, lockout.SlidingWindow
	ctx := context.Background()
	for _, tt := range []struct {
		verb      string
		algorithm lockout.Algorithm
		counters  int
		lock      time.Duration
		want      [3]int64 // of the first, the second and the fourth call, with a Count of 3
	}{
		{"Forbid", fixed, 1, time.Hour, [3]int64{1, 1, 1}},
		{"Forbid", sliding, 3, 0, [3]int64{1, 1, 1}},
		{"Forbid", fixed, 3, time.Hour, [3]int64{1, 1, 1}},
		{"Allow", fixed, 1, 0, [3]int64{2, 1, 1}},
		{"Allow", fixed, 1, time.Hour, [3]int64{3, 2, 1}},
		{"Allow", fixed, 3, time.Hour, [3]int64{7, 4, 1}},
		{"Allow", sliding, 1, 0, [3]int64{3, 2, 1}},
		{"Allow", sliding, 1, time.Hour, [3]int64{3, 2, 1}},
		{"Incr", fixed, 1, time.Hour, [3]int64{2, 1, 2}},
		{"Incr", fixed, 2, time.Hour, [3]int64{4, 2, 4}},
		{"Incr", sliding, 1, 0, [3]int64{2, 2, 1}},
		{"Reset", fixed, 3, time.Hour, [3]int64{1, 1, 1}},
	} {
		name := fmt.Sprintf("%s, algorithm %d, %d counters, lock %v",
			tt.verb, tt.algorithm, tt.counters, tt.lock)
		t.Run(name, func(t *testing.T) {
			b := &hookedBackend{Backend: must(memory.New(nil))}
			c := cacheOf(t, b)
			all := lockout.Terms[visit]{}
			for i := range tt.counters {
				name := fmt.Sprint("counter", i)
				all[name] = lockout.Counter[visit]{
					Key:       func(v visit) string { return name + v.id },
					Count:     3,
					Period:    time.Hour,
					Duration:  tt.lock,
					Algorithm: tt.algorithm,
				}
			}
			locker, err := lockout.New(c, all, nil)
			wantErr(t, err, nil)
			lo, err := locker.Define("api", all)
			wantErr(t, err, nil)
			call := map[string]func(context.Context, visit) error{
				"Forbid": lo.Forbid, "Allow": lo.Allow, "Incr": lo.Incr, "Reset": lo.Reset,
			}[tt.verb]
			var got [3]int64
			for i := range 4 {
				b.calls.Store(0)
				if err := call(ctx, visit{"ann", ""}); err != nil {
					wantErr(t, err, lockout.ErrLocked)
				}
				if n := b.calls.Load(); i < 2 {
					got[i] = n
				} else if i == 3 {
					got[2] = n
				}
			}
			if got != tt.want {
				t.Errorf("%v calls, want %v", got, tt.want)
			}
		})
	}
}
