package patterns_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memory"
	"github.com/cachewire/cachewire/patterns"
)

// cancelledContext returns a context that is done.
func cancelledContext() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func TestReleaseWorksWithADoneContext(t *testing.T) {
	pass := must(patterns.NewOnePass(memoryCache(t), nil))
	for range 2 {
		lease, err := pass.Try(t.Context(), "k")
		wantErr(t, err, nil)
		wantErr(t, lease.Release(cancelledContext()), nil)
	}
}

// A Release can be repeated if the cache failed.
func TestReleaseCanBeRepeatedAfterAnError(t *testing.T) {
	b := &hookedBackend{Backend: must(memory.New(nil))}
	pass := must(patterns.NewOnePass(cacheOf(t, b), nil))
	lease, err := pass.Try(t.Context(), "k")
	wantErr(t, err, nil)
	b.beforeGet = func(context.Context, string) error { return core.ErrUnavailable }
	wantErr(t, lease.Release(t.Context()), core.ErrUnavailable)
	b.beforeGet = nil
	wantErr(t, lease.Release(t.Context()), nil)
	wantErr(t, lease.Release(t.Context()), patterns.ErrLost)
}

// Renewals and a release at the same time do not conflict with each other.
func TestConcurrentRenewalsAndReleaseDoNotConflict(t *testing.T) {
	pass := must(patterns.NewOnePass(memoryCache(t), nil))
	for range 500 {
		lease, err := pass.Try(t.Context(), "k")
		wantErr(t, err, nil)
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() { wantErr(t, lease.Renew(t.Context()), nil) })
		}
		all.Wait()
		all.Go(func() { lease.Renew(t.Context()) })
		wantErr(t, lease.Release(t.Context()), nil)
		all.Wait()
	}
}

// Lost is closed as soon as the lease ends, if it cannot be renewed.
func TestLostIsClosedWhenTheLeaseEnds(t *testing.T) {
	for name, get := range map[string]func(ctx context.Context, key string) error{
		"a cache that is down": func(context.Context, string) error { return core.ErrUnavailable },
		"a cache that hangs": func(ctx context.Context, _ string) error {
			<-ctx.Done()
			return ctx.Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var failing atomic.Bool
				b := &hookedBackend{Backend: must(memory.New(nil))}
				b.beforeGet = func(ctx context.Context, key string) error {
					if failing.Load() {
						return get(ctx, key)
					}
					return nil
				}
				pass := must(patterns.NewOnePass(cacheOf(t, b), &patterns.OnePassOptions{
					LockTTL: 9 * time.Second, Renew: true,
				}))
				lease, err := pass.Try(t.Context(), "k")
				wantErr(t, err, nil)
				start := time.Now()
				failing.Store(true)
				<-lease.Lost()
				if took := time.Since(start); took != 9*time.Second {
					t.Errorf("Lost is closed after %v, want 9 seconds, the LockTTL", took)
				}
				if err := lease.Release(t.Context()); err == nil {
					t.Error("Release returns nil, want an error")
				}
			})
		})
	}
}

// If the last caller leaves while the pass is being taken, the pass is released.
func TestAPassWithoutWaitersIsReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &hookedBackend{Backend: must(memory.New(nil))}
		var delayed atomic.Bool
		b.beforeStore = func(context.Context, core.Mode, core.Item) error {
			if delayed.CompareAndSwap(false, true) {
				time.Sleep(time.Second)
			}
			return nil
		}
		c := newTexts(t, cacheOf(t, b), nil)
		short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		var l loader
		_, err := c.GetOrCreate(short, "k", l.load)
		wantErr(t, err, context.DeadlineExceeded)
		start := time.Now()
		v, err := c.GetOrCreate(t.Context(), "k", l.load)
		want(t, v, err, "loaded")
		if waited := time.Since(start); waited > 2*time.Second {
			t.Errorf("waited %v for a pass that no caller holds", waited)
		}
		l.want(t, 1)
	})
}

// Waiters in this process wake, even if an earlier lease of the pass was released after it
// had ended.
func TestAnOldLeaseDoesNotKeepWaitersFromWaking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pass := must(patterns.NewOnePass(memoryCache(t), &patterns.OnePassOptions{
			LockTTL: 10 * time.Second,
		}))
		old, err := pass.Try(t.Context(), "k")
		wantErr(t, err, nil)
		time.Sleep(11 * time.Second)
		lease, err := pass.Try(t.Context(), "k")
		wantErr(t, err, nil)
		wantErr(t, old.Release(t.Context()), patterns.ErrLost)
		released := time.Now().Add(5*time.Second + 7*time.Millisecond)
		var all sync.WaitGroup
		all.Go(func() {
			wantErr(t, pass.Wait(t.Context(), "k"), nil)
			if late := time.Since(released); late != 0 {
				t.Errorf("Wait returned %v after the release, want at once", late)
			}
		})
		time.Sleep(time.Until(released))
		wantErr(t, lease.Release(t.Context()), nil)
		all.Wait()
	})
}

// The longer Wait waits, the more rarely it looks into the cache.
func TestWaitersBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lookUps atomic.Int64
		b := &hookedBackend{Backend: must(memory.New(nil))}
		b.beforeGet = func(context.Context, string) error { lookUps.Add(1); return nil }
		c := cacheOf(t, b)
		wantErr(t, c.Set(t.Context(), "~cw:pass:k", nil, 0), nil)
		pass := must(patterns.NewOnePass(c, nil))
		wantErr(t, pass.Wait(t.Context(), "k"), patterns.ErrTimeout)
		// The pauses are 50, 100, 200, 400 and then 800 ms, or as little as half of that.
		if n := lookUps.Load(); n < 12 || n > 30 {
			t.Errorf("Wait looked %d times in 10 seconds, want 12 to 30", n)
		}
	})
}
