package lockout_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/lockout"
	"github.com/cachewire/cachewire/memory"
)

var algorithms = map[string]lockout.Algorithm{
	"fixed window":   lockout.FixedWindow,
	"sliding window": lockout.SlidingWindow,
	"token bucket":   lockout.TokenBucket,
}

// longPeriod does not end while a test runs, wherever the windows begin.
const longPeriod = 40 * 365 * 24 * time.Hour

// lockoutByID returns a lockout called api with one counter, by_id.
func lockoutByID(
	t testing.TB, c *core.Cache, counter lockout.Counter[visit],
) *lockout.Lockout[visit] {
	t.Helper()
	counter.Key = func(v visit) string { return v.id }
	locker, err := lockout.New(c, lockout.Terms[visit]{"by_id": counter}, nil)
	wantErr(t, err, nil)
	lo, err := locker.Define("api", lockout.Terms[visit]{"by_id": {}})
	wantErr(t, err, nil)
	return lo
}

// countAllowed calls Allow n times, and returns how many of the calls were allowed.
func countAllowed(
	t testing.TB, lo *lockout.Lockout[visit], v visit, n int,
) (allowed int) {
	t.Helper()
	for range n {
		err := lo.Allow(t.Context(), v)
		if err == nil {
			allowed++
			continue
		}
		wantErr(t, err, lockout.ErrLocked)
	}
	return allowed
}

// All verbs report the same time for when there is room, and it is exact to the nanosecond.
func TestThereIsRoomAtTheTimeThatIsReported(t *testing.T) {
	for name, algorithm := range algorithms {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testReportedTimes(t, algorithm) })
		})
	}
}

func testReportedTimes(t *testing.T, algorithm lockout.Algorithm) {
	lo := lockoutByID(t, cacheOf(t, must(memory.New(nil))), lockout.Counter[visit]{
		Count: 6, Period: time.Minute, Algorithm: algorithm,
	})
	ann := visit{"ann", ""}
	time.Sleep(13*time.Second + 7)
	for round := range 20 {
		if n := countAllowed(t, lo, ann, 10); n == 0 || round == 0 && n != 6 {
			t.Fatalf("round %d: %d are allowed", round, n)
		}
		var locked *lockout.LockedError
		if err := lo.Forbid(t.Context(), ann); !errors.As(err, &locked) {
			t.Fatalf("Forbid: %v", err)
		}
		status, err := lo.Status(t.Context(), ann)
		want := lockout.Status{
			Counter: "by_id", Count: 6, Limit: 6, Locked: true, Until: locked.Until,
		}
		if err != nil || status[0] != want {
			t.Errorf("Status = %+v, %v; want %+v", status, err, want)
		}
		var again *lockout.LockedError
		if err := lo.Allow(t.Context(), ann); !errors.As(err, &again) || *again != *locked {
			t.Errorf("Allow: %v, Forbid: %v", err, locked)
		}
		time.Sleep(time.Until(locked.Until) - 1)
		wantErr(t, lo.Forbid(t.Context(), ann), lockout.ErrLocked)
		if n := countAllowed(t, lo, ann, 1); n != 0 {
			t.Error("there is room before the time")
		}
		time.Sleep(time.Nanosecond)
		wantErr(t, lo.Forbid(t.Context(), ann), nil)
	}
}

// The documentation of each Algorithm has these numbers, for a Count of 10.
func TestNoMoreThanDocumentedAreAllowedWithinAPeriod(t *testing.T) {
	for name, tt := range map[string]struct {
		// begin is when ten come at once, counted from the start of a minute. After them,
		// one comes every 10 ms. most is how many are allowed within a minute from begin.
		begin time.Duration
		most  int
	}{
		"fixed window":   {59 * time.Second, 10}, // the first ten only
		"sliding window": {59900 * time.Millisecond, 20},
		"token bucket":   {30 * time.Second, 19},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				lo := lockoutByID(t, cacheOf(t, must(memory.New(nil))), lockout.Counter[visit]{
					Count: 10, Period: time.Minute, Algorithm: algorithms[name],
				})
				ann := visit{"ann", ""}
				time.Sleep(tt.begin)
				n := countAllowed(t, lo, ann, 10)
				for range 5999 {
					time.Sleep(10 * time.Millisecond)
					n += countAllowed(t, lo, ann, 1)
				}
				if n != tt.most {
					t.Errorf("%d are allowed within a minute, want %d", n, tt.most)
				}
			})
		})
	}
	t.Run("fixed window, around its end", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			lo := lockoutByID(t, cacheOf(t, must(memory.New(nil))), lockout.Counter[visit]{
				Count: 10, Period: time.Minute,
			})
			ann := visit{"ann", ""}
			n := countAllowed(t, lo, ann, 1)
			time.Sleep(59 * time.Second)
			n += countAllowed(t, lo, ann, 10)
			time.Sleep(time.Second)
			if n += countAllowed(t, lo, ann, 11); n != 20 {
				t.Errorf("%d are allowed, all but the first within a second; want 20", n)
			}
		})
	})
}

// A caller that always asks for more gets Count in each Period on average.
func TestCountAreAllowedInEachPeriodOnAverage(t *testing.T) {
	for name, algorithm := range algorithms {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				lo := lockoutByID(t, cacheOf(t, must(memory.New(nil))), lockout.Counter[visit]{
					Count: 10, Period: time.Minute, Algorithm: algorithm,
				})
				n := 0
				for range 100 * 60 * 5 {
					n += countAllowed(t, lo, visit{"ann", ""}, 1)
					time.Sleep(200 * time.Millisecond)
				}
				if n < 990 || n > 1010 {
					t.Errorf("%d are allowed in 100 periods of 10", n)
				}
			})
		})
	}
}

func TestACounterWithoutALockRefusesWhileThereIsNoRoom(t *testing.T) {
	for name, algorithm := range algorithms {
		t.Run(name, func(t *testing.T) {
			onAll(t, func(t *testing.T, c *core.Cache) {
				lo := lockoutByID(t, c, lockout.Counter[visit]{
					Count: 3, Period: longPeriod, Algorithm: algorithm,
				})
				ann := visit{"ann", ""}
				if !forbiddenAfterFailures(t, lo, ann, 3) {
					t.Error("after three failures, Forbid does not refuse")
				}
				wantErr(t, lo.Forbid(t.Context(), visit{"bob", ""}), nil)
				ok, err := lo.Take(t.Context(), ann, result(true))
				if ok || !errors.Is(err, lockout.ErrLocked) {
					t.Errorf("Take = %v, %v", ok, err)
				}
				wantErr(t, lo.Reset(t.Context(), ann), nil)
				if forbiddenAfterFailures(t, lo, ann, 2) {
					t.Error("after two failures, Forbid refuses")
				}
			})
		})
	}
}

func TestLocksAreTheSameWithAllAlgorithms(t *testing.T) {
	for name, algorithm := range algorithms {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testLocks(t, algorithm) })
		})
	}
}

func testLocks(t *testing.T, algorithm lockout.Algorithm) {
	var events []lockout.Event
	lo := lockoutByID(t, cacheOf(t, must(memory.New(nil))), lockout.Counter[visit]{
		Count: 3, Period: time.Minute, Duration: 10 * time.Minute, Algorithm: algorithm,
		Alert: func(_ context.Context, _ visit, e lockout.Event) { events = append(events, e) },
	})
	ann := visit{"ann", ""}
	wantEvents := func(n int, until time.Time) {
		t.Helper()
		want := lockout.Event{Lockout: "api", Counter: "by_id", Count: 3, Until: until}
		if len(events) != n || events[n-1] != want {
			t.Errorf("events are %+v, want %d, the last one %+v", events, n, want)
		}
	}
	if !forbiddenAfterFailures(t, lo, ann, 3) {
		t.Error("three failures set no lock")
	}
	until := time.Now().Add(10 * time.Minute)
	wantEvents(1, until)
	time.Sleep(time.Until(until) - 1)
	wantErr(t, lo.Forbid(t.Context(), ann), lockout.ErrLocked)
	time.Sleep(time.Nanosecond)
	if n := countAllowed(t, lo, ann, 4); n != 3 {
		t.Errorf("%d are allowed after the lock, want 3", n)
	}
	wantEvents(2, time.Now().Add(10*time.Minute))
	time.Sleep(10 * time.Minute)
	for range 3 {
		if ok, err := lo.Take(t.Context(), ann, result(false)); ok || err != nil {
			t.Errorf("Take = %v, %v", ok, err)
		}
	}
	wantEvents(3, time.Now().Add(10*time.Minute))
	ok, err := lo.Take(t.Context(), ann, result(true))
	if ok || !errors.Is(err, lockout.ErrLocked) {
		t.Errorf("Take = %v, %v", ok, err)
	}
}

// Of many concurrent callers, none is lost, and no more than Count pass.
func TestConcurrentCallersAreCountedExactly(t *testing.T) {
	for name, algorithm := range algorithms {
		t.Run(name, func(t *testing.T) {
			onAll(t, func(t *testing.T, c *core.Cache) { testConcurrentCallers(t, c, algorithm) })
		})
	}
}

func testConcurrentCallers(t *testing.T, c *core.Cache, algorithm lockout.Algorithm) {
	var alerts, passed atomic.Int64
	counter := lockout.Counter[visit]{
		Count: 50, Period: longPeriod, Duration: time.Hour, Algorithm: algorithm,
		Alert: func(context.Context, visit, lockout.Event) { alerts.Add(1) },
	}
	one, other := lockoutByID(t, c, counter), lockoutByID(t, c, counter)
	var all sync.WaitGroup
	for i := range 400 {
		lo := one
		if i%2 == 0 {
			lo = other
		}
		all.Go(func() {
			if err := lo.Allow(context.Background(), visit{"ann", ""}); err == nil {
				passed.Add(1)
			} else {
				wantErr(t, err, lockout.ErrLocked)
			}
			_, err := lo.Take(context.Background(), visit{"bob", ""}, result(true))
			if err != nil {
				wantErr(t, err, lockout.ErrLocked)
			}
			if i < 49 {
				wantErr(t, lo.Incr(context.Background(), visit{"eve", ""}), nil)
			}
		})
	}
	all.Wait()
	if passed.Load() != 50 || alerts.Load() != 1 {
		t.Errorf("%d passed, want 50; %d alerts, want 1", passed.Load(), alerts.Load())
	}
	for id, want := range map[string]uint64{"bob": 0, "eve": 49} {
		status, err := one.Status(t.Context(), visit{id, ""})
		if err != nil || status[0].Count != want || status[0].Locked {
			t.Errorf("%s: %+v, %v; want %d counted", id, status, err, want)
		}
	}
}

// If a process has died after it reached Count, and before it set the lock, the next Incr
// sets the lock.
func TestIncrSetsALockThatIsMissing(t *testing.T) {
	onAll(t, func(t *testing.T, c *core.Cache) {
		alerts := 0
		lo := lockoutByID(t, c, lockout.Counter[visit]{
			Count: 3, Period: time.Hour, Duration: time.Hour,
			Alert: func(context.Context, visit, lockout.Event) { alerts++ },
		})
		wantErr(t, c.Set(t.Context(), "c:api:ann", []byte("3"), time.Hour), nil)
		wantErr(t, lo.Incr(t.Context(), visit{"ann", ""}), nil)
		wantErr(t, lo.Forbid(t.Context(), visit{"ann", ""}), lockout.ErrLocked)
		if alerts != 1 {
			t.Errorf("%d alerts, want 1", alerts)
		}
	})
}

func TestEachLockInARowLastsTwiceAsLongUpToMaxDuration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lo := lockoutByID(t, cacheOf(t, must(memory.New(nil))), lockout.Counter[visit]{
			Count: 2, Period: time.Minute,
			Duration: 10 * time.Minute, MaxDuration: 50 * time.Minute,
		})
		ann := visit{"ann", ""}
		wantLocks := func(take bool, want ...time.Duration) {
			t.Helper()
			for i, d := range want {
				for range 2 {
					if take {
						_, err := lo.Take(t.Context(), ann, result(false))
						wantErr(t, err, nil)
					} else {
						signInUnlessForbidden(t, lo, ann, false)
					}
				}
				status, err := lo.Status(t.Context(), ann)
				if wantErr(t, err, nil); !status[0].Until.Equal(time.Now().Add(d)) {
					t.Errorf("lock %d lasts %v, want %v", i, time.Until(status[0].Until), d)
				}
				time.Sleep(d - 1)
				wantErr(t, lo.Forbid(t.Context(), ann), lockout.ErrLocked)
				time.Sleep(time.Nanosecond)
				wantErr(t, lo.Forbid(t.Context(), ann), nil)
			}
		}
		const m = time.Minute
		wantLocks(false, 10*m, 20*m, 40*m, 50*m, 50*m)
		time.Sleep(50*m - time.Second)
		wantLocks(true, 50*m)
		time.Sleep(50 * m) // ends the row
		wantLocks(true, 10*m, 20*m)
		wantErr(t, lo.Reset(t.Context(), ann), nil)
		wantLocks(false, 10*m)
	})
}

func TestAnActionReplacesTheErrorOrLetsTheCallerPass(t *testing.T) {
	errTeapot := errors.New("teapot")
	c := cacheOf(t, must(memory.New(nil)))
	var seen []visit
	action := func(_ context.Context, v visit, locked *lockout.LockedError) error {
		if seen = append(seen, v); locked.Counter != "by_id" {
			t.Errorf("locked by %q, want by_id", locked.Counter)
		}
		return errTeapot
	}
	locker, err := lockout.New(c, terms, &lockout.Options[visit]{Action: action})
	wantErr(t, err, nil)
	lo, err := locker.Define("sign in", lockout.Terms[visit]{"by_id": {Count: 1}})
	wantErr(t, err, nil)
	ann := visit{"ann", "192.0.2.1"}
	wantErr(t, lo.Forbid(t.Context(), ann), nil)
	wantErr(t, lo.Incr(t.Context(), ann), nil)
	wantErr(t, lo.Forbid(t.Context(), ann), errTeapot)
	wantErr(t, lo.Allow(t.Context(), ann), errTeapot)
	_, err = lo.Take(t.Context(), ann, result(true))
	wantErr(t, err, errTeapot)
	if len(seen) != 3 || seen[0] != ann {
		t.Errorf("the action was called with %v, want %v three times", seen, ann)
	}
	trial := lo.WithAction(func(context.Context, visit, *lockout.LockedError) error { return nil })
	wantErr(t, trial.Forbid(t.Context(), ann), nil)
	wantErr(t, trial.Allow(t.Context(), ann), nil)
	done := false
	_, err = trial.Take(t.Context(), ann, func(context.Context) (bool, error) {
		done = true
		return false, nil
	})
	if wantErr(t, err, nil); !done {
		t.Error("Take did not call do")
	}
	wantErr(t, lo.WithAction(nil).Forbid(t.Context(), ann), lockout.ErrLocked)
	wantErr(t, lo.Forbid(t.Context(), ann), errTeapot)
}

// A client must not escape the counter by sending a key that no cache accepts.
func TestAnyKeyButTheEmptyOneIsCounted(t *testing.T) {
	tooLong := strings.Repeat("a", 2*core.MaxKeyLen)
	onAll(t, func(t *testing.T, c *core.Cache) {
		lo := lockoutByID(t, c, lockout.Counter[visit]{Count: 2, Period: time.Hour})
		for _, id := range []string{tooLong, "a b\n\x00\xff", tooLong + "b"} {
			if n := countAllowed(t, lo, visit{id, ""}, 3); n != 2 {
				t.Errorf("%.20q: %d are allowed, want 2", id, n)
			}
		}
		if n := countAllowed(t, lo, visit{"", ""}, 3); n != 3 {
			t.Errorf("with an empty key, %d are allowed, want 3", n)
		}
	})
}
