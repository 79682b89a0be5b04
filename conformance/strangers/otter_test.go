package strangers_test

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/cachewire/cachewire/conformance"
	"github.com/cachewire/cachewire/core"
)

// An otterBackend keeps entries in otter. The pointer to an entry is the token.
type otterBackend struct {
	cache *otter.Cache[string, *entry]
}

func newOtter() (*otterBackend, error) {
	cache, err := otter.New(&otter.Options[string, *entry]{
		ExpiryCalculator: otter.ExpiryWritingFunc(
			func(e otter.Entry[string, *entry]) time.Duration {
				if e.Value.expires.IsZero() {
					return math.MaxInt64
				}
				return max(time.Until(e.Value.expires), 1)
			},
		),
	})
	if err != nil {
		return nil, err
	}
	return &otterBackend{cache}, nil
}

func (b *otterBackend) GetItem(_ context.Context, key string) (core.Item, error) {
	e, ok := b.cache.GetIfPresent(key)
	if !ok || e.expired(time.Now()) {
		return core.Item{}, core.ErrMiss
	}
	return core.Item{Value: e.value, Flags: e.flags, Token: e}, nil
}

// compute changes the entry under key in one atomic step. Change gets nil if there is none,
// and returns nil to delete it.
func (b *otterBackend) compute(key string, change func(old *entry) (*entry, error)) (err error) {
	b.cache.Compute(key, func(old *entry, found bool) (*entry, otter.ComputeOp) {
		if !found || old.expired(time.Now()) {
			old = nil
		}
		var e *entry
		switch e, err = change(old); {
		case err != nil:
			return nil, otter.CancelOp
		case e == nil:
			return nil, otter.InvalidateOp
		}
		return e, otter.WriteOp
	})
	return err
}

func (b *otterBackend) Store(_ context.Context, mode core.Mode, item core.Item) error {
	return b.compute(item.Key, func(old *entry) (*entry, error) {
		return store(mode, item, old, item.Token == any(old))
	})
}

func (b *otterBackend) Delete(_ context.Context, key string) error {
	return b.compute(key, func(old *entry) (*entry, error) {
		if old == nil {
			return nil, core.ErrMiss
		}
		return nil, nil
	})
}

func (b *otterBackend) count(key string, change func(n uint64) uint64) (n uint64, err error) {
	err = b.compute(key, func(old *entry) (e *entry, err error) {
		e, n, err = count(old, change)
		return e, err
	})
	return n, err
}

func (b *otterBackend) Incr(_ context.Context, key string, delta uint64) (uint64, error) {
	return b.count(key, func(n uint64) uint64 { return n + delta })
}

func (b *otterBackend) Decr(_ context.Context, key string, delta uint64) (uint64, error) {
	return b.count(key, func(n uint64) uint64 { return n - min(n, delta) })
}

func (b *otterBackend) Touch(_ context.Context, key string, ttl time.Duration) error {
	return b.compute(key, func(old *entry) (*entry, error) { return touch(old, ttl) })
}

func (b *otterBackend) TTL(_ context.Context, key string) (time.Duration, error) {
	e, ok := b.cache.GetIfPresent(key)
	if !ok || e.expired(time.Now()) {
		return 0, core.ErrMiss
	}
	return e.left(), nil
}

func (b *otterBackend) Flush(context.Context) error {
	b.cache.InvalidateAll()
	return nil
}

func (b *otterBackend) Close() error {
	b.cache.StopAllGoroutines()
	return nil
}

// Otter has a goroutine with a ticker. So the suite does not wait long in a bubble.
func TestOtterPasses(t *testing.T) {
	t.Parallel()
	conformance.Run(t, conformance.Config{
		New: func(t testing.TB) core.Backend {
			b, err := newOtter()
			if err != nil {
				t.Fatal(err)
			}
			return b
		},
		Synctest: true,
	})
}
