package patterns_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memory"
	"github.com/cachewire/cachewire/patterns"
)

func TestCallersOfAKeyShareOneLoad(t *testing.T) {
	for name, c := range caches(t) {
		for pname, get := range allPatterns {
			t.Run(name+" "+pname, func(t *testing.T) {
				cached := newTexts(t, c, nil)
				var l loader
				var all sync.WaitGroup
				for range 1000 {
					all.Go(func() {
						v, err := get(cached, context.Background(), pname, l.load)
						want(t, v, err, "loaded")
					})
				}
				all.Wait()
				l.want(t, 1)
			})
		}
	}
}

// If the caller that started a load leaves, the others get the value.
func TestCancellingTheFirstCallerDoesNotFailTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type traceKey struct{}
		for pname, get := range allPatterns {
			cached := newTexts(t, memoryCache(t), nil)
			first, cancel := context.WithCancel(context.WithValue(t.Context(), traceKey{}, "trace"))
			var l loader
			load := func(ctx context.Context) (string, error) {
				select {
				case <-time.After(time.Minute):
				case <-ctx.Done():
					return "", ctx.Err()
				}
				if ctx.Value(traceKey{}) != "trace" {
					t.Error("the load lacks the values of the first caller's context")
				}
				return l.load(ctx)
			}
			var all sync.WaitGroup
			all.Go(func() {
				_, err := get(cached, first, "k", load)
				wantErr(t, err, context.Canceled)
			})
			synctest.Wait()
			all.Go(func() {
				short, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				start := time.Now()
				_, err := get(cached, short, "k", load)
				wantErr(t, err, context.DeadlineExceeded)
				if waited := time.Since(start); waited != time.Second {
					t.Errorf("%s: a caller with a deadline of a second waited %v", pname, waited)
				}
			})
			all.Go(func() {
				v, err := get(cached, t.Context(), "k", load)
				want(t, v, err, "loaded")
			})
			synctest.Wait()
			cancel()
			all.Wait()
			l.want(t, 1)
		}
	})
}

// If the last caller leaves, the load is cancelled, and the next caller starts a new one.
func TestALoadWithoutWaitersIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cached := newTexts(t, memoryCache(t), nil)
		cancelled := make(chan struct{})
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := cached.GetOrCreate(short, "k", func(ctx context.Context) (string, error) {
			<-ctx.Done()
			time.Sleep(time.Second) // a caller that comes now does not get the outcome
			close(cancelled)
			return "", ctx.Err()
		})
		wantErr(t, err, context.DeadlineExceeded)
		var l loader
		v, err := cached.GetOrSet(t.Context(), "k", l.load)
		want(t, v, err, "loaded")
		<-cancelled
	})
}

func TestAPanicOfTheLoaderReachesAllCallers(t *testing.T) {
	for pname, get := range allPatterns {
		synctest.Test(t, func(t *testing.T) {
			c := memoryCache(t)
			cached := newTexts(t, c, nil)
			broken := errors.New("broken")
			var all sync.WaitGroup
			for range 3 {
				all.Go(func() {
					_, err := get(cached, t.Context(), "k", func(context.Context) (string, error) {
						time.Sleep(time.Second)
						panic(broken)
					})
					var p *patterns.PanicError
					if !errors.As(err, &p) || !errors.Is(err, broken) ||
						!strings.Contains(string(p.Stack), "once_test.go") {
						t.Errorf("%s: error is %v, want a PanicError of %v", pname, err, broken)
					}
				})
			}
			all.Wait()
			_, err := get(cached, t.Context(), "k", func(context.Context) (string, error) {
				runtime.Goexit()
				return "", nil
			})
			if err == nil || !strings.Contains(err.Error(), "ended its goroutine") {
				t.Errorf("%s: error is %v, want one that says ended its goroutine", pname, err)
			}
			var l loader // nothing is left locked
			v, err := get(cached, t.Context(), "k", l.load)
			want(t, v, err, "loaded")
		})
	}
}

func TestAnErrorOfTheLoaderIsReturnedAndNotStored(t *testing.T) {
	for pname, get := range allPatterns {
		cached := newTexts(t, memoryCache(t), nil)
		broken := errors.New("broken")
		l := loader{result: func(n int64) (string, error) {
			if n == 1 {
				return "", broken
			}
			return "loaded", nil
		}}
		_, err := get(cached, t.Context(), pname, l.load)
		wantErr(t, err, broken)
		v, err := get(cached, t.Context(), pname, l.load)
		want(t, v, err, "loaded")
	}
}

// A loaded value does not replace what another caller wrote or deleted during the load.
func TestAWriteWinsOverALoad(t *testing.T) {
	ctx := context.Background()
	for name, write := range map[string]func(c *patterns.Cached[string]) error{
		"Set": func(c *patterns.Cached[string]) error {
			return c.Set(ctx, "k", "written")
		},
		"SetMulti": func(c *patterns.Cached[string]) error {
			return c.SetMulti(ctx, map[string]string{"k": "written"})
		},
		"Delete": func(c *patterns.Cached[string]) error {
			return c.Delete(ctx, "k")
		},
		"DeleteMulti": func(c *patterns.Cached[string]) error {
			return c.DeleteMulti(ctx, []string{"k"})
		},
	} {
		c := memoryCache(t)
		cached := newTexts(t, c, nil)
		v, err := cached.GetOrSet(ctx, "k", func(context.Context) (string, error) {
			if err := write(cached); err != nil && err != core.ErrMiss {
				t.Errorf("%s: %v", name, err)
			}
			return "loaded before", nil
		})
		want(t, v, err, "loaded before")
		got, err := cached.Get(ctx, "k")
		if strings.HasPrefix(name, "Set") {
			want(t, got, err, "written")
		} else {
			wantErr(t, err, core.ErrMiss)
		}
	}
}

// A write during the store of a loaded value waits for the store, and then wins.
func TestAWriteWinsOverAStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := must(memory.New(nil))
		slow := newTexts(t, cacheOf(t, slowStore{b}), nil)
		go func() {
			time.Sleep(time.Second)
			wantErr(t, slow.Delete(t.Context(), "k"), nil)
		}()
		var l loader
		v, err := slow.GetOrSet(t.Context(), "k", l.load)
		want(t, v, err, "loaded")
		synctest.Wait()
		_, err = slow.Get(t.Context(), "k")
		wantErr(t, err, core.ErrMiss)
	})
}

// A caller that calls OnePassCreate again gets a new value, even if the release of the pass
// takes long.
func TestOnePassCreateTwiceLoadsTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &hookedBackend{Backend: must(memory.New(nil))}
		b.beforeStore = func(_ context.Context, mode core.Mode, _ core.Item) error {
			if mode == core.CompareAndDelete {
				time.Sleep(time.Second)
			}
			return nil
		}
		c := newTexts(t, cacheOf(t, b), nil)
		for _, value := range []string{"one", "two"} {
			load := func(context.Context) (string, error) { return value, nil }
			got, err := c.OnePassCreate(t.Context(), "k", load)
			want(t, got, err, value)
		}
	})
}

// A slowStore takes a minute to store.
type slowStore struct{ core.Backend }

func (b slowStore) Store(ctx context.Context, mode core.Mode, item core.Item) error {
	time.Sleep(time.Minute)
	return b.Backend.Store(ctx, mode, item)
}

func TestErrNotFoundIsStoredForNegativeTTL(t *testing.T) {
	for _, get := range allPatterns {
		synctest.Test(t, func(t *testing.T) {
			ctx := t.Context()
			notFound := func(int64) (string, error) {
				return "", fmt.Errorf("no such text: %w", patterns.ErrNotFound)
			}
			l := loader{result: notFound}
			cached := newTexts(t, memoryCache(t), &patterns.Options[string]{TTL: time.Hour})
			for range 2 {
				_, err := get(cached, ctx, "k", l.load)
				wantErr(t, err, patterns.ErrNotFound)
				if errors.Is(err, core.ErrMiss) {
					t.Errorf("error is %v, which must not be ErrMiss", err)
				}
			}
			l.want(t, 2)
			l = loader{result: notFound}
			cached = newTexts(t, memoryCache(t), &patterns.Options[string]{
				TTL: time.Hour, NegativeTTL: time.Minute,
			})
			for range 3 {
				_, err := get(cached, ctx, "k", l.load)
				wantErr(t, err, patterns.ErrNotFound)
				_, err = cached.Get(ctx, "k")
				wantErr(t, err, patterns.ErrNotFound)
				if all, err := cached.GetMulti(ctx, []string{"k"}); len(all) != 0 || err != nil {
					t.Errorf("GetMulti = %v, %v; want no values", all, err)
				}
			}
			l.want(t, 1)
			_, err := cached.Get(ctx, "none")
			wantErr(t, err, core.ErrMiss)
			time.Sleep(61 * time.Second)
			l.result = nil
			v, err := get(cached, ctx, "k", l.load)
			want(t, v, err, "loaded")
		})
	}
}

// A load in the background for which a caller waits is not cancelled after LockTTL.
func TestALoadInTheBackgroundWithAWaiterIsNotCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := memoryCache(t)
		cached := newTexts(t, c, &patterns.Options[string]{TTL: time.Hour, SoftTTL: time.Minute})
		wantErr(t, cached.Set(t.Context(), "k", "old"), nil)
		time.Sleep(2 * time.Minute)
		load := func(ctx context.Context) (string, error) {
			select {
			case <-time.After(time.Minute):
				return "new", nil
			case <-ctx.Done():
				return "", ctx.Err()
			}
		}
		v, err := cached.GetOrSet(t.Context(), "k", load)
		want(t, v, err, "old")
		wantErr(t, c.Delete(t.Context(), "k"), nil)
		v, err = cached.GetOrSet(t.Context(), "k", load)
		want(t, v, err, "new")
	})
}
