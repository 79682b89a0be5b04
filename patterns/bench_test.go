package patterns_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/patterns"
)

// BenchmarkHit compares a hit of the patterns with a hit of core.Typed.
func BenchmarkHit(b *testing.B) {
	type user struct{ Name string }
	ann := &user{"Ann"}
	ctx := context.Background()
	users := must(core.NewTyped(memoryCache(b), core.Shared[*user]()))
	cached := must(patterns.New(users, nil))
	soft := must(patterns.New(users, &patterns.Options[*user]{
		TTL: time.Hour, SoftTTL: time.Minute, Early: 1,
	}))
	load := func(context.Context) (*user, error) { return ann, nil }
	loadUser := func(context.Context, string, int) (*user, error) { return ann, nil }
	memoized := must(patterns.Memoize2(cached, "user", loadUser))
	if err := users.Set(ctx, "ann", ann, 0); err != nil {
		b.Fatal(err)
	}
	for _, bb := range []struct {
		name string
		hit  func() (*user, error)
	}{
		{"Typed.Get", func() (*user, error) { return users.Get(ctx, "ann") }},
		{"GetOrCreate", func() (*user, error) { return cached.GetOrCreate(ctx, "ann", load) }},
		{"GetOrCreate,soft", func() (*user, error) { return soft.GetOrCreate(ctx, "soft", load) }},
		{"Memoize2", func() (*user, error) { return memoized(ctx, "en", 1) }},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if v, err := bb.hit(); v != ann || err != nil {
					b.Fatal(v, err)
				}
			}
		})
	}
}

// BenchmarkMiss measures a miss that its only caller loads.
func BenchmarkMiss(b *testing.B) {
	c := memoryCache(b)
	users := must(core.NewTyped(c, core.Shared[int]()))
	load := func(context.Context) (int, error) { return 7, nil }
	keys := make([]string, 1000) // so that the pass of a key was released long ago
	for i := range keys {
		keys[i] = fmt.Sprint("user:", i)
	}
	for name, get := range map[string]func(
		c *patterns.Cached[int], ctx context.Context, key string,
		load func(context.Context) (int, error), names ...string,
	) (int, error){
		"GetOrSet":    (*patterns.Cached[int]).GetOrSet,
		"GetOrCreate": (*patterns.Cached[int]).GetOrCreate,
	} {
		cached := must(patterns.New(users, nil))
		ctx := context.Background()
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				key := keys[i%len(keys)]
				if v, err := get(cached, ctx, key, load); v != 7 || err != nil {
					b.Fatal(v, err)
				}
				if err := users.Delete(ctx, key); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkJoin measures a load that a hundred callers share. They share a value of an
// immutable type, and get copies of any other value.
func BenchmarkJoin(b *testing.B) {
	type shared struct{ Name, Mail, City string }
	type copied struct {
		Name, Mail, City string
		Roles            []string
	}
	b.Run("shared", func(b *testing.B) { join(b, shared{"Ann", "ann@example.org", "Bern"}) })
	b.Run("copied", func(b *testing.B) {
		join(b, copied{"Ann", "ann@example.org", "Bern", []string{"admin"}})
	})
}

func join[T any](b *testing.B, v T) {
	values := must(core.NewTyped(memoryCache(b), encoding.JSON[T]()))
	cached := must(patterns.New(values, nil))
	ctx := context.Background()
	load := func(context.Context) (T, error) {
		for range 100 {
			runtime.Gosched() // so that the other callers join
		}
		return v, nil
	}
	b.ReportAllocs()
	for b.Loop() {
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				if _, err := cached.GetOrSet(ctx, "k", load); err != nil {
					b.Error(err)
				}
			})
		}
		all.Wait()
		if err := values.Delete(ctx, "k"); err != nil {
			b.Fatal(err)
		}
	}
}
