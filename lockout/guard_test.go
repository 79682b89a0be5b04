package lockout_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/lockout"
)

// Guard calls do for as many concurrent callers as may fail. It removes a caller that
// succeeds from the counters again.
func TestGuardCountsFirst(t *testing.T) {
	onAll(t, func(t *testing.T, c *core.Cache) {
		var passed atomic.Int64
		guess := func(context.Context) (bool, error) {
			passed.Add(1)
			return false, nil
		}
		var all sync.WaitGroup
		for range 4 {
			l := signIn(t, c, "by_ip", "by_id")
			for range 500 {
				all.Go(func() {
					_, err := l.Guard(context.Background(), ann, guess)
					if err != nil {
						wantErr(t, err, lockout.ErrLocked)
					}
				})
			}
		}
		all.Wait()
		if passed.Load() != 4 {
			t.Errorf("%d passed, want 4", passed.Load())
		}
		l := signIn(t, c, "by_ip", "by_id")
		for range 20 {
			if ok, err := l.Guard(t.Context(), bob, result(true)); !ok || err != nil {
				t.Errorf("Guard = %v, %v", ok, err)
			}
		}
		wantCounts(t, l, bob, 0, 0)
	})
}

// Five callers are counted at once, and four of them succeed. Then the fifth is the only
// failure. It filled the counter, but must not set a lock.
func TestGuardSetsALockForFailuresOnly(t *testing.T) {
	for name, algorithm := range algorithms {
		for _, keep := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, Keep %v", name, keep), func(t *testing.T) {
				testOneFailureOfFive(t, newLockout(t, inMemory(t), "api", nil, lockout.Rule[visit]{
					Name: "by_id", Key: byID, Lock: time.Hour, Keep: keep,
					Rate: lockout.Rate{Count: 5, Period: longPeriod, Algorithm: algorithm},
				}))
			})
		}
	}
}

func testOneFailureOfFive(t *testing.T, l *lockout.Lockout[visit]) {
	var guard func(n int)
	guard = func(n int) { // the next one begins within this one
		_, err := l.Guard(t.Context(), ann, func(context.Context) (bool, error) {
			if n < 5 {
				guard(n + 1)
			}
			return n > 1, nil
		})
		wantErr(t, err, nil)
	}
	guard(1) // fails, after the others have succeeded
	wantErr(t, l.Check(t.Context(), ann), nil)
	wantErr(t, l.ResetAll(t.Context(), ann), nil)

	// Now the fifth one fails.
	results := make([]chan bool, 5)
	var all, four, counted sync.WaitGroup
	for i := range results {
		results[i] = make(chan bool)
		counted.Add(1)
		if i < 4 {
			four.Add(1)
		}
		all.Go(func() {
			_, err := l.Guard(t.Context(), ann, func(context.Context) (bool, error) {
				counted.Done()
				return <-results[i], nil
			})
			if wantErr(t, err, nil); i < 4 {
				four.Done()
			}
		})
		counted.Wait()
	}
	for i := range 4 {
		results[i] <- true
	}
	four.Wait()
	results[4] <- false
	all.Wait()
	wantErr(t, l.Check(t.Context(), ann), nil)
}

// A caller that looks for a lock before it is set, and is slow to count, does not pass while
// the lock lasts.
func TestACallerThatMissedTheLockDoesNotPass(t *testing.T) {
	for name, algorithm := range algorithms {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, b := hookedCache(t)
				rate := lockout.Rate{Count: 1, Period: time.Minute, Algorithm: algorithm}
				l := byIDOnly(t, c, rate, time.Hour)
				slow := true
				b.before = func(_ context.Context, verb, _ string) error {
					if (verb == "Incr" || verb == "Add") && slow {
						slow = false
						time.Sleep(2 * time.Minute)
					}
					return nil
				}
				var all sync.WaitGroup
				all.Go(func() {
					_, err := l.Guard(t.Context(), ann, func(context.Context) (bool, error) {
						t.Error("Guard called do")
						return false, nil
					})
					wantErr(t, err, lockout.ErrLocked)
				})
				synctest.Wait()
				_, err := l.Guard(t.Context(), ann, result(false))
				wantErr(t, err, nil)
				all.Wait()
			})
		})
	}
}

// One rule has counted the caller, and another one refuses it. Guard removes the caller from
// both counters, even if its context ends meanwhile.
func TestARefusedCallerIsNotCounted(t *testing.T) {
	for name, algorithm := range algorithms {
		t.Run(name, func(t *testing.T) {
			c, b := hookedCache(t)
			var rules []lockout.Rule[visit]
			for i, name := range []string{"a", "b", "c"} {
				rules = append(rules, lockout.Rule[visit]{
					Name: name, Key: byID,
					Rate: lockout.Rate{
						Count: []uint64{5, 1, 5}[i], Period: longPeriod, Algorithm: algorithm,
					},
				})
			}
			l := newLockout(t, c, "api", nil, rules...)
			wantErr(t, l.Allow(t.Context(), ann), nil)
			for name, verb := range map[string]func(ctx context.Context) error{
				"Allow": func(ctx context.Context) error { return l.Allow(ctx, ann) },
				"Guard": func(ctx context.Context) error {
					_, err := l.Guard(ctx, ann, result(true))
					return err
				},
			} {
				for range 3 {
					ctx, cancel := context.WithCancel(t.Context())
					b.before = func(ctx context.Context, verb, _ string) error {
						if verb == "Decr" {
							cancel()
						}
						return ctx.Err()
					}
					if err := verb(ctx); err == nil {
						t.Errorf("%s allows it", name)
					} else {
						wantErr(t, err, lockout.ErrLocked)
					}
					b.before = nil
					cancel()
					wantCounts(t, l, ann, 1, 1, 1)
				}
			}
			// The counter that refused has room again once the first caller is removed.
			err := c.Delete(t.Context(), keyOf(t, b, "b"))
			wantErr(t, err, nil)
			wantErr(t, l.Allow(t.Context(), ann), nil)
		})
	}
}

// Another caller takes the last room of one rule after the lockout has looked. The caller is
// removed from the counters of the rules before that one.
func TestACallerThatLosesTheLastRoomIsNotCounted(t *testing.T) {
	for name, algorithm := range algorithms {
		t.Run(name, func(t *testing.T) {
			c, b := hookedCache(t)
			rule := func(name string, count uint64) lockout.Rule[visit] {
				rate := lockout.Rate{Count: count, Period: longPeriod, Algorithm: algorithm}
				return lockout.Rule[visit]{Name: name, Key: byID, Rate: rate}
			}
			l := newLockout(t, c, "api", nil, rule("a", 5), rule("b", 2), rule("c", 5))
			rival := newLockout(t, c, "api", nil, rule("b", 2))
			countAllowed(t, l, ann, 1)
			b.before = func(ctx context.Context, verb, key string) error {
				isWrite := verb == "Incr" || verb == "CompareAndSwap"
				if isWrite && strings.Contains(key, ":api:b:") {
					b.before = nil
					countAllowed(t, rival, ann, 1)
				}
				return nil
			}
			wantErr(t, l.Allow(t.Context(), ann), lockout.ErrLocked)
			wantCounts(t, l, ann, 1, 2, 1)
		})
	}
}

// A success makes room for one more, even if others were refused meanwhile.
func TestASuccessMakesRoomAgain(t *testing.T) {
	onAll(t, func(t *testing.T, c *core.Cache) {
		for name, algorithm := range algorithms {
			rate := lockout.Rate{Count: 1, Period: longPeriod, Algorithm: algorithm}
			l := newLockout(t, c, name, nil,
				lockout.Rule[visit]{Name: "one", Key: byID, Rate: rate, Keep: true},
				lockout.Rule[visit]{Name: "two", Key: byID, Rate: rate, Keep: true})
			_, err := l.Guard(t.Context(), ann, func(context.Context) (bool, error) {
				if n := countAllowed(t, l, ann, 3); n != 0 {
					t.Errorf("%s: %d are allowed, want 0", name, n)
				}
				return true, nil
			})
			wantErr(t, err, nil)
			if n := countAllowed(t, l, ann, 3); n != 1 {
				t.Errorf("%s: %d are allowed after the success, want 1", name, n)
			}
		}
	})
}

func TestAPanicIsAFailure(t *testing.T) {
	l := byIDOnly(t, inMemory(t), per(time.Minute, 2), time.Hour)
	panics := func(call guardFunc) {
		defer func() {
			if recover() == nil {
				t.Error("the call did not panic")
			}
		}()
		call(t.Context(), ann, func(context.Context) (bool, error) { panic("boom") })
	}
	for range 3 {
		panics(l.Quota) // which counts successes
	}
	wantErr(t, l.Check(t.Context(), ann), nil)
	wantCounts(t, l, ann, 0)
	for range 2 {
		panics(l.Guard)
	}
	wantErr(t, l.Check(t.Context(), ann), lockout.ErrLocked)
}

// A caller that goes away while it is served is still counted. It is removed from the
// counters if do returns an error.
func TestACallerThatCancelsIsCounted(t *testing.T) {
	onAll(t, func(t *testing.T, c *core.Cache) {
		l := signIn(t, c, "by_id")
		cancelling := func(call guardFunc, ok bool, failure, want error) {
			t.Helper()
			ctx, cancel := context.WithCancel(t.Context())
			_, err := call(ctx, ann, func(context.Context) (bool, error) {
				cancel()
				return ok, failure
			})
			wantErr(t, err, want)
		}
		cancelling(l.Guard, false, nil, nil)
		cancelling(l.Quota, true, nil, nil)
		cancelling(l.Guard, false, nil, nil)
		wantCounts(t, l, ann, 3)
		cancelling(l.Guard, false, context.Canceled, context.Canceled)
		cancelling(l.Quota, false, nil, nil)
		wantCounts(t, l, ann, 3)
		cancelling(l.Guard, false, nil, nil)
		wantErr(t, l.Check(t.Context(), ann), lockout.ErrLocked)

		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		wantErr(t, l.Reset(cancelled, ann), nil)
		wantErr(t, l.Check(t.Context(), ann), nil)
		wantErr(t, l.Add(cancelled, ann, 1), nil)
		wantCounts(t, l, ann, 1)
	})
}

func TestAnAlertDescribesTheLock(t *testing.T) {
	for name, algorithm := range algorithms {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testAlerts(t, algorithm) })
		})
	}
}

func testAlerts(t *testing.T, algorithm lockout.Algorithm) {
	var events []lockout.Event
	l := newLockout(t, inMemory(t), "api", &lockout.Options[visit]{
		Alert: func(_ context.Context, v visit, e lockout.Event) {
			if events = append(events, e); v != ann {
				t.Errorf("alert for %v, want %v", v, ann)
			}
		},
	}, lockout.Rule[visit]{
		Name: "by_id", Key: byID, Lock: 10 * time.Minute,
		Rate: lockout.Rate{Count: 3, Period: time.Minute, Algorithm: algorithm},
	})
	wantEvents := func(n int, until time.Time) {
		t.Helper()
		want := lockout.Event{Lockout: "api", Rule: "by_id", Count: 3, Until: until}
		if len(events) != n || events[n-1] != want {
			t.Errorf("events are %+v, want %d, the last one %+v", events, n, want)
		}
	}
	for range 3 {
		wantErr(t, l.Add(t.Context(), ann, 1), nil)
	}
	until := time.Now().Add(10 * time.Minute)
	wantEvents(1, until)
	time.Sleep(time.Until(until) - 1)
	wantErr(t, l.Check(t.Context(), ann), lockout.ErrLocked)
	time.Sleep(time.Nanosecond)
	if n := countAllowed(t, l, ann, 4); n != 3 {
		t.Errorf("%d are allowed after the lock, want 3", n)
	}
	wantEvents(2, time.Now().Add(10*time.Minute))
	time.Sleep(10 * time.Minute)
	fail(t, l, ann, 3)
	wantEvents(3, time.Now().Add(10*time.Minute))
	if ok, err := l.Guard(t.Context(), ann, result(true)); ok || err == nil {
		t.Errorf("Guard = %v, %v", ok, err)
	}
}

func TestOneOfManyConcurrentCallersAlerts(t *testing.T) {
	onAll(t, func(t *testing.T, c *core.Cache) {
		var alerts atomic.Int64
		l := newLockout(t, c, "sign_in", &lockout.Options[visit]{
			Alert: func(_ context.Context, v visit, e lockout.Event) {
				alerts.Add(1)
				if v != ann || e.Lockout != "sign_in" || e.Rule != "by_id" || e.Count < 500 {
					t.Errorf("alert for %v: %+v", v, e)
				}
			},
		}, lockout.Rule[visit]{
			Name: "by_id", Key: byID, Rate: per(longPeriod, 500), Lock: time.Hour,
		})
		var all sync.WaitGroup
		for range 900 {
			all.Go(func() { wantErr(t, l.Add(context.Background(), ann, 1), nil) })
		}
		all.Wait()
		if alerts.Load() != 1 {
			t.Errorf("%d alerts, want 1", alerts.Load())
		}
	})
}

// Alert is called last: if it panics, the lock, the row and the counter are as they should
// be.
func TestAnAlertThatPanicsDoesNoHarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLockout(t, inMemory(t), "api", &lockout.Options[visit]{
			Alert: func(context.Context, visit, lockout.Event) { panic("boom") },
		}, lockout.Rule[visit]{
			Name: "by_id", Key: byID,
			Rate: per(time.Minute, 2), Lock: 10 * time.Minute, MaxLock: time.Hour,
		})
		for _, want := range []time.Duration{10 * time.Minute, 20 * time.Minute} {
			for range 2 {
				func() {
					defer func() { recover() }()
					l.Add(t.Context(), ann, 1)
				}()
			}
			status, err := l.Status(t.Context(), ann)
			wantErr(t, err, nil)
			if time.Until(status[0].Until) != want || status[0].Count != 0 {
				t.Errorf("%+v, want a lock of %v", status, want)
			}
			time.Sleep(want)
		}
	})
}

// keyOf returns the key of the counter of a rule of the lockout api.
func keyOf(t testing.TB, b *hookedBackend, rule string) string {
	t.Helper()
	for key, err := range b.Keys(t.Context(), "") {
		wantErr(t, err, nil)
		if strings.Contains(key, ":api:"+rule+":") || strings.HasPrefix(key, "b:api:"+rule) {
			return key
		}
	}
	t.Fatalf("the rule %s has no counter", rule)
	return ""
}
