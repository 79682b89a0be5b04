package patterns_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/null"
	"github.com/cachewire/cachewire/patterns"
)

func TestOneLeaseHoldsThePass(t *testing.T) {
	for name, c := range caches(t) {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			local, remote := must(patterns.NewOnePass(c, nil)), must(patterns.NewOnePass(c, nil))
			lease, err := local.Try(ctx, "k")
			wantErr(t, err, nil)
			_, err = remote.Try(ctx, "k")
			wantErr(t, err, patterns.ErrHeld)
			_, err = local.Try(ctx, "k")
			wantErr(t, err, patterns.ErrHeld)
			other, err := local.Try(ctx, "other")
			wantErr(t, err, nil)
			var all sync.WaitGroup
			for _, pass := range []*patterns.OnePass{local, remote} {
				all.Go(func() { wantErr(t, pass.Wait(ctx, "k"), nil) })
			}
			wantErr(t, lease.Renew(ctx), nil)
			wantErr(t, lease.Release(ctx), nil)
			all.Wait()
			wantErr(t, lease.Release(ctx), patterns.ErrLost)
			wantErr(t, lease.Renew(ctx), patterns.ErrLost)
			wantErr(t, other.Release(ctx), nil)
			lease, err = remote.Try(ctx, "k")
			wantErr(t, err, nil)
			wantErr(t, lease.Release(ctx), nil)
			_, err = local.Try(ctx, "")
			wantErr(t, err, core.ErrInvalidKey)
			_, err = local.Acquire(ctx, "")
			wantErr(t, err, core.ErrInvalidKey)
			wantErr(t, local.Wait(ctx, ""), core.ErrInvalidKey)
		})
	}
}

func TestNewOnePassRefusesWrongArguments(t *testing.T) {
	const want = "cachewire: invalid configuration: " +
		"patterns: OnePassOptions.LockTTL is -1ns; want 0 or more"
	_, err := patterns.NewOnePass(memoryCache(t), &patterns.OnePassOptions{LockTTL: -1})
	wantErr(t, err, core.ErrConfig)
	if err == nil || err.Error() != want {
		t.Errorf("error is %v, want %s", err, want)
	}
	_, err = patterns.NewOnePass(nil, nil)
	wantErr(t, err, core.ErrConfig)
}

// A lease with a LockTTL of Forever, or nearly, is held until it is released.
func TestALeaseForeverIsHeldUntilItIsReleased(t *testing.T) {
	for _, ttl := range []time.Duration{core.Forever, core.Forever - 1} {
		synctest.Test(t, func(t *testing.T) {
			pass := must(patterns.NewOnePass(memoryCache(t), &patterns.OnePassOptions{
				LockTTL: ttl, Renew: true,
			}))
			lease, err := pass.Try(t.Context(), "k")
			wantErr(t, err, nil)
			time.Sleep(1000 * time.Hour)
			_, err = pass.Try(t.Context(), "k")
			wantErr(t, err, patterns.ErrHeld)
			wantErr(t, lease.Renew(t.Context()), nil)
			wantErr(t, lease.Release(t.Context()), nil)
			lease, err = pass.Acquire(t.Context(), "k")
			wantErr(t, err, nil)
			wantErr(t, lease.Release(t.Context()), nil)
			wantErr(t, pass.Wait(t.Context(), "k"), nil)
		})
	}
}

// A lease that has ended releases nothing, because another lease may hold the pass.
func TestALeaseThatHasEndedReleasesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pass := must(patterns.NewOnePass(memoryCache(t), &patterns.OnePassOptions{
			LockTTL: time.Second,
		}))
		ctx := t.Context()
		old, err := pass.Try(ctx, "k")
		wantErr(t, err, nil)
		start := time.Now()
		lease, err := pass.Acquire(ctx, "k") // the holder never releases it
		wantErr(t, err, nil)
		if waited := time.Since(start); waited < time.Second || waited > 2*time.Second {
			t.Errorf("Acquire waited %v for a lease of a second", waited)
		}
		wantErr(t, old.Renew(ctx), patterns.ErrLost)
		wantErr(t, old.Release(ctx), patterns.ErrLost)
		_, err = pass.Try(ctx, "k")
		wantErr(t, err, patterns.ErrHeld)
		wantErr(t, lease.Release(ctx), nil)
	})
}

// Waiters in the process of the holder wake at once, and others within 800 milliseconds.
func TestWaitersWakeAfterARelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := memoryCache(t)
		local, remote := must(patterns.NewOnePass(c, nil)), must(patterns.NewOnePass(c, nil))
		lease, err := local.Try(t.Context(), "k")
		wantErr(t, err, nil)
		released := time.Now().Add(5*time.Second + 7*time.Millisecond)
		var all sync.WaitGroup
		all.Go(func() {
			wantErr(t, local.Wait(t.Context(), "k"), nil)
			if late := time.Since(released); late != 0 {
				t.Errorf("in this process, Wait returned %v after the release", late)
			}
		})
		all.Go(func() {
			wantErr(t, remote.Wait(t.Context(), "k"), nil)
			if late := time.Since(released); late > 800*time.Millisecond {
				t.Errorf("in another process, Wait returned %v after the release", late)
			}
		})
		time.Sleep(time.Until(released))
		wantErr(t, lease.Release(t.Context()), nil)
		all.Wait()
	})
}

func TestWaitTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := memoryCache(t)
		lease, err := must(patterns.NewOnePass(c, nil)).Try(t.Context(), "k")
		wantErr(t, err, nil)
		start := time.Now()
		other := must(patterns.NewOnePass(c, &patterns.OnePassOptions{LockTTL: 3 * time.Second}))
		wantErr(t, other.Wait(t.Context(), "k"), patterns.ErrTimeout)
		if waited := time.Since(start); waited != 3*time.Second {
			t.Errorf("waited %v, want 3 seconds, the LockTTL", waited)
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = must(patterns.NewOnePass(c, nil)).Acquire(short, "k")
		wantErr(t, err, context.DeadlineExceeded)
		wantErr(t, lease.Release(t.Context()), nil)
	})
}

// A renewed lease lasts. If the pass is lost nevertheless, Lost is closed.
func TestARenewedLeaseLasts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := memoryCache(t)
		pass := must(patterns.NewOnePass(c, &patterns.OnePassOptions{
			LockTTL: 3 * time.Second, Renew: true,
		}))
		lease, err := pass.Try(t.Context(), "k")
		wantErr(t, err, nil)
		time.Sleep(time.Minute)
		_, err = pass.Try(t.Context(), "k")
		wantErr(t, err, patterns.ErrHeld)
		wantErr(t, lease.Release(t.Context()), nil)

		lease, err = pass.Try(t.Context(), "k")
		wantErr(t, err, nil)
		select {
		case <-lease.Lost():
			t.Error("Lost is closed, and the lease has not ended")
		default:
		}
		wantErr(t, c.Delete(t.Context(), "~cw:pass:k"), nil)
		<-lease.Lost()
		wantErr(t, lease.Release(t.Context()), patterns.ErrLost)
	})
}

// With Acquire, at most one caller holds the lock.
func TestAcquireIsALock(t *testing.T) {
	for name, c := range caches(t) {
		t.Run(name, func(t *testing.T) {
			var holders, entered atomic.Int64
			var all sync.WaitGroup
			for range 4 {
				pass := must(patterns.NewOnePass(c, &patterns.OnePassOptions{
					LockTTL: time.Minute, Prefix: "lock:",
				}))
				for range 4 {
					all.Go(func() {
						lease, err := pass.Acquire(context.Background(), "k")
						if err != nil {
							t.Error(err)
							return
						}
						if holders.Add(1) != 1 {
							t.Error("two callers hold the lock")
						}
						entered.Add(1)
						holders.Add(-1)
						wantErr(t, lease.Release(context.Background()), nil)
					})
				}
			}
			all.Wait()
			if entered.Load() != 16 {
				t.Errorf("%d callers got the lock, want 16", entered.Load())
			}
		})
	}
}

func TestEachTryOnANullCacheReturnsALease(t *testing.T) {
	pass := must(patterns.NewOnePass(cacheOf(t, null.New()), nil))
	for range 2 {
		lease, err := pass.Try(t.Context(), "k")
		wantErr(t, err, nil)
		wantErr(t, pass.Wait(t.Context(), "k"), nil)
		wantErr(t, lease.Release(t.Context()), nil)
	}
}

// A caller that waits for another process gets the value that the holder stores. If the
// holder dies, the caller loads after the lease has ended. After WaitTimeout, it returns
// ErrTimeout, or loads.
func TestACallerWaitsForAnotherProcess(t *testing.T) {
	for name, tt := range map[string]struct {
		opts   patterns.Options[string]
		dies   bool
		err    error
		loads  int64
		waited time.Duration // at most
	}{
		"the holder loads": {
			patterns.Options[string]{}, false, nil, 0, 4 * time.Second,
		},
		"the holder dies": {
			patterns.Options[string]{}, true, nil, 1, 11 * time.Second,
		},
		"the holder takes too long": {
			patterns.Options[string]{WaitTimeout: time.Second},
			false, patterns.ErrTimeout, 0, time.Second,
		},
		"the holder takes too long, and the caller loads": {
			patterns.Options[string]{WaitTimeout: time.Second, LoadOnTimeout: true},
			false, nil, 1, time.Second,
		},
		"the holder dies, and the caller has a short lock": {
			patterns.Options[string]{LockTTL: time.Second}, true, nil, 1, 11 * time.Second,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := memoryCache(t)
				lease, err := must(patterns.NewOnePass(c, &patterns.OnePassOptions{
					Prefix: "~cw:lock:",
				})).Try(t.Context(), "k")
				wantErr(t, err, nil)
				cached := newTexts(t, c, &tt.opts)
				var l loader
				var all sync.WaitGroup
				all.Go(func() {
					if tt.opts.LockTTL != 0 {
						// The default WaitTimeout is shorter than the lease of the holder.
						tt.opts.WaitTimeout = time.Minute
						cached = newTexts(t, c, &tt.opts)
					}
					start := time.Now()
					v, err := cached.GetOrCreate(t.Context(), "k", l.load)
					if !errors.Is(err, tt.err) || err == nil && v != "loaded" {
						t.Errorf("GetOrCreate = %q, %v; want %v", v, err, tt.err)
					}
					if waited := time.Since(start); waited > tt.waited {
						t.Errorf("waited %v, want %v at most", waited, tt.waited)
					}
				})
				if !tt.dies {
					time.Sleep(3 * time.Second)
					wantErr(t, c.Set(t.Context(), "k", []byte("loaded"), 0), nil)
					wantErr(t, lease.Release(t.Context()), nil)
				}
				all.Wait()
				l.want(t, tt.loads)
			})
		})
	}
}
