package patterns_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memory"
	"github.com/cachewire/cachewire/patterns"
)

// A load that takes longer than LockTTL is one load, and callers in other processes get its
// value soon after it is stored.
func TestALoadMayTakeLongerThanLockTTL(t *testing.T) {
	for pname, get := range map[string]pattern{
		"GetOrCreate":   (*patterns.Cached[string]).GetOrCreate,
		"OnePassCreate": (*patterns.Cached[string]).OnePassCreate,
	} {
		synctest.Test(t, func(t *testing.T) {
			c := memoryCache(t)
			l := numberedLoader(4 * time.Second)
			var all sync.WaitGroup
			start := time.Now()
			for range 3 { // processes
				cached := newTexts(t, c, &options{LockTTL: 2 * time.Second})
				for range 3 {
					all.Go(func() {
						v, err := get(cached, t.Context(), "k", l.load)
						want(t, v, err, "1")
						if waited := time.Since(start); waited > 4800*time.Millisecond {
							t.Errorf("%s: a caller waited %v", pname, waited)
						}
					})
				}
				synctest.Wait()
			}
			all.Wait()
			l.want(t, 1)
		})
	}
}

// loseLease makes a load of 10 seconds in a process that loses its lease, because it cannot
// reach the pass for so long that the lease ends. It calls other in the meantime, which has
// the pass in another process.
func loseLease(
	t *testing.T, opts options, other func(c *patterns.Cached[string]),
) (remote *patterns.Cached[string]) {
	shared := must(memory.New(nil))
	b := &hookedBackend{Backend: shared}
	var suspended atomic.Bool
	fail := func(key string) error {
		if suspended.Load() && key == "~cw:lock:k" {
			return core.ErrUnavailable
		}
		return nil
	}
	b.beforeGet = func(_ context.Context, key string) error { return fail(key) }
	opts.LockTTL = 2 * time.Second
	local := newTexts(t, cacheOf(t, b), &opts)
	remote = newTexts(t, cacheOf(t, keptOpen{shared}), &opts)
	var all sync.WaitGroup
	all.Go(func() {
		v, err := local.GetOrCreate(t.Context(), "k", func(context.Context) (string, error) {
			time.Sleep(10 * time.Second)
			suspended.Store(false)
			return "old", nil
		})
		want(t, v, err, "old")
	})
	time.Sleep(time.Second)
	suspended.Store(true)
	other(remote)
	all.Wait()
	synctest.Wait()
	return remote
}

// keptOpen is a backend that two caches share.
type keptOpen struct{ core.Backend }

func (keptOpen) Close() error { return nil }

// A process that has lost its lease stores nothing: not over the value of another process, and
// not after its Delete.
func TestALoadThatHasLostItsLeaseStoresNothing(t *testing.T) {
	for _, deleted := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			opts := options{TTL: time.Hour}
			remote := loseLease(t, opts, func(c *patterns.Cached[string]) {
				load := func(context.Context) (string, error) { return "new", nil }
				v, err := c.GetOrCreate(t.Context(), "k", load)
				want(t, v, err, "new")
				if deleted {
					wantErr(t, c.Delete(t.Context(), "k"), nil)
				}
			})
			v, err := remote.Get(t.Context(), "k")
			if deleted {
				wantErr(t, err, core.ErrMiss)
			} else {
				want(t, v, err, "new")
			}
		})
	}
}

// After a Delete, another load in the same process does not wait for the pass that the old load
// holds.
func TestALoadTakesOverThePassOfAnOlderOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := memoryCache(t)
		cached := newTexts(t, c, nil)
		release := make(chan struct{})
		var all sync.WaitGroup
		for i := range 3 {
			all.Go(func() {
				load := func(context.Context) (string, error) {
					<-release
					return fmt.Sprint("old ", i), nil
				}
				_, err := cached.GetOrCreate(t.Context(), "k", load)
				wantErr(t, err, nil)
			})
			synctest.Wait()
			wantErr(t, cached.Delete(t.Context(), "k"), core.ErrMiss)
		}
		start := time.Now()
		v, err := cached.GetOrCreate(t.Context(), "k", (&loader{}).load)
		want(t, v, err, "loaded")
		if waited := time.Since(start); waited != 0 {
			t.Errorf("waited %v", waited)
		}
		close(release)
		all.Wait()
		synctest.Wait()
		v, err = cached.Get(t.Context(), "k")
		want(t, v, err, "loaded")
		if held, err := c.Exists(t.Context(), "~cw:lock:k"); held || err != nil {
			t.Errorf("the pass is still held, %v", err)
		}
	})
}

// A modeCounter counts the stores of items by their mode.
type modeCounter struct {
	core.Backend
	modes sync.Map // *atomic.Int64 by core.Mode
}

func (b *modeCounter) Store(ctx context.Context, mode core.Mode, item core.Item) error {
	n, _ := b.modes.LoadOrStore(mode, new(atomic.Int64))
	n.(*atomic.Int64).Add(1)
	return b.Backend.Store(ctx, mode, item)
}

func (b *modeCounter) count(mode core.Mode) int64 {
	if n, ok := b.modes.Load(mode); ok {
		return n.(*atomic.Int64).Load()
	}
	return 0
}

// A load stores by Add, or by CompareAndSwap in the place of an old item, and never by Set.
func TestALoadNeverStoresBySet(t *testing.T) {
	for pname, get := range allLoads {
		synctest.Test(t, func(t *testing.T) {
			b := &modeCounter{Backend: must(memory.New(nil))}
			cached := newTexts(t, cacheOf(t, b), &options{
				TTL: time.Hour, SoftTTL: time.Minute, FailSafe: time.Hour, NegativeTTL: time.Minute,
			})
			l := numberedLoader(0)
			ages := []time.Duration{2 * time.Minute, 90 * time.Minute} // due, and expired
			for _, age := range ages {
				_, err := get(cached, t.Context(), "k", l.load)
				wantErr(t, err, nil)
				synctest.Wait()
				time.Sleep(age)
			}
			notFound := func(context.Context) (string, error) { return "", patterns.ErrNotFound }
			_, err := get(cached, t.Context(), "k", notFound)
			wantErr(t, err, patterns.ErrNotFound)
			synctest.Wait()
			wantErr(t, cached.Close(), nil)
			adds, swaps := b.count(core.Add), b.count(core.CompareAndSwap)
			if b.count(core.Set) != 0 || adds == 0 || swaps == 0 {
				t.Errorf("%s: %d Sets, %d Adds and %d CompareAndSwaps; want no Set",
					pname, b.count(core.Set), adds, swaps)
			}
		})
	}
}

// A value that another process writes during a load stays, whatever the load has found
// before.
func TestAnotherProcessWinsOverALoad(t *testing.T) {
	for pname, get := range allLoads {
		for _, age := range []time.Duration{-1, 2 * time.Minute, 90 * time.Minute} {
			for _, deletes := range []bool{false, true} {
				synctest.Test(t, func(t *testing.T) {
					c := memoryCache(t)
					opts := options{
						TTL: time.Hour, SoftTTL: time.Minute, FailSafe: 24 * time.Hour,
					}
					local, remote := newTexts(t, c, &opts), newTexts(t, c, &opts)
					if age >= 0 {
						wantErr(t, local.Set(t.Context(), "k", "old"), nil)
						time.Sleep(age)
					} else if deletes {
						return // the Delete of an absent key cannot be noticed
					}
					load := func(ctx context.Context) (string, error) {
						if deletes {
							return "loaded", remote.Delete(ctx, "k")
						}
						return "loaded", remote.Set(ctx, "k", "theirs")
					}
					_, err := get(local, t.Context(), "k", load)
					wantErr(t, err, nil)
					synctest.Wait()
					v, err := local.Get(t.Context(), "k")
					if deletes && err != core.ErrMiss || !deletes && v != "theirs" {
						t.Errorf("%s, age %v, deletes %v: Get = %q, %v",
							pname, age, deletes, v, err)
					}
				})
			}
		}
	}
}

// If it takes longer than LockTTL to store a value, its callers still get it, and OnError is
// called.
func TestAStoreThatHangsDoesNotLoseTheValue(t *testing.T) {
	for pname, get := range allLoads {
		synctest.Test(t, func(t *testing.T) {
			b := &hookedBackend{Backend: must(memory.New(nil))}
			b.beforeStore = func(ctx context.Context, _ core.Mode, item core.Item) error {
				if item.Key == "k" {
					<-ctx.Done()
					return ctx.Err()
				}
				return nil
			}
			var reported errorLog
			cached := newTexts(t, cacheOf(t, b), &options{OnError: reported.add})
			v, err := get(cached, t.Context(), "k", (&loader{}).load)
			if v != "loaded" || err != nil {
				t.Errorf("%s: got %q, %v; want loaded", pname, v, err)
			}
			if all := reported.list(); len(all) != 1 {
				t.Errorf("%s: OnError was called with %v, want one error", pname, all)
			}
		})
	}
}
