package lockout_test

import (
	"context"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/lockout"
	"github.com/cachewire/cachewire/memory"
)

// Of five at once of which four succeed, the fifth is one failure, and not the fifth.
func TestTakeLocksForFailuresOnly(t *testing.T) {
	for name, algorithm := range algorithms {
		for _, success := range []lockout.Success{lockout.Resets, lockout.Keeps} {
			t.Run(name, func(t *testing.T) {
				lo := limit(t, cacheOf(t, must(memory.New(nil))), lockout.Counter[visit]{Count: 5, Period: long, Duration: time.Hour, Algorithm: algorithm, Success: success})
				ann := visit{"ann", ""}
				var take func(n int)
				take = func(n int) { // the n-th begins within the one before
					_, err := lo.Take(t.Context(), ann, func(context.Context) (bool, error) {
						if n < 5 {
							take(n + 1)
						}
						return n > 1, nil
					})
					wantErr(t, err, nil)
				}
				take(1) // of which the first fails, as the last
				wantErr(t, lo.Forbid(t.Context(), ann), nil)
				wantErr(t, lo.ForceReset(t.Context(), ann), nil)
				// And now the fifth.
				results := make([]chan bool, 5)
				var all, counted sync.WaitGroup
				for i := range results {
					results[i] = make(chan bool)
					counted.Add(1)
					all.Go(func() {
						_, err := lo.Take(t.Context(), ann, func(context.Context) (bool, error) {
							counted.Done()
							return <-results[i], nil
						})
						wantErr(t, err, nil)
					})
					counted.Wait()
				}
				for i := range 4 {
					results[i] <- true
				}
				// The fourth is given back when its goroutine has ended; wait for the counter.
				for used := uint64(9); used > 1; {
					status, err := lo.Status(t.Context(), ann)
					wantErr(t, err, nil)
					used = status[0].Count
				}
				results[4] <- false
				all.Wait()
				wantErr(t, lo.Forbid(t.Context(), ann), nil)
			})
		}
	}
}

// Who looked for a lock before it was set, and is slow, is not let in while it stands.
func TestALateComerIsNotLetIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, b := faulty(t)
		lo := limit(t, c, lockout.Counter[visit]{Count: 1, Period: time.Minute, Duration: time.Hour})
		ann := visit{"ann", ""}
		slow := true
		b.before = func(_ context.Context, verb, _ string) error {
			if verb == "Incr" && slow {
				slow = false
				time.Sleep(2 * time.Minute)
			}
			return nil
		}
		var all sync.WaitGroup
		all.Go(func() {
			_, err := lo.Take(t.Context(), ann, func(context.Context) (bool, error) { t.Error("it was done"); return false, nil })
			wantErr(t, err, lockout.ErrLocked)
		})
		synctest.Wait()
		_, err := lo.Take(t.Context(), ann, answer(false))
		wantErr(t, err, nil)
		all.Wait()
	})
}

// Who goes away when one counter has counted and another refuses is given back.
func TestWhoIsRefusedAndGoesIsGivenBack(t *testing.T) {
	c, b := faulty(t)
	both := lockout.Terms[visit]{}
	for name, n := range map[string]uint64{"a": 5, "b": 1} {
		both[name] = lockout.Counter[visit]{Key: func(v visit) string { return name + v.id }, Count: n, Period: long}
	}
	locker, err := lockout.New(c, both, nil)
	wantErr(t, err, nil)
	lo, err := locker.Define("api", both)
	wantErr(t, err, nil)
	ann := visit{"ann", ""}
	wantErr(t, lo.Allow(t.Context(), ann), nil)
	for _, verb := range []func(ctx context.Context) error{
		func(ctx context.Context) error { return lo.Allow(ctx, ann) },
		func(ctx context.Context) error { _, err := lo.Take(ctx, ann, answer(true)); return err },
	} {
		ctx, cancel := context.WithCancel(t.Context())
		b.before = func(ctx context.Context, verb, _ string) error {
			if verb == "Decr" {
				cancel()
			}
			return ctx.Err()
		}
		wantErr(t, verb(ctx), lockout.ErrLocked)
		b.before = nil
		if status, err := lo.Status(t.Context(), ann); err != nil || status[0].Count != 1 || status[1].Count != 1 {
			t.Errorf("%+v, %v", status, err)
		}
	}
}

// An error of what is taken is answered as it is, and so is that of an action.
func TestErrorsAreAnsweredAsTheyAre(t *testing.T) {
	lo := limit(t, cacheOf(t, must(memory.New(nil))), lockout.Counter[visit]{Count: 1, Period: time.Minute})
	if _, err := lo.Take(t.Context(), visit{"ann", ""}, func(context.Context) (bool, error) { return false, io.EOF }); err != io.EOF {
		t.Errorf("%#v", err)
	}
	wantErr(t, lo.Incr(t.Context(), visit{"ann", ""}), nil)
	lo = lo.WithAction(func(context.Context, visit, *lockout.LockedError) error { return io.ErrNoProgress })
	if _, err := lo.Take(t.Context(), visit{"ann", ""}, answer(true)); err != io.ErrNoProgress {
		t.Errorf("%#v", err)
	}
}

// A panic in what is taken stays counted, and sets the lock.
func TestAPanicIsCounted(t *testing.T) {
	lo := limit(t, cacheOf(t, must(memory.New(nil))), lockout.Counter[visit]{Count: 2, Period: time.Minute, Duration: time.Hour})
	for range 2 {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			lo.Take(t.Context(), visit{"ann", ""}, func(context.Context) (bool, error) { panic("boom") })
		}()
	}
	wantErr(t, lo.Forbid(t.Context(), visit{"ann", ""}), lockout.ErrLocked)
}

// What Allow has refused is not taken back from those that come in the next period.
func TestALateGivingBackLetsNobodyIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, b := faulty(t)
		lo := limit(t, c, lockout.Counter[visit]{Count: 3, Period: time.Minute})
		allowed(t, lo, visit{"ann", ""}, 3)
		b.before = func(_ context.Context, verb, _ string) error {
			if verb == "Decr" {
				time.Sleep(time.Minute)
			}
			return nil
		}
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() { allowed(t, lo, visit{"ann", ""}, 1) })
		}
		time.Sleep(time.Minute)
		n := allowed(t, lo, visit{"ann", ""}, 3)
		all.Wait()
		if n += allowed(t, lo, visit{"ann", ""}, 3); n != 3 {
			t.Errorf("%d of 3 are allowed", n)
		}
	})
}
