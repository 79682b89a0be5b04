package patterns_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/dependency"
	"github.com/cachewire/cachewire/memory"
	"github.com/cachewire/cachewire/patterns"
)

// A way describes how to invalidate the value of a key.
type way struct {
	name       string
	opts       options
	names      []string
	invalidate func(ctx context.Context, c *patterns.Cached[string], key string) error
}

// ways returns the ways that work for Cacheds over c.
func ways(c *core.Cache) []way {
	ignoreMiss := func(err error) error {
		if err == core.ErrMiss {
			return nil
		}
		return err
	}
	tags, remote := must(dependency.NewTags(c, nil)), must(dependency.NewTags(c, nil))
	all := []way{
		{"Tags", options{Tags: tags}, []string{"other", "tag"},
			func(ctx context.Context, _ *patterns.Cached[string], _ string) error {
				return tags.Invalidate(ctx, "tag")
			}},
		{"Tags of another process", options{Tags: tags}, []string{"other", "tag"},
			func(ctx context.Context, _ *patterns.Cached[string], _ string) error {
				return remote.Invalidate(ctx, "tag")
			}},
		{"Delete", options{}, nil,
			func(ctx context.Context, c *patterns.Cached[string], key string) error {
				return ignoreMiss(c.Delete(ctx, key))
			}},
		{"DeleteMulti", options{}, nil,
			func(ctx context.Context, c *patterns.Cached[string], key string) error {
				return c.DeleteMulti(ctx, []string{"none", key})
			}},
	}
	if c.Traits().ByValue { // which has no wires
		return all
	}
	d := must(dependency.New(c, nil))
	return append(all, way{"Dependency", options{Dependency: d}, []string{"other:", "mk:"},
		func(ctx context.Context, _ *patterns.Cached[string], _ string) error {
			return d.Delete(ctx, "mk:")
		}})
}

// A caller that begins after an invalidation does not get the value of a load that began
// before it, and need not wait for that load. What the old load returns is not served.
func TestACallerAfterAnInvalidationDoesNotJoinAnOlderLoad(t *testing.T) {
	for pname, get := range allLoads {
		for i := range ways(memoryCache(t)) {
			synctest.Test(t, func(t *testing.T) {
				c := memoryCache(t)
				w := ways(c)[i]
				cached := newTexts(t, c, &w.opts)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				release := make(chan struct{})
				var all sync.WaitGroup
				for range 2 {
					all.Go(func() {
						v, err := get(cached, ctx, "k", func(context.Context) (string, error) {
							<-release
							return "old", nil
						}, w.names...)
						want(t, v, err, "old")
					})
					synctest.Wait()
				}
				wantErr(t, w.invalidate(ctx, cached, "k"), nil)
				start := time.Now()
				l := loader{result: func(int64) (string, error) {
					time.Sleep(time.Second)
					return "new", nil
				}}
				var later sync.WaitGroup
				for range 3 {
					later.Go(func() {
						v, err := get(cached, ctx, "k", l.load, w.names...)
						want(t, v, err, "new")
					})
				}
				later.Wait()
				if waited := time.Since(start); waited != time.Second || l.calls.Load() != 1 {
					t.Errorf("%s, %s: later callers waited %v and loaded %d times; "+
						"want a second and once", pname, w.name, waited, l.calls.Load())
				}
				close(release)
				all.Wait()
				v, err := cached.Get(ctx, "k")
				want(t, v, err, "new")
			})
		}
	}
}

// As long as nothing is invalidated, callers with names share a load.
func TestCallersWithNamesShareALoad(t *testing.T) {
	for pname, get := range allLoads {
		for i := range ways(memoryCache(t)) {
			synctest.Test(t, func(t *testing.T) {
				c := memoryCache(t)
				w := ways(c)[i]
				cached := newTexts(t, c, &w.opts)
				wantErr(t, w.invalidate(t.Context(), cached, "k"), nil)
				l := numberedLoader(time.Second)
				var all sync.WaitGroup
				for range 10 {
					all.Go(func() {
						v, err := get(cached, t.Context(), "k", l.load, w.names...)
						want(t, v, err, "1")
					})
					time.Sleep(time.Millisecond)
				}
				all.Wait()
				if n := l.calls.Load(); n != 1 {
					t.Errorf("%s, %s: %d loads, want 1", pname, w.name, n)
				}
			})
		}
	}
}

// A caller that begins after a Set does not join a load, even if the item is absent again.
func TestACallerAfterASetDoesNotJoinAnOlderLoad(t *testing.T) {
	for pname, get := range allLoads {
		synctest.Test(t, func(t *testing.T) {
			c := memoryCache(t)
			cached := newTexts(t, c, nil)
			release := make(chan struct{})
			go get(cached, t.Context(), "k", func(context.Context) (string, error) {
				<-release
				return "old", nil
			})
			synctest.Wait()
			wantErr(t, cached.Set(t.Context(), "k", "set"), nil)
			wantErr(t, c.Delete(t.Context(), "k"), nil) // as if it were evicted
			v, err := get(cached, t.Context(), "k", (&loader{}).load)
			if v != "loaded" || err != nil {
				t.Errorf("%s: got %q, %v; want loaded", pname, v, err)
			}
			close(release)
			synctest.Wait()
			v, err = cached.Get(t.Context(), "k")
			want(t, v, err, "loaded")
		})
	}
}

// Many goroutines load a number and invalidate it. A caller that begins after an invalidation
// has returned never gets a number that was loaded before it.
func TestNoCallerGetsAValueFromBeforeAnInvalidation(t *testing.T) {
	for name, c := range caches(t) {
		rounds := 300
		if name != "memory" {
			rounds = 60
		}
		if longEnabled {
			rounds *= 10
		}
		for pname, get := range allLoads {
			for _, w := range ways(c) {
				t.Run(fmt.Sprint(name, " ", pname, " ", w.name), func(t *testing.T) {
					stress(t, newTexts(t, c, &w.opts), get, w, t.Name(), rounds)
				})
			}
		}
	}
}

func stress(
	t *testing.T, c *patterns.Cached[string], get pattern, w way, key string, rounds int,
) {
	ctx := context.Background()
	var source, oldest, loads atomic.Int64
	load := func(context.Context) (string, error) {
		n := source.Load()
		if loads.Add(1)%2 == 0 {
			time.Sleep(time.Duration(loads.Load()%7) * 10 * time.Microsecond)
		}
		return strconv.FormatInt(n, 10), nil
	}
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for i := range rounds {
				limit := oldest.Load()
				v, err := get(c, ctx, key, load, w.names...)
				if n, _ := strconv.ParseInt(v, 10, 64); n < limit || err != nil {
					t.Errorf("got %q, %v; want %d or more", v, err, limit)
					return
				}
				if worker == 0 && i%2 == 0 {
					now := source.Add(1)
					if err := w.invalidate(ctx, c, key); err != nil {
						t.Error(err)
						return
					}
					oldest.Store(now)
				}
			}
		})
	}
	all.Wait()
	if n := loads.Load(); n < int64(rounds/4) {
		t.Errorf("%d loads, which are too few to test anything", n)
	}
}

// A Dependency deletes an item that is being stored while Delete begins.
func TestADependencyDeletesWhatIsBeingStored(t *testing.T) {
	for pname, get := range allLoads {
		synctest.Test(t, func(t *testing.T) {
			b := &hookedBackend{Backend: must(memory.New(nil))}
			b.beforeStore = func(_ context.Context, _ core.Mode, item core.Item) error {
				if item.Key == "k" {
					time.Sleep(5 * time.Second)
				}
				return nil
			}
			c := cacheOf(t, b)
			d := must(dependency.New(c, nil))
			cached := newTexts(t, c, &options{Dependency: d})
			go get(cached, t.Context(), "k", (&loader{}).load, "mk:")
			time.Sleep(time.Second)
			wantErr(t, d.Delete(t.Context(), "mk:"), nil)
			if _, err := cached.Get(t.Context(), "k"); err != core.ErrMiss {
				t.Errorf("%s: after Delete, Get returns %v, want a miss", pname, err)
			}
		})
	}
}

// A loader that invalidates its own name gets its value, which is not stored.
func TestALoaderMayInvalidateItsOwnName(t *testing.T) {
	for pname, get := range allLoads {
		for _, w := range ways(memoryCache(t)) {
			synctest.Test(t, func(t *testing.T) {
				c := memoryCache(t)
				for _, w2 := range ways(c) {
					if w2.name == w.name {
						w = w2
					}
				}
				cached := newTexts(t, c, &w.opts)
				v, err := get(cached, t.Context(), "k", func(ctx context.Context) (string, error) {
					return "v", w.invalidate(ctx, cached, "k")
				}, w.names...)
				want(t, v, err, "v")
				if _, err := cached.Get(t.Context(), "k"); !errors.Is(err, core.ErrMiss) {
					t.Errorf("%s, %s: Get returns %v, want a miss", pname, w.name, err)
				}
			})
		}
	}
}
