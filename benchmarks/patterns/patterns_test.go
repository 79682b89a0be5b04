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

func load(context.Context) (*user, error) { return ann, nil }

// slowly gives all callers the time to come together, and the scheduler to them.
func slowly(context.Context) (*user, error) {
	for range 100 {
		runtime.Gosched()
	}
	return ann, nil
}

// A getter answers the value under key, which it loads if it is not there.
type getter func(ctx context.Context, key string, load func(context.Context) (*user, error)) (*user, error)

func cachewire(b *testing.B, opts *patterns.Options) *patterns.Cached[*user] {
	c, err := core.New(must(memory.New(nil)), nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	cached := must(patterns.New(must(core.NewTyped(c, core.Shared[*user]())), opts))
	b.Cleanup(func() { cached.Close() })
	return cached
}

// BenchmarkPatterns/hit is of values that are there, BenchmarkPatterns/miss of one that
// so many callers at once ask for and that is loaded each time.
func BenchmarkPatterns(b *testing.B) {
	cached := cachewire(b, &patterns.Options{TTL: time.Hour})
	soft := cachewire(b, &patterns.Options{TTL: time.Hour, SoftTTL: time.Minute})
	sturdy := sturdyc.New[*user](100_000, 64, time.Hour, 10)
	var group singleflight.Group
	shared := func(ctx context.Context, key string, load func(context.Context) (*user, error)) (*user, error) {
		v, err, _ := group.Do(key, func() (any, error) { return load(ctx) })
		if err != nil {
			return nil, err
		}
		return v.(*user), nil
	}
	getOrSet := func(c *patterns.Cached[*user]) getter {
		return func(ctx context.Context, key string, load func(context.Context) (*user, error)) (*user, error) {
			return c.GetOrSet(ctx, key, load)
		}
	}
	getOrCreate := func(ctx context.Context, key string, load func(context.Context) (*user, error)) (*user, error) {
		return cached.GetOrCreate(ctx, key, load)
	}
	fetch := func(ctx context.Context, key string, load func(context.Context) (*user, error)) (*user, error) {
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
		{"sturdyc", fetch}, {"GetOrSet", getOrSet(cached)}, {"GetOrCreate", getOrCreate}, {"GetOrSet,soft", getOrSet(soft)},
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
			{"singleflight", shared}, {"sturdyc", fetch}, {"GetOrSet", getOrSet(cached)}, {"GetOrCreate", getOrCreate},
		} {
			b.Run(fmt.Sprintf("miss/%d/%s", callers, bb.name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					var all sync.WaitGroup
					for range callers {
						all.Go(func() {
							if v, err := bb.get(ctx, "user", slowly); v != ann || err != nil {
								b.Error(v, err)
							}
						})
					}
					all.Wait()
					forget("user")
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
