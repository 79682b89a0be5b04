package lockout_test

import (
	"context"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/lockout"
	"github.com/cachewire/cachewire/memory"
)

// Five are counted at once, and four of them succeed. The fifth is the only failure then,
// although it reached Count, and must not set a lock.
func TestTakeSetsALockForFailuresOnly(t *testing.T) {
	for name, algorithm := range algorithms {
		for _, success := range []lockout.Success{lockout.Resets, lockout.Keeps} {
			t.Run(fmt.Sprintf("%s, Success %d", name, success), func(t *testing.T) {
				lo := lockoutByID(t, cacheOf(t, must(memory.New(nil))), lockout.Counter[visit]{
					Count: 5, Period: longPeriod, Duration: time.Hour,
					Algorithm: algorithm, Success: success,
				})
				testOneFailureOfFive(t, lo)
			})
		}
	}
}

func testOneFailureOfFive(t *testing.T, lo *lockout.Lockout[visit]) {
	ann := visit{"ann", ""}
	var take func(n int)
	take = func(n int) { // the next one begins within this one
		_, err := lo.Take(t.Context(), ann, func(context.Context) (bool, error) {
			if n < 5 {
				take(n + 1)
			}
			return n > 1, nil
		})
		wantErr(t, err, nil)
	}
	take(1) // fails, after the others have succeeded
	wantErr(t, lo.Forbid(t.Context(), ann), nil)
	wantErr(t, lo.ForceReset(t.Context(), ann), nil)

	// Now the fifth one fails.
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
	// Wait until the four have been removed.
	for used := uint64(9); used > 1; {
		status, err := lo.Status(t.Context(), ann)
		wantErr(t, err, nil)
		used = status[0].Count
	}
	results[4] <- false
	all.Wait()
	wantErr(t, lo.Forbid(t.Context(), ann), nil)
}

// A caller that looks for a lock before it is set, and is slow to count, does not pass while
// the lock lasts.
func TestACallerThatMissedTheLockDoesNotPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, b := hookedCache(t)
		lo := lockoutByID(t, c, lockout.Counter[visit]{
			Count: 1, Period: time.Minute, Duration: time.Hour,
		})
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
			_, err := lo.Take(t.Context(), ann, func(context.Context) (bool, error) {
				t.Error("Take called do")
				return false, nil
			})
			wantErr(t, err, lockout.ErrLocked)
		})
		synctest.Wait()
		_, err := lo.Take(t.Context(), ann, result(false))
		wantErr(t, err, nil)
		all.Wait()
	})
}

// One counter has counted the caller, and the other refuses it. It is removed from the first
// even if it cancels meanwhile.
func TestARefusedCallerIsRemovedEvenIfItCancels(t *testing.T) {
	c, b := hookedCache(t)
	counters := lockout.Terms[visit]{}
	for name, n := range map[string]uint64{"a": 5, "b": 1} {
		counters[name] = lockout.Counter[visit]{
			Key: func(v visit) string { return name + v.id }, Count: n, Period: longPeriod,
		}
	}
	locker, err := lockout.New(c, counters, nil)
	wantErr(t, err, nil)
	lo, err := locker.Define("api", counters)
	wantErr(t, err, nil)
	ann := visit{"ann", ""}
	wantErr(t, lo.Allow(t.Context(), ann), nil)
	for _, verb := range []func(ctx context.Context) error{
		func(ctx context.Context) error { return lo.Allow(ctx, ann) },
		func(ctx context.Context) error { _, err := lo.Take(ctx, ann, result(true)); return err },
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
		status, err := lo.Status(t.Context(), ann)
		if err != nil || status[0].Count != 1 || status[1].Count != 1 {
			t.Errorf("Status = %+v, %v; want 1 counted by each", status, err)
		}
	}
}

func TestTakeReturnsErrorsOfDoAndOfTheActionAsTheyAre(t *testing.T) {
	lo := lockoutByID(t, cacheOf(t, must(memory.New(nil))), lockout.Counter[visit]{
		Count: 1, Period: time.Minute,
	})
	ann := visit{"ann", ""}
	fail := func(context.Context) (bool, error) { return false, io.EOF }
	if _, err := lo.Take(t.Context(), ann, fail); err != io.EOF {
		t.Errorf("error is %#v, want io.EOF", err)
	}
	wantErr(t, lo.Incr(t.Context(), ann), nil)
	lo = lo.WithAction(func(context.Context, visit, *lockout.LockedError) error {
		return io.ErrNoProgress
	})
	if _, err := lo.Take(t.Context(), ann, result(true)); err != io.ErrNoProgress {
		t.Errorf("error is %#v, want io.ErrNoProgress", err)
	}
}

func TestAPanicIsAFailure(t *testing.T) {
	lo := lockoutByID(t, cacheOf(t, must(memory.New(nil))), lockout.Counter[visit]{
		Count: 2, Period: time.Minute, Duration: time.Hour,
	})
	ann := visit{"ann", ""}
	for range 2 {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("Take did not panic")
				}
			}()
			lo.Take(t.Context(), ann, func(context.Context) (bool, error) { panic("boom") })
		}()
	}
	wantErr(t, lo.Forbid(t.Context(), ann), lockout.ErrLocked)
}

// If Allow removed a caller that it has refused, it could remove it from the next period, and
// one more would pass there.
func TestARefusedAllowDoesNotChangeTheNextPeriod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, b := hookedCache(t)
		lo := lockoutByID(t, c, lockout.Counter[visit]{Count: 3, Period: time.Minute})
		countAllowed(t, lo, visit{"ann", ""}, 3)
		b.before = func(_ context.Context, verb, _ string) error {
			if verb == "Decr" {
				time.Sleep(time.Minute)
			}
			return nil
		}
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() { countAllowed(t, lo, visit{"ann", ""}, 1) })
		}
		time.Sleep(time.Minute)
		n := countAllowed(t, lo, visit{"ann", ""}, 3)
		all.Wait()
		if n += countAllowed(t, lo, visit{"ann", ""}, 3); n != 3 {
			t.Errorf("%d are allowed, want 3", n)
		}
	})
}
