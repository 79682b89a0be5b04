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
	"github.com/cachewire/cachewire/memory"
	"github.com/cachewire/cachewire/null"
	"github.com/cachewire/cachewire/patterns"
)

func TestOnePass(t *testing.T) {
	for name, c := range caches(t) {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			here, there := must(patterns.NewOnePass(c, nil)), must(patterns.NewOnePass(c, nil))
			lease, err := here.Try(ctx, "k")
			wantErr(t, err, nil)
			_, err = there.Try(ctx, "k")
			wantErr(t, err, patterns.ErrHeld)
			_, err = here.Try(ctx, "k")
			wantErr(t, err, patterns.ErrHeld)
			other, err := here.Try(ctx, "other")
			wantErr(t, err, nil)
			var all sync.WaitGroup
			for _, pass := range []*patterns.OnePass{here, there} {
				all.Go(func() { wantErr(t, pass.Wait(ctx, "k"), nil) })
			}
			wantErr(t, lease.Renew(ctx), nil)
			wantErr(t, lease.Release(ctx), nil)
			all.Wait()
			wantErr(t, lease.Release(ctx), patterns.ErrLost)
			wantErr(t, lease.Renew(ctx), patterns.ErrLost)
			wantErr(t, other.Release(ctx), nil)
			lease, err = there.Try(ctx, "k")
			wantErr(t, err, nil)
			wantErr(t, lease.Release(ctx), nil)
			_, err = here.Try(ctx, "")
			wantErr(t, err, core.ErrInvalidKey)
		})
	}
}

func TestNewOnePassRefusesWrongArguments(t *testing.T) {
	_, err := patterns.NewOnePass(cacheOf(t, must(memory.New(nil))), &patterns.OnePassOptions{LockTTL: -1})
	wantErr(t, err, core.ErrConfig)
	if want := "cachewire: invalid configuration: patterns: OnePassOptions.LockTTL is -1ns, want 0 or more"; err == nil || err.Error() != want {
		t.Errorf("error is %v, want %s", err, want)
	}
	_, err = patterns.NewOnePass(nil, nil)
	wantErr(t, err, core.ErrConfig)
}

// A lease for ever, or nearly, is held until it is released.
func TestALeaseForever(t *testing.T) {
	for _, ttl := range []time.Duration{core.Forever, core.Forever - 1} {
		synctest.Test(t, func(t *testing.T) {
			pass := must(patterns.NewOnePass(cacheOf(t, must(memory.New(nil))), &patterns.OnePassOptions{LockTTL: ttl, Renew: true}))
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

// A lease that has ended releases nothing: another may have the pass.
func TestALeaseThatHasEndedReleasesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pass := must(patterns.NewOnePass(cacheOf(t, must(memory.New(nil))), &patterns.OnePassOptions{LockTTL: time.Second}))
		ctx := t.Context()
		old, err := pass.Try(ctx, "k")
		wantErr(t, err, nil)
		start := time.Now()
		lease, err := pass.Acquire(ctx, "k") // when the holder is dead
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

// Who waits in the holder's process wakes at once, and others within a second.
func TestWaitersWake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cacheOf(t, must(memory.New(nil)))
		here, there := must(patterns.NewOnePass(c, nil)), must(patterns.NewOnePass(c, nil))
		lease, err := here.Try(t.Context(), "k")
		wantErr(t, err, nil)
		released := time.Now().Add(5*time.Second + 7*time.Millisecond)
		var all sync.WaitGroup
		all.Go(func() {
			wantErr(t, here.Wait(t.Context(), "k"), nil)
			if late := time.Since(released); late != 0 {
				t.Errorf("in this process: %v late", late)
			}
		})
		all.Go(func() {
			wantErr(t, there.Wait(t.Context(), "k"), nil)
			if late := time.Since(released); late > 800*time.Millisecond {
				t.Errorf("in another process: %v late", late)
			}
		})
		time.Sleep(time.Until(released))
		wantErr(t, lease.Release(t.Context()), nil)
		all.Wait()
	})
}

func TestWaitTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cacheOf(t, must(memory.New(nil)))
		lease, err := must(patterns.NewOnePass(c, nil)).Try(t.Context(), "k")
		wantErr(t, err, nil)
		start := time.Now()
		wantErr(t, must(patterns.NewOnePass(c, &patterns.OnePassOptions{LockTTL: 3 * time.Second})).Wait(t.Context(), "k"), patterns.ErrTimeout)
		if waited := time.Since(start); waited != 3*time.Second {
			t.Errorf("waited %v", waited)
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = must(patterns.NewOnePass(c, nil)).Acquire(short, "k")
		wantErr(t, err, context.DeadlineExceeded)
		wantErr(t, lease.Release(t.Context()), nil)
	})
}

// A lease that is renewed lasts, and its holder is told when it has ended all the same.
func TestRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cacheOf(t, must(memory.New(nil)))
		pass := must(patterns.NewOnePass(c, &patterns.OnePassOptions{LockTTL: 3 * time.Second, Renew: true}))
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
			t.Error("a lease that lasts is lost")
		default:
		}
		wantErr(t, c.Delete(t.Context(), "one_pass:k"), nil)
		<-lease.Lost()
		wantErr(t, lease.Release(t.Context()), patterns.ErrLost)
	})
}

// A lock: nobody is in it with another.
func TestAcquireIsALock(t *testing.T) {
	for name, c := range caches(t) {
		t.Run(name, func(t *testing.T) {
			var inside, entered atomic.Int64
			var all sync.WaitGroup
			for range 4 {
				pass := must(patterns.NewOnePass(c, &patterns.OnePassOptions{LockTTL: time.Minute, Prefix: "lock:"}))
				for range 4 {
					all.Go(func() {
						lease, err := pass.Acquire(context.Background(), "k")
						if err != nil {
							t.Error(err)
							return
						}
						if inside.Add(1) != 1 {
							t.Error("two are in the lock")
						}
						entered.Add(1)
						inside.Add(-1)
						wantErr(t, lease.Release(context.Background()), nil)
					})
				}
			}
			all.Wait()
			if entered.Load() != 16 {
				t.Errorf("%d of 16 were in the lock", entered.Load())
			}
		})
	}
}

func TestOnePassAboveNull(t *testing.T) {
	pass := must(patterns.NewOnePass(cacheOf(t, null.New()), nil))
	for range 2 {
		lease, err := pass.Try(t.Context(), "k")
		wantErr(t, err, nil)
		wantErr(t, pass.Wait(t.Context(), "k"), nil)
		wantErr(t, lease.Release(t.Context()), nil)
	}
}

// A waiter in another process gets what the holder stores, and when the holder is dead
// loads when the lease is over; or it times out, or loads itself.
func TestWaitingForAnotherProcess(t *testing.T) {
	for name, tt := range map[string]struct {
		opts   patterns.Options
		dies   bool
		err    error
		loads  int64
		waited time.Duration // at most
	}{
		"it loads":            {patterns.Options{}, false, nil, 0, 4 * time.Second},
		"it dies":             {patterns.Options{}, true, nil, 1, 11 * time.Second},
		"it takes too long":   {patterns.Options{WaitTimeout: time.Second}, false, patterns.ErrTimeout, 0, time.Second},
		"and one loads":       {patterns.Options{WaitTimeout: time.Second, LoadOnTimeout: true}, false, nil, 1, time.Second},
		"it dies, short lock": {patterns.Options{LockTTL: time.Second}, true, nil, 1, 11 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := cacheOf(t, must(memory.New(nil)))
				lease, err := must(patterns.NewOnePass(c, nil)).Try(t.Context(), "k")
				wantErr(t, err, nil)
				cached := texts(t, c, &tt.opts)
				var l loader
				var all sync.WaitGroup
				all.Go(func() {
					if tt.opts.LockTTL != 0 { // it waits less than the lease of the other lasts
						tt.opts.WaitTimeout = time.Minute
						cached = texts(t, c, &tt.opts)
					}
					start := time.Now()
					v, err := cached.GetOrCreate(t.Context(), "k", l.load)
					if !errors.Is(err, tt.err) || err == nil && v != "loaded" {
						t.Errorf("%q, %v", v, err)
					}
					if waited := time.Since(start); waited > tt.waited {
						t.Errorf("waited %v", waited)
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
