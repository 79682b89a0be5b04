package lockout_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	sethvargo "github.com/sethvargo/go-limiter"
	"github.com/sethvargo/go-limiter/memorystore"
	ulule "github.com/ulule/limiter/v3"
	ululememory "github.com/ulule/limiter/v3/drivers/store/memory"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/lockout"
	"github.com/cachewire/cachewire/memory"
)

const (
	limit  = 8_000_000 // for each address: never reached
	period = time.Hour
)

// A limiter counts a request of key, and reports whether it is allowed.
type limiter func(ctx context.Context, key string) (bool, error)

func newUlule() limiter {
	l := ulule.New(ululememory.NewStore(), ulule.Rate{Period: period, Limit: limit})
	return func(ctx context.Context, key string) (bool, error) {
		c, err := l.Get(ctx, key)
		return !c.Reached, err
	}
}

func newSethvargo(b *testing.B) limiter {
	var store sethvargo.Store
	store, err := memorystore.New(&memorystore.Config{Tokens: limit, Interval: period})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { store.Close(context.Background()) })
	return func(ctx context.Context, key string) (bool, error) {
		_, _, _, ok, err := store.Take(ctx, key)
		return ok, err
	}
}

// newLockout returns a lockout in memory.
func newLockout(b *testing.B, algorithm lockout.Algorithm, lock time.Duration) limiter {
	cache := must(core.New(must(memory.New(nil)), nil))
	b.Cleanup(func() { cache.Close() })
	return lockoutIn(b, cache, algorithm, lock)
}

func lockoutIn(
	b *testing.B, cache *core.Cache, algorithm lockout.Algorithm, lock time.Duration,
) limiter {
	l, err := lockout.New(cache, "api", []lockout.Rule[string]{{
		Name: "api",
		Key:  func(ip string) string { return ip },
		Rate: lockout.Rate{Count: limit, Period: period, Algorithm: algorithm},
		Lock: lock,
	}}, nil)
	if err != nil {
		b.Fatal(err)
	}
	return func(ctx context.Context, key string) (bool, error) {
		err := l.Allow(ctx, key)
		return err == nil, err
	}
}

// BenchmarkLimit counts requests of a thousand addresses, all of them allowed.
func BenchmarkLimit(b *testing.B) {
	keys := make([]string, 1000)
	for i := range keys {
		keys[i] = fmt.Sprint("192.0.2.", i)
	}
	for _, bb := range []struct {
		name       string
		newLimiter func(b *testing.B) limiter
	}{
		{"ulule", func(*testing.B) limiter { return newUlule() }},
		{"sethvargo", newSethvargo},
		{"FixedWindow", func(b *testing.B) limiter {
			return newLockout(b, lockout.FixedWindow, 0)
		}},
		{"FixedWindow,lock", func(b *testing.B) limiter {
			return newLockout(b, lockout.FixedWindow, period)
		}},
		{"SlidingWindow", func(b *testing.B) limiter {
			return newLockout(b, lockout.SlidingWindow, 0)
		}},
		{"TokenBucket", func(b *testing.B) limiter {
			return newLockout(b, lockout.TokenBucket, 0)
		}},
	} {
		b.Run("one/"+bb.name, func(b *testing.B) {
			allow := bb.newLimiter(b)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if ok, err := allow(context.Background(), keys[i%len(keys)]); !ok || err != nil {
					b.Fatal(ok, err)
				}
			}
		})
		b.Run("many/"+bb.name, func(b *testing.B) {
			allow := bb.newLimiter(b)
			b.ReportAllocs()
			b.SetParallelism(8)
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					ok, err := allow(context.Background(), keys[i%len(keys)])
					if !ok || err != nil {
						b.Error(ok, err)
						return
					}
				}
			})
		})
	}
}

// must returns v, and panics if there is an error.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
