package patterns_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/patterns"
)

// wantRecursive fails the test if err is not ErrRecursive with these texts, in their order.
func wantRecursive(t *testing.T, err error, texts ...string) {
	t.Helper()
	wantErr(t, err, patterns.ErrRecursive)
	rest := ""
	if err != nil {
		rest = err.Error()
	}
	for _, text := range texts {
		_, after, ok := strings.Cut(rest, text)
		if !ok {
			t.Errorf("error is %v, want %q in it", err, texts)
		}
		rest = after
	}
}

// A loader that asks for its own key gets an error, and the key is not blocked.
func TestALoaderThatAsksForItsOwnKeyGetsAnError(t *testing.T) {
	for pname, get := range allLoads {
		for inner, getInner := range allLoads {
			for _, background := range []bool{false, true} {
				synctest.Test(t, func(t *testing.T) {
					cached := newTexts(t, memoryCache(t), nil)
					ctx := t.Context()
					if background { // a context that is never done
						ctx = context.Background()
					}
					_, err := get(cached, ctx, "k", func(ctx context.Context) (string, error) {
						// A context of its own, which ends some time, makes no difference.
						ctx, cancel := context.WithTimeout(ctx, time.Hour)
						defer cancel()
						return getInner(cached, ctx, "k", (&loader{}).load)
					})
					wantRecursive(t, err, `"k" waits for "k"`)
					v, err := get(cached, t.Context(), "k", (&loader{}).load)
					if v != "loaded" || err != nil {
						t.Errorf("%s in %s: later, got %q, %v", inner, pname, v, err)
					}
				})
			}
		}
	}
}

// A circle is found whether one caller or several have started its loads, and in whatever
// Cacheds they are.
func TestACircleOfLoadsIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := memoryCache(t)
		one, two := newTexts(t, c, nil), newTexts(t, c, nil)
		var loadA func(ctx context.Context) (string, error)
		loadC := func(ctx context.Context) (string, error) {
			return two.GetOrSet(ctx, "a", loadA)
		}
		loadB := func(ctx context.Context) (string, error) {
			return one.GetOrSet(ctx, "c", loadC)
		}
		loadA = func(ctx context.Context) (string, error) {
			return two.GetOrSet(ctx, "b", loadB)
		}
		_, err := two.GetOrSet(t.Context(), "a", loadA)
		wantRecursive(t, err, `"c" waits for "a" waits for "b" waits for "c"`)
		v, err := two.GetOrSet(t.Context(), "a", (&loader{}).load)
		want(t, v, err, "loaded")
	})
	// Each of two callers starts a load, and each loader asks for the other key.
	synctest.Test(t, func(t *testing.T) {
		c := memoryCache(t)
		one, two := newTexts(t, c, nil), newTexts(t, c, nil)
		ask := func(c *patterns.Cached[string], key string) func(context.Context) (string, error) {
			return func(ctx context.Context) (string, error) {
				time.Sleep(time.Second) // until both have begun
				return c.GetOrCreate(ctx, key, (&loader{}).load)
			}
		}
		errs := make([]error, 2)
		var all sync.WaitGroup
		all.Go(func() { _, errs[0] = one.GetOrCreate(t.Context(), "a", ask(two, "b")) })
		all.Go(func() { _, errs[1] = two.GetOrCreate(t.Context(), "b", ask(one, "a")) })
		all.Wait()
		for _, err := range errs {
			wantErr(t, err, patterns.ErrRecursive)
		}
	})
}

// Loads that use each other's keys one after another, or that share a load, look like a
// circle, but are none.
func TestLoadsMayUseOtherLoads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cached := newTexts(t, memoryCache(t), nil)
		base := numberedLoader(time.Second)
		useBase := func(ctx context.Context) (string, error) {
			var first, second string
			var firstErr, secondErr error
			var both sync.WaitGroup
			both.Go(func() { first, firstErr = cached.GetOrSet(ctx, "base", base.load) })
			both.Go(func() { second, secondErr = cached.GetOrCreate(ctx, "base", base.load) })
			both.Wait()
			wantErr(t, firstErr, nil)
			wantErr(t, secondErr, nil)
			return first + second, nil
		}
		var all sync.WaitGroup
		for _, key := range []string{"a", "b", "a", "c"} {
			all.Go(func() {
				v, err := cached.GetOrSet(t.Context(), key, useBase)
				want(t, v, err, "11")
			})
		}
		all.Wait()
		base.want(t, 1)
		v, err := cached.GetOrSet(t.Context(), "d", func(ctx context.Context) (string, error) {
			return cached.GetOrSet(ctx, "a", useBase) // a hit
		})
		want(t, v, err, "11")
	})
}

// A refresh in the background whose loader reads its own key gets the old value.
func TestARefreshMayReadItsOwnKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cached := newTexts(t, memoryCache(t), &options{TTL: time.Hour, SoftTTL: time.Minute})
		wantErr(t, cached.Set(t.Context(), "k", "old"), nil)
		time.Sleep(2 * time.Minute)
		load := func(ctx context.Context) (string, error) {
			old, err := cached.GetOrSet(ctx, "k", (&loader{}).load)
			return old + " and new", err
		}
		v, err := cached.GetOrSet(t.Context(), "k", load)
		want(t, v, err, "old")
		synctest.Wait()
		v, err = cached.Get(t.Context(), "k")
		want(t, v, err, "old and new")
	})
}

// Close within a loader returns an error, and the load ends.
func TestCloseWithinALoaderReturnsAnError(t *testing.T) {
	for _, background := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			c := memoryCache(t)
			cached := must(patterns.New(must(core.NewTyped(c, core.Shared[string]())), nil))
			ctx := t.Context()
			if background {
				ctx = context.Background()
			}
			start := time.Now()
			v, err := cached.GetOrSet(ctx, "k", func(context.Context) (string, error) {
				err := cached.Close()
				wantErr(t, err, patterns.ErrTimeout)
				if !strings.Contains(err.Error(), `"k"`) {
					t.Errorf("error is %v, want the key in it", err)
				}
				return "v", nil
			})
			want(t, v, err, "v")
			if took := time.Since(start); took != 11*time.Second {
				t.Errorf("Close took %v, want LockTTL and a second", took)
			}
			wantErr(t, cached.Close(), nil)
		})
	}
}

// Close cancels loads that do not end by themselves, even if callers wait for them.
func TestCloseCancelsLoadsAfterLockTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cached := newTexts(t, memoryCache(t), &options{LockTTL: 3 * time.Second})
		go cached.GetOrSet(t.Context(), "k", func(ctx context.Context) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		})
		synctest.Wait()
		start := time.Now()
		wantErr(t, cached.Close(), nil)
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("Close took %v, want LockTTL", took)
		}
	})
}

// A load that its callers have left goes on for Linger and is stored. Without Linger it is
// cancelled.
func TestALoadLingers(t *testing.T) {
	for pname, get := range allLoads {
		for linger, wanted := range map[time.Duration]struct{ begun, ended int64 }{
			0:           {20, 0},
			time.Minute: {1, 1},
		} {
			synctest.Test(t, func(t *testing.T) {
				cached := newTexts(t, memoryCache(t), &options{Linger: linger})
				var begun, ended loader
				load := func(ctx context.Context) (string, error) {
					_, _ = begun.load(ctx)
					select {
					case <-time.After(100 * time.Second):
						return ended.load(ctx)
					case <-ctx.Done():
						return "", ctx.Err()
					}
				}
				for range 20 { // none waits long enough
					ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
					_, err := get(cached, ctx, "k", load)
					wantErr(t, err, context.DeadlineExceeded)
					cancel()
					time.Sleep(time.Second)
				}
				time.Sleep(time.Minute)
				b, e := begun.calls.Load(), ended.calls.Load()
				if b != wanted.begun || e != wanted.ended {
					t.Errorf("%s, Linger %v: %d loads began and %d ended, want %d and %d",
						pname, linger, b, e, wanted.begun, wanted.ended)
				}
				v, err := cached.Get(t.Context(), "k")
				if wanted.ended == 0 {
					wantErr(t, err, core.ErrMiss)
				} else {
					want(t, v, err, "loaded")
				}
			})
		}
	}
}

// A load lingers no longer than Linger after its last caller has left.
func TestLingerIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cached := newTexts(t, memoryCache(t), &options{Linger: 5 * time.Second})
		start := time.Now()
		var cancelled time.Duration
		load := func(ctx context.Context) (string, error) {
			<-ctx.Done()
			cancelled = time.Since(start)
			return "", ctx.Err()
		}
		for range 2 { // the second caller joins after two seconds, and leaves after four
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			_, err := cached.GetOrSet(ctx, "k", load)
			wantErr(t, err, context.DeadlineExceeded)
		}
		wantErr(t, cached.Close(), nil)
		if cancelled != 9*time.Second {
			t.Errorf("the load was cancelled after %v, want 9 seconds", cancelled)
		}
	})
}
