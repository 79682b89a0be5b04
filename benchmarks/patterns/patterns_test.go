package patterns_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memory"
	"github.com/cachewire/cachewire/patterns"
	"github.com/viccon/sturdyc"
	"golang.org/x/sync/singleflight"
)

type user struct{ Name string }

var ann = &user{"Ann"}

// A loader loads a value that is absent from a cache.
type loader = func(context.Context) (*user, error)

func load(context.Context) (*user, error) { return ann, nil }

// slowLoad takes so long that all callers can start waiting for it.
func slowLoad(context.Context) (*user, error) {
	for range 100 {
		runtime.Gosched()
	}
	return ann, nil
}

// A getter returns the value under key. It calls load if the key is absent.
type getter func(ctx context.Context, key string, load loader) (*user, error)

func newCached(b *testing.B, opts *patterns.Options[*user]) *patterns.Cached[*user] {
	c, err := core.New(must(memory.New(nil)), nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	cached := must(patterns.New(must(core.NewTyped(c, core.Shared[*user]())), opts))
	b.Cleanup(func() { cached.Close() })
	return cached
}

// BenchmarkPatterns/hit reads values that are present. In BenchmarkPatterns/miss, the given
// number of callers get an absent value at once, and it is loaded each time.
func BenchmarkPatterns(b *testing.B) {
	cached := newCached(b, &patterns.Options[*user]{TTL: time.Hour})
	soft := newCached(b, &patterns.Options[*user]{TTL: time.Hour, SoftTTL: time.Minute})
	sturdy := sturdyc.New[*user](100_000, 64, time.Hour, 10)
	var group singleflight.Group
	flight := func(ctx context.Context, key string, load loader) (*user, error) {
		v, err, _ := group.Do(key, func() (any, error) { return load(ctx) })
		if err != nil {
			return nil, err
		}
		return v.(*user), nil
	}
	getOrSet := func(c *patterns.Cached[*user]) getter {
		return func(ctx context.Context, key string, load loader) (*user, error) {
			return c.GetOrSet(ctx, key, load)
		}
	}
	getOrCreate := func(ctx context.Context, key string, load loader) (*user, error) {
		return cached.GetOrCreate(ctx, key, load)
	}
	fetch := func(ctx context.Context, key string, load loader) (*user, error) {
		return sturdy.GetOrFetch(ctx, key, load)
	}
	forget := func(key string) {
		_ = cached.Typed().Delete(context.Background(), key)
		_ = soft.Typed().Delete(context.Background(), key)
		sturdy.Delete(key)
	}
	keys := make([]string, 1000)
	for i := range keys {
		keys[i] = fmt.Sprint("user:", i)
	}
	ctx := context.Background()
	for _, bb := range []struct {
		name string
		get  getter
	}{
		{"sturdyc", fetch},
		{"GetOrSet", getOrSet(cached)},
		{"GetOrCreate", getOrCreate},
		{"GetOrSet,soft", getOrSet(soft)},
	} {
		b.Run("hit/"+bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if v, err := bb.get(ctx, keys[i%len(keys)], load); v != ann || err != nil {
					b.Fatal(v, err)
				}
			}
		})
	}
	for _, callers := range []int{1, 100} {
		for _, bb := range []struct {
			name string
			get  getter
		}{
			{"singleflight", flight},
			{"sturdyc", fetch},
			{"GetOrSet", getOrSet(cached)},
			{"GetOrCreate", getOrCreate},
		} {
			b.Run(fmt.Sprintf("miss/%d/%s", callers, bb.name), func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					key := keys[i%len(keys)] // its pass was released long ago
					var running sync.WaitGroup
					for range callers {
						running.Go(func() {
							if v, err := bb.get(ctx, key, slowLoad); v != ann || err != nil {
								b.Error(v, err)
							}
						})
					}
					running.Wait()
					forget(key)
				}
			})
		}
	}
}

// must returns v, and panics if there is an error.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
