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

func cancelled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func TestReleaseWithADoneContext(t *testing.T) {
	pass := must(patterns.NewOnePass(cacheOf(t, must(memory.New(nil))), nil))
	for range 2 {
		lease, err := pass.Try(t.Context(), "k")
		wantErr(t, err, nil)
		wantErr(t, lease.Release(cancelled()), nil)
	}
}

// A Release that the cache refused can be repeated.
func TestReleaseAgain(t *testing.T) {
	b := &hookedBackend{Backend: must(memory.New(nil))}
	pass := must(patterns.NewOnePass(cacheOf(t, b), nil))
	lease, err := pass.Try(t.Context(), "k")
	wantErr(t, err, nil)
	b.get = func(context.Context, string) error { return core.ErrUnavailable }
	wantErr(t, lease.Release(t.Context()), core.ErrUnavailable)
	b.get = nil
	wantErr(t, lease.Release(t.Context()), nil)
	wantErr(t, lease.Release(t.Context()), patterns.ErrLost)
}

// Side by side, renewals and a release do not conflict with each other.
func TestALeaseUsedSideBySide(t *testing.T) {
	pass := must(patterns.NewOnePass(cacheOf(t, must(memory.New(nil))), nil))
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

// The holder of a lease that is renewed hears in time that it cannot be.
func TestLostIsToldInTime(t *testing.T) {
	for name, get := range map[string]func(ctx context.Context, key string) error{
		"a cache that is down": func(context.Context, string) error { return core.ErrUnavailable },
		"a cache that hangs":   func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var failing atomic.Bool
				b := &hookedBackend{Backend: must(memory.New(nil)), get: func(ctx context.Context, key string) error {
					if failing.Load() {
						return get(ctx, key)
					}
					return nil
				}}
				pass := must(patterns.NewOnePass(cacheOf(t, b), &patterns.OnePassOptions{LockTTL: 9 * time.Second, Renew: true}))
				lease, err := pass.Try(t.Context(), "k")
				wantErr(t, err, nil)
				start := time.Now()
				failing.Store(true)
				<-lease.Lost()
				if took := time.Since(start); took != 9*time.Second {
					t.Errorf("after %v, of a lease of 9 seconds", took)
				}
				if err := lease.Release(t.Context()); err == nil {
					t.Error("Release tells nothing")
				}
			})
		})
	}
}

// The last caller goes while the pass is being taken: it is released all the same.
func TestAPassThatNobodyWaitsForIsReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &hookedBackend{Backend: must(memory.New(nil))}
		var later atomic.Bool
		b.store = func(context.Context, core.Mode, core.Item) error {
			if later.CompareAndSwap(false, true) {
				time.Sleep(time.Second)
			}
			return nil
		}
		c := texts(t, cacheOf(t, b), nil)
		short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		var l loader
		_, err := c.GetOrCreate(short, "k", l.load)
		wantErr(t, err, context.DeadlineExceeded)
		start := time.Now()
		v, err := c.GetOrCreate(t.Context(), "k", l.load)
		want(t, v, err, "loaded")
		if waited := time.Since(start); waited > 2*time.Second {
			t.Errorf("waited %v for a pass that nobody holds", waited)
		}
		l.want(t, 1)
	})
}

// A lease that has ended does not keep others in this process from waking.
func TestWaitersWakeAfterAnOldLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pass := must(patterns.NewOnePass(cacheOf(t, must(memory.New(nil))), &patterns.OnePassOptions{LockTTL: 10 * time.Second}))
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
				t.Errorf("%v late", late)
			}
		})
		time.Sleep(time.Until(released))
		wantErr(t, lease.Release(t.Context()), nil)
		all.Wait()
	})
}

// Who waits for long looks more and more rarely.
func TestWaitersBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var looks atomic.Int64
		b := &hookedBackend{Backend: must(memory.New(nil))}
		b.get = func(context.Context, string) error { looks.Add(1); return nil }
		there := cacheOf(t, b)
		wantErr(t, there.Set(t.Context(), "one_pass:k", nil, 0), nil)
		wantErr(t, must(patterns.NewOnePass(there, nil)).Wait(t.Context(), "k"), patterns.ErrTimeout)
		// 50, 100, 200, 400 ms, and then 800 ms each, or half as much, in 10 seconds.
		if n := looks.Load(); n < 12 || n > 30 {
			t.Errorf("looked %d times in 10 seconds", n)
		}
	})
}
