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
				cached := texts(t, c, nil)
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

// The one who came first goes, and the others get their value.
func TestTheLeadersCancellationFailsNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type traceKey struct{}
		for pname, get := range allPatterns {
			cached := texts(t, cacheOf(t, must(memory.New(nil))), nil)
			leader, cancel := context.WithCancel(context.WithValue(t.Context(), traceKey{}, "trace"))
			var l loader
			load := func(ctx context.Context) (string, error) {
				select {
				case <-time.After(time.Minute):
				case <-ctx.Done():
					return "", ctx.Err()
				}
				if ctx.Value(traceKey{}) != "trace" {
					t.Error("the values of the leader's context are not there")
				}
				return l.load(ctx)
			}
			var all sync.WaitGroup
			all.Go(func() {
				_, err := get(cached, leader, "k", load)
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
					t.Errorf("%s: a caller with a second to spare waited for %v", pname, waited)
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

// When the last caller has gone, the load is cancelled, and the next one begins anew.
func TestALoadThatNobodyWaitsForIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cached := texts(t, cacheOf(t, must(memory.New(nil))), nil)
		cancelled := make(chan struct{})
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := cached.GetOrCreate(short, "k", func(ctx context.Context) (string, error) {
			<-ctx.Done()
			time.Sleep(time.Second) // who comes now does not get its outcome
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

func TestALoaderThatPanicsReachesEverybody(t *testing.T) {
	for pname, get := range allPatterns {
		synctest.Test(t, func(t *testing.T) {
			c := cacheOf(t, must(memory.New(nil)))
			cached := texts(t, c, nil)
			broken := errors.New("broken")
			var all sync.WaitGroup
			for range 3 {
				all.Go(func() {
					_, err := get(cached, t.Context(), "k", func(context.Context) (string, error) {
						time.Sleep(time.Second)
						panic(broken)
					})
					var p *patterns.PanicError
					if !errors.As(err, &p) || !errors.Is(err, broken) || !strings.Contains(string(p.Stack), "once_test.go") {
						t.Errorf("%s: %v", pname, err)
					}
				})
			}
			all.Wait()
			_, err := get(cached, t.Context(), "k", func(context.Context) (string, error) { runtime.Goexit(); return "", nil })
			if err == nil || !strings.Contains(err.Error(), "ended its goroutine") {
				t.Errorf("%s: %v", pname, err)
			}
			var l loader // nothing is locked
			v, err := get(cached, t.Context(), "k", l.load)
			want(t, v, err, "loaded")
		})
	}
}

func TestTheLoadersErrorReachesEverybodyAndIsNotStored(t *testing.T) {
	for pname, get := range allPatterns {
		cached := texts(t, cacheOf(t, must(memory.New(nil))), nil)
		broken := errors.New("broken")
		l := loader{answer: func(n int64) (string, error) {
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

// What is loaded is not stored over what somebody wrote or deleted meanwhile.
func TestAWriteWinsOverALoad(t *testing.T) {
	ctx := context.Background()
	for name, write := range map[string]func(c *patterns.Cached[string]) error{
		"Set":         func(c *patterns.Cached[string]) error { return c.Set(ctx, "k", "written") },
		"SetMulti":    func(c *patterns.Cached[string]) error { return c.SetMulti(ctx, map[string]string{"k": "written"}) },
		"Delete":      func(c *patterns.Cached[string]) error { return c.Delete(ctx, "k") },
		"DeleteMulti": func(c *patterns.Cached[string]) error { return c.DeleteMulti(ctx, []string{"k"}) },
	} {
		c := cacheOf(t, must(memory.New(nil)))
		cached := texts(t, c, nil)
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

// A write that meets a store waits for it, and then wins.
func TestAWriteWinsOverAStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := must(memory.New(nil))
		slow := texts(t, cacheOf(t, slowStore{b}), nil)
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

// A slowStore takes a minute to store.
// Who has the answer of OnePassCreate and calls it again gets a new value, however long it
// takes to give the pass back.
func TestOnePassCreateTwiceLoadsTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &hookedBackend{Backend: must(memory.New(nil)), store: func(_ context.Context, mode core.Mode, _ core.Item) error {
			if mode == core.CompareAndDelete {
				time.Sleep(time.Second)
			}
			return nil
		}}
		c := texts(t, cacheOf(t, b), nil)
		for _, value := range []string{"one", "two"} {
			got, err := c.OnePassCreate(t.Context(), "k", func(context.Context) (string, error) { return value, nil })
			want(t, got, err, value)
		}
	})
}

type slowStore struct{ core.Backend }

func (b slowStore) Store(ctx context.Context, mode core.Mode, item core.Item) error {
	time.Sleep(time.Minute)
	return b.Backend.Store(ctx, mode, item)
}

func TestNotFound(t *testing.T) {
	for _, get := range allPatterns {
		synctest.Test(t, func(t *testing.T) {
			ctx := t.Context()
			nothing := func(n int64) (string, error) { return "", fmt.Errorf("no such text: %w", patterns.ErrNotFound) }
			l := loader{answer: nothing}
			cached := texts(t, cacheOf(t, must(memory.New(nil))), &patterns.Options{TTL: time.Hour})
			for range 2 {
				_, err := get(cached, ctx, "k", l.load)
				wantErr(t, err, patterns.ErrNotFound)
				if errors.Is(err, core.ErrMiss) {
					t.Error("it is a miss")
				}
			}
			l.want(t, 2)
			l = loader{answer: nothing}
			cached = texts(t, cacheOf(t, must(memory.New(nil))), &patterns.Options{TTL: time.Hour, NegativeTTL: time.Minute})
			for range 3 {
				_, err := get(cached, ctx, "k", l.load)
				wantErr(t, err, patterns.ErrNotFound)
				_, err = cached.Get(ctx, "k")
				wantErr(t, err, patterns.ErrNotFound)
				if all, err := cached.GetMulti(ctx, []string{"k"}); len(all) != 0 || err != nil {
					t.Errorf("GetMulti = %v, %v", all, err)
				}
			}
			l.want(t, 1)
			_, err := cached.Get(ctx, "none")
			wantErr(t, err, core.ErrMiss)
			time.Sleep(61 * time.Second)
			l.answer = nil
			v, err := get(cached, ctx, "k", l.load)
			want(t, v, err, "loaded")
		})
	}
}
