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
	"fixed window": lockout.FixedWindow, "sliding window": lockout.SlidingWindow, "token bucket": lockout.TokenBucket,
}

// long is a period that does not end while a test runs, wherever the windows begin.
const long = 40 * 365 * 24 * time.Hour

// limit answers a lockout with one counter by id.
func limit(t testing.TB, c *core.Cache, counter lockout.Counter[visit]) *lockout.Lockout[visit] {
	t.Helper()
	counter.Key = func(v visit) string { return v.id }
	locker, err := lockout.New(c, lockout.Terms[visit]{"by_id": counter}, nil)
	wantErr(t, err, nil)
	lo, err := locker.Define("api", lockout.Terms[visit]{"by_id": {}})
	wantErr(t, err, nil)
	return lo
}

// allowed tells how many of n are.
func allowed(t testing.TB, lo *lockout.Lockout[visit], v visit, n int) (ok int) {
	t.Helper()
	for range n {
		err := lo.Allow(t.Context(), v)
		if err == nil {
			ok++
			continue
		}
		wantErr(t, err, lockout.ErrLocked)
	}
	return ok
}

// The times at which there is room are those that the package tells, to the nanosecond.
func TestRoomComesWhenItWasSaid(t *testing.T) {
	for name, algorithm := range algorithms {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				lo := limit(t, cacheOf(t, must(memory.New(nil))), lockout.Counter[visit]{Count: 6, Period: time.Minute, Algorithm: algorithm})
				ann := visit{"ann", ""}
				time.Sleep(13*time.Second + 7)
				for round := range 20 {
					if n := allowed(t, lo, ann, 10); n == 0 || round == 0 && n != 6 {
						t.Fatalf("round %d: %d are allowed", round, n)
					}
					var locked *lockout.LockedError
					if err := lo.Forbid(t.Context(), ann); !errors.As(err, &locked) {
						t.Fatalf("Forbid: %v", err)
					}
					status, err := lo.Status(t.Context(), ann)
					if want := (lockout.Status{Counter: "by_id", Count: 6, Limit: 6, Locked: true, Until: locked.Until}); err != nil || status[0] != want {
						t.Errorf("Status = %+v, %v; want %+v", status, err, want)
					}
					var again *lockout.LockedError
					if err := lo.Allow(t.Context(), ann); !errors.As(err, &again) || *again != *locked {
						t.Errorf("Allow: %v, Forbid: %v", err, locked)
					}
					time.Sleep(time.Until(locked.Until) - 1)
					wantErr(t, lo.Forbid(t.Context(), ann), lockout.ErrLocked)
					if n := allowed(t, lo, ann, 1); n != 0 {
						t.Error("there is room before the time")
					}
					time.Sleep(time.Nanosecond)
					wantErr(t, lo.Forbid(t.Context(), ann), nil)
				}
			})
		})
	}
}

// What the documentation says of the edges.
func TestTheEdges(t *testing.T) {
	for name, tt := range map[string]struct {
		begin time.Duration // into a minute: when ten come
		most  int           // allowed within the minute that begins then, of those that come each 10 ms
	}{
		"fixed window":   {59 * time.Second, 10}, // the ten only
		"sliding window": {59900 * time.Millisecond, 20},
		"token bucket":   {30 * time.Second, 19},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				lo := limit(t, cacheOf(t, must(memory.New(nil))), lockout.Counter[visit]{Count: 10, Period: time.Minute, Algorithm: algorithms[name]})
				ann := visit{"ann", ""}
				time.Sleep(tt.begin)
				n := allowed(t, lo, ann, 10)
				for range 5999 {
					time.Sleep(10 * time.Millisecond)
					n += allowed(t, lo, ann, 1)
				}
				if n != tt.most {
					t.Errorf("%d are allowed within a minute, want %d", n, tt.most)
				}
			})
		})
	}
	t.Run("fixed window, around its end", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			lo := limit(t, cacheOf(t, must(memory.New(nil))), lockout.Counter[visit]{Count: 10, Period: time.Minute})
			ann := visit{"ann", ""}
			n := allowed(t, lo, ann, 1)
			time.Sleep(59 * time.Second)
			n += allowed(t, lo, ann, 10)
			time.Sleep(time.Second)
			if n += allowed(t, lo, ann, 11); n != 20 {
				t.Errorf("%d are allowed, all but the first within a second; want 20", n)
			}
		})
	})
}

// Over a long time nobody gets more than Count in a Period, on the average, nor less if he
// asks for more.
func TestTheLongRun(t *testing.T) {
	for name, algorithm := range algorithms {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				lo := limit(t, cacheOf(t, must(memory.New(nil))), lockout.Counter[visit]{Count: 10, Period: time.Minute, Algorithm: algorithm})
				n := 0
				for range 100 * 60 * 5 {
					n += allowed(t, lo, visit{"ann", ""}, 1)
					time.Sleep(200 * time.Millisecond)
				}
				if n < 990 || n > 1010 {
					t.Errorf("%d are allowed in 100 periods of 10", n)
				}
			})
		})
	}
}

// Guard and a counter without a lock: refused as long as there is no room.
func TestGuardWithoutLock(t *testing.T) {
	for name, algorithm := range algorithms {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, c *core.Cache) {
				lo := limit(t, c, lockout.Counter[visit]{Count: 3, Period: long, Algorithm: algorithm})
				ann := visit{"ann", ""}
				if !fails(t, lo, ann, 3) {
					t.Error("three failures do not refuse")
				}
				wantErr(t, lo.Forbid(t.Context(), visit{"bob", ""}), nil)
				if ok, err := lo.Take(t.Context(), ann, answer(true)); ok || !errors.Is(err, lockout.ErrLocked) {
					t.Errorf("Take = %v, %v", ok, err)
				}
				wantErr(t, lo.Reset(t.Context(), ann), nil)
				if fails(t, lo, ann, 2) {
					t.Error("two failures refuse")
				}
			})
		})
	}
}

// With a lock, all algorithms lock out alike.
func TestLocksOfAllAlgorithms(t *testing.T) {
	for name, algorithm := range algorithms {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var events []lockout.Event
				lo := limit(t, cacheOf(t, must(memory.New(nil))), lockout.Counter[visit]{
					Count: 3, Period: time.Minute, Duration: 10 * time.Minute, Algorithm: algorithm,
					Alert: func(_ context.Context, _ visit, e lockout.Event) { events = append(events, e) },
				})
				ann := visit{"ann", ""}
				wantEvents := func(n int, until time.Time) {
					t.Helper()
					if want := (lockout.Event{Lockout: "api", Counter: "by_id", Count: 3, Until: until}); len(events) != n || events[n-1] != want {
						t.Errorf("events %+v, want %d, the last %+v", events, n, want)
					}
				}
				if !fails(t, lo, ann, 3) {
					t.Error("three failures set no lock")
				}
				until := time.Now().Add(10 * time.Minute)
				wantEvents(1, until)
				time.Sleep(time.Until(until) - 1)
				wantErr(t, lo.Forbid(t.Context(), ann), lockout.ErrLocked)
				time.Sleep(time.Nanosecond)
				if n := allowed(t, lo, ann, 4); n != 3 {
					t.Errorf("%d are allowed after the lock", n)
				}
				wantEvents(2, time.Now().Add(10*time.Minute))
				time.Sleep(10 * time.Minute)
				for range 3 {
					if ok, err := lo.Take(t.Context(), ann, answer(false)); ok || err != nil {
						t.Errorf("Take = %v, %v", ok, err)
					}
				}
				wantEvents(3, time.Now().Add(10*time.Minute))
				if ok, err := lo.Take(t.Context(), ann, answer(true)); ok || !errors.Is(err, lockout.ErrLocked) {
					t.Errorf("Take = %v, %v", ok, err)
				}
			})
		})
	}
}

// Who is counted at once with others is neither lost nor let in beyond the count.
func TestManyAtOnce(t *testing.T) {
	for name, algorithm := range algorithms {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, c *core.Cache) {
				var alerts, past atomic.Int64
				counter := lockout.Counter[visit]{Count: 50, Period: long, Duration: time.Hour, Algorithm: algorithm,
					Alert: func(context.Context, visit, lockout.Event) { alerts.Add(1) }}
				one, other := limit(t, c, counter), limit(t, c, counter)
				var all sync.WaitGroup
				for i := range 400 {
					lo := one
					if i%2 == 0 {
						lo = other
					}
					all.Go(func() {
						if err := lo.Allow(context.Background(), visit{"ann", ""}); err == nil {
							past.Add(1)
						} else {
							wantErr(t, err, lockout.ErrLocked)
						}
						_, err := lo.Take(context.Background(), visit{"bob", ""}, answer(true))
						if err != nil {
							wantErr(t, err, lockout.ErrLocked)
						}
						if i < 49 {
							wantErr(t, lo.Incr(context.Background(), visit{"eve", ""}), nil)
						}
					})
				}
				all.Wait()
				if past.Load() != 50 || alerts.Load() != 1 {
					t.Errorf("%d of 50 are past, %d alerts", past.Load(), alerts.Load())
				}
				for id, want := range map[string]uint64{"bob": 0, "eve": 49} {
					status, err := one.Status(t.Context(), visit{id, ""})
					if err != nil || status[0].Count != want || status[0].Locked {
						t.Errorf("%s: %+v, %v; want %d counted", id, status, err, want)
					}
				}
			})
		})
	}
}

// Of a counter that has passed its limit when its process died, the next one sets the lock.
func TestNoLockIsLost(t *testing.T) {
	onBoth(t, func(t *testing.T, c *core.Cache) {
		alerts := 0
		lo := limit(t, c, lockout.Counter[visit]{Count: 3, Period: time.Hour, Duration: time.Hour,
			Alert: func(context.Context, visit, lockout.Event) { alerts++ }})
		wantErr(t, c.Set(t.Context(), "c:api:ann", []byte("3"), time.Hour), nil)
		wantErr(t, lo.Incr(t.Context(), visit{"ann", ""}), nil)
		wantErr(t, lo.Forbid(t.Context(), visit{"ann", ""}), lockout.ErrLocked)
		if alerts != 1 {
			t.Errorf("%d alerts", alerts)
		}
	})
}

// With MaxDuration, each lock in a row lasts twice as long as the one before.
func TestLocksInARow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lo := limit(t, cacheOf(t, must(memory.New(nil))), lockout.Counter[visit]{
			Count: 2, Period: time.Minute, Duration: 10 * time.Minute, MaxDuration: 50 * time.Minute,
		})
		ann := visit{"ann", ""}
		locks := func(take bool, want ...time.Duration) {
			t.Helper()
			for i, d := range want {
				for range 2 {
					if take {
						_, err := lo.Take(t.Context(), ann, answer(false))
						wantErr(t, err, nil)
					} else {
						try(t, lo, ann, false)
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
		locks(false, 10*time.Minute, 20*time.Minute, 40*time.Minute, 50*time.Minute, 50*time.Minute)
		time.Sleep(50*time.Minute - time.Second)
		locks(true, 50*time.Minute)
		time.Sleep(50 * time.Minute) // which ends the row
		locks(true, 10*time.Minute, 20*time.Minute)
		wantErr(t, lo.Reset(t.Context(), ann), nil)
		locks(false, 10*time.Minute)
	})
}

// An action takes the place of the LockedError, or lets pass.
func TestAction(t *testing.T) {
	errTeapot := errors.New("teapot")
	c := cacheOf(t, must(memory.New(nil)))
	var seen []visit
	locker, err := lockout.New(c, terms, &lockout.Options[visit]{Action: func(_ context.Context, v visit, locked *lockout.LockedError) error {
		if seen = append(seen, v); locked.Counter != "by_id" {
			t.Errorf("locked by %q", locked.Counter)
		}
		return errTeapot
	}})
	wantErr(t, err, nil)
	lo, err := locker.Define("sign in", lockout.Terms[visit]{"by_id": {Count: 1}})
	wantErr(t, err, nil)
	ann := visit{"ann", "192.0.2.1"}
	wantErr(t, lo.Forbid(t.Context(), ann), nil)
	wantErr(t, lo.Incr(t.Context(), ann), nil)
	wantErr(t, lo.Forbid(t.Context(), ann), errTeapot)
	wantErr(t, lo.Allow(t.Context(), ann), errTeapot)
	_, err = lo.Take(t.Context(), ann, answer(true))
	wantErr(t, err, errTeapot)
	if len(seen) != 3 || seen[0] != ann {
		t.Errorf("the action saw %v", seen)
	}
	trial := lo.WithAction(func(context.Context, visit, *lockout.LockedError) error { return nil })
	wantErr(t, trial.Forbid(t.Context(), ann), nil)
	wantErr(t, trial.Allow(t.Context(), ann), nil)
	done := false
	_, err = trial.Take(t.Context(), ann, func(context.Context) (bool, error) { done = true; return false, nil })
	if wantErr(t, err, nil); !done {
		t.Error("Take did not let pass")
	}
	wantErr(t, lo.WithAction(nil).Forbid(t.Context(), ann), lockout.ErrLocked)
	wantErr(t, lo.Forbid(t.Context(), ann), errTeapot)
}

// What a client sends cannot be so long that it is not counted.
func TestALongKeyIsCounted(t *testing.T) {
	onBoth(t, func(t *testing.T, c *core.Cache) {
		lo := limit(t, c, lockout.Counter[visit]{Count: 2, Period: time.Hour})
		for _, id := range []string{strings.Repeat("a", 2*core.MaxKeyLen), "a b\n\x00\xff", strings.Repeat("a", 2*core.MaxKeyLen) + "b"} {
			if n := allowed(t, lo, visit{id, ""}, 3); n != 2 {
				t.Errorf("%.20q: %d are allowed, want 2", id, n)
			}
		}
		if n := allowed(t, lo, visit{"", ""}, 3); n != 3 {
			t.Errorf("%d that nothing counts are allowed", n)
		}
	})
}
