package lockout_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/lockout"
)

// All verbs report the same time at which there is room. It is exact to the nanosecond.
func TestThereIsRoomAtTheTimeThatIsReported(t *testing.T) {
	for name, algorithm := range algorithms {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testReportedTimes(t, algorithm) })
		})
	}
}

func testReportedTimes(t *testing.T, algorithm lockout.Algorithm) {
	rate := lockout.Rate{Count: 6, Period: time.Minute, Algorithm: algorithm}
	l := byIDOnly(t, inMemory(t), rate, 0)
	time.Sleep(13*time.Second + 7)
	for round := range 20 {
		if n := countAllowed(t, l, ann, 10); n == 0 || round == 0 && n != 6 {
			t.Fatalf("round %d: %d are allowed", round, n)
		}
		locked := refusalOf(t, l.Check(t.Context(), ann))
		status, err := l.Status(t.Context(), ann)
		want := lockout.Status{Rule: "by_id", Count: 6, Limit: 6, Locked: true, Until: locked.Until}
		if err != nil || status[0] != want {
			t.Errorf("Status = %+v, %v; want %+v", status, err, want)
		}
		if again := refusalOf(t, l.Allow(t.Context(), ann)); *again != *locked {
			t.Errorf("Allow: %v, Check: %v", again, locked)
		}
		time.Sleep(time.Until(locked.Until) - 1)
		wantErr(t, l.Check(t.Context(), ann), lockout.ErrLocked)
		if n := countAllowed(t, l, ann, 1); n != 0 {
			t.Error("there is room before the time")
		}
		time.Sleep(time.Nanosecond)
		wantErr(t, l.Check(t.Context(), ann), nil)
	}
}

// The documentation of each Algorithm has these numbers, for a Count of 10.
func TestNoMoreThanDocumentedAreAllowedWithinAPeriod(t *testing.T) {
	for name, tt := range map[string]struct {
		algorithm lockout.Algorithm
		burst     uint64

		// begin is when ten come at once, counted from the start of a minute. After them,
		// one comes every 10 ms. most is how many are allowed within a minute from begin.
		begin time.Duration
		most  int
	}{
		"fixed window":                 {lockout.FixedWindow, 0, 59900 * time.Millisecond, 20},
		"sliding window":               {lockout.SlidingWindow, 0, 59900 * time.Millisecond, 20},
		"token bucket":                 {lockout.TokenBucket, 0, 30 * time.Second, 19},
		"token bucket, a small burst":  {lockout.TokenBucket, 3, 30 * time.Second, 12},
		"token bucket, a larger burst": {lockout.TokenBucket, 15, 30 * time.Second, 24},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := byIDOnly(t, inMemory(t), lockout.Rate{
					Count: 10, Period: time.Minute, Algorithm: tt.algorithm, Burst: tt.burst,
				}, 0)
				time.Sleep(tt.begin)
				n := countAllowed(t, l, ann, 10)
				for range 5999 {
					time.Sleep(10 * time.Millisecond)
					n += countAllowed(t, l, ann, 1)
				}
				if n != tt.most {
					t.Errorf("%d are allowed within a minute, want %d", n, tt.most)
				}
			})
		})
	}
}

// A caller that always asks for more gets Count in each Period on average.
func TestCountAreAllowedInEachPeriodOnAverage(t *testing.T) {
	for name, algorithm := range algorithms {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rate := lockout.Rate{Count: 10, Period: time.Minute, Algorithm: algorithm}
				l := byIDOnly(t, inMemory(t), rate, 0)
				n := 0
				for range 100 * 60 * 5 {
					n += countAllowed(t, l, ann, 1)
					time.Sleep(200 * time.Millisecond)
				}
				if n < 990 || n > 1010 {
					t.Errorf("%d are allowed in 100 periods of 10", n)
				}
			})
		})
	}
}

// memcached counts whole seconds, and keeps an item for up to four seconds longer. A window
// must not become longer because of that.
func TestAShortWindowIsExactOnMemcached(t *testing.T) {
	const count = 10
	for _, period := range []time.Duration{300 * time.Millisecond, time.Second} {
		for name, algorithm := range algorithms {
			t.Run(name+", "+period.String(), func(t *testing.T) {
				t.Parallel()
				rate := lockout.Rate{Count: count, Period: period, Algorithm: algorithm}
				l := byIDOnly(t, memcached(t), rate, 0)
				begin, n := time.Now(), 0
				for time.Since(begin) < 3*period {
					n += countAllowed(t, l, ann, 1)
				}
				// Three periods have parts of four windows. A bucket has room for count at
				// first, and a sliding window for fewer at the end.
				most := int(count * (time.Since(begin)/period + 2))
				if n < 2*count || n > most || algorithm == lockout.FixedWindow && n < 3*count {
					t.Errorf("%d are allowed in three periods of %d, want at most %d",
						n, count, most)
				}
			})
		}
	}
}

func TestARuleWithoutALockRefusesWhileThereIsNoRoom(t *testing.T) {
	for name, algorithm := range algorithms {
		t.Run(name, func(t *testing.T) {
			onAll(t, func(t *testing.T, c *core.Cache) {
				rate := lockout.Rate{Count: 3, Period: longPeriod, Algorithm: algorithm}
				l := byIDOnly(t, c, rate, 0)
				if !fail(t, l, ann, 3) {
					t.Error("after three failures, Check does not refuse")
				}
				wantErr(t, l.Check(t.Context(), bob), nil)
				_, err := l.Guard(t.Context(), ann, func(context.Context) (bool, error) {
					t.Error("Guard called do")
					return true, nil
				})
				wantErr(t, err, lockout.ErrLocked)
				wantErr(t, l.Reset(t.Context(), ann), nil)
				if fail(t, l, ann, 2) {
					t.Error("after two failures, Check refuses")
				}
			})
		})
	}
}

func TestAllowNCountsAllOrNothing(t *testing.T) {
	for name, algorithm := range algorithms {
		t.Run(name, func(t *testing.T) {
			onAll(t, func(t *testing.T, c *core.Cache) {
				rate := lockout.Rate{Count: 10, Period: longPeriod, Algorithm: algorithm}
				l := byIDOnly(t, c, rate, 0)
				wantErr(t, l.AllowN(t.Context(), ann, 7), nil)
				wantErr(t, l.AllowN(t.Context(), ann, 4), lockout.ErrLocked)
				wantCounts(t, l, ann, 7)
				wantErr(t, l.AllowN(t.Context(), ann, 3), nil)
				wantErr(t, l.AllowN(t.Context(), ann, 0), nil)
				wantErr(t, l.AllowN(t.Context(), ann, 1), lockout.ErrLocked)
				wantErr(t, l.Check(t.Context(), ann), lockout.ErrLocked)
				wantCounts(t, l, ann, 10)
				wantErr(t, l.AllowN(t.Context(), bob, 0), nil)
				for _, n := range []uint64{11, 1 << 40, 1<<64 - 1} {
					err := l.AllowN(t.Context(), bob, n)
					if locked := refusalOf(t, err); !locked.Until.IsZero() {
						t.Errorf("%d: %v, want one that never ends", n, locked)
					}
				}
				wantErr(t, l.Add(t.Context(), bob, 1<<64-1), nil) // fills the counter
				wantCounts(t, l, bob, 10)
				wantErr(t, l.Allow(t.Context(), bob), lockout.ErrLocked)
			})
		})
	}
}

// The time in a refusal is the time at which n more fit, and not only one.
func TestAllowNHasRoomAtTheTimeThatIsReported(t *testing.T) {
	for name, algorithm := range algorithms {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := rand.New(rand.NewPCG(9, 10))
				rate := lockout.Rate{Count: 12, Period: time.Minute, Algorithm: algorithm}
				l := byIDOnly(t, inMemory(t), rate, 0)
				for range 200 {
					n := 1 + r.Uint64N(12)
					err := l.AllowN(t.Context(), ann, n)
					if err == nil {
						time.Sleep(time.Duration(r.Int64N(int64(10 * time.Second))))
						continue
					}
					time.Sleep(time.Until(refusalOf(t, err).Until) - 1)
					wantErr(t, l.AllowN(t.Context(), ann, n), lockout.ErrLocked)
					time.Sleep(time.Nanosecond)
					wantErr(t, l.AllowN(t.Context(), ann, n), nil)
				}
			})
		})
	}
}

// An n that does not fit sets no lock: the rate is not used up.
func TestOnlyAFullCounterSetsALock(t *testing.T) {
	for name, algorithm := range algorithms {
		t.Run(name, func(t *testing.T) {
			rate := lockout.Rate{Count: 10, Period: longPeriod, Algorithm: algorithm}
			l := byIDOnly(t, inMemory(t), rate, time.Hour)
			wantErr(t, l.AllowN(t.Context(), ann, 7), nil)
			for _, n := range []uint64{4, 11} {
				wantErr(t, l.AllowN(t.Context(), ann, n), lockout.ErrLocked)
			}
			wantErr(t, l.Check(t.Context(), ann), nil)
			wantErr(t, l.AllowN(t.Context(), ann, 3), nil)
			wantErr(t, l.Check(t.Context(), ann), lockout.ErrLocked)
		})
	}
}

func TestCostSaysWhatACallerCountsFor(t *testing.T) {
	l := newLockout(t, inMemory(t), "api", &lockout.Options[visit]{
		Cost: func(v visit) uint64 { n, _ := strconv.ParseUint(v.ip, 10, 64); return n },
	}, lockout.Rule[visit]{Name: "by_id", Key: byID, Rate: per(longPeriod, 10), Keep: true})
	of := func(n string) visit { return visit{"ann", n} }
	wantErr(t, l.Allow(t.Context(), of("4")), nil)
	_, err := l.Guard(t.Context(), of("3"), result(false))
	wantErr(t, err, nil)
	_, err = l.Guard(t.Context(), of("3"), result(true)) // does not count
	wantErr(t, err, nil)
	_, err = l.Quota(t.Context(), of("2"), result(true))
	wantErr(t, err, nil)
	wantCounts(t, l, of("1"), 9)
	wantErr(t, l.Check(t.Context(), of("2")), lockout.ErrLocked)
	wantErr(t, l.Check(t.Context(), of("1")), nil)
	wantErr(t, l.Allow(t.Context(), of("2")), lockout.ErrLocked)
	wantErr(t, l.Allow(t.Context(), of("1")), nil)
}

// All of many concurrent callers are counted, and no more than Count pass.
func TestConcurrentCallersAreCountedExactly(t *testing.T) {
	for name, algorithm := range algorithms {
		t.Run(name, func(t *testing.T) {
			onAll(t, func(t *testing.T, c *core.Cache) { testConcurrentCallers(t, c, algorithm) })
		})
	}
}

func testConcurrentCallers(t *testing.T, c *core.Cache, algorithm lockout.Algorithm) {
	var alerts, passed, passedPlain atomic.Int64
	newOne := func(name string, lock time.Duration) *lockout.Lockout[visit] {
		return newLockout(t, c, name, &lockout.Options[visit]{
			Alert: func(context.Context, visit, lockout.Event) { alerts.Add(1) },
		}, lockout.Rule[visit]{
			Name: "by_id", Key: byID, Lock: lock,
			Rate: lockout.Rate{Count: 50, Period: longPeriod, Algorithm: algorithm},
		})
	}
	locks := []*lockout.Lockout[visit]{newOne("api", time.Hour), newOne("api", time.Hour)}
	plain := []*lockout.Lockout[visit]{newOne("plain", 0), newOne("plain", 0)}
	var all sync.WaitGroup
	count := func(l *lockout.Lockout[visit], v visit, passed *atomic.Int64) {
		if err := l.Allow(context.Background(), v); err == nil {
			passed.Add(1)
		} else {
			wantErr(t, err, lockout.ErrLocked)
		}
	}
	for i := range 400 {
		all.Go(func() {
			l := locks[i%2]
			count(l, ann, &passed)
			count(plain[i%2], ann, &passedPlain)
			_, err := l.Guard(context.Background(), bob, result(true))
			if err != nil {
				wantErr(t, err, lockout.ErrLocked)
			}
			if i < 49 {
				wantErr(t, l.Add(context.Background(), visit{"eve", ""}, 1), nil)
			}
		})
	}
	all.Wait()
	if passed.Load() != 50 || passedPlain.Load() != 50 || alerts.Load() != 1 {
		t.Errorf("%d and %d passed, want 50; %d alerts, want 1",
			passed.Load(), passedPlain.Load(), alerts.Load())
	}
	wantCounts(t, locks[0], bob, 0)
	wantCounts(t, locks[0], visit{"eve", ""}, 49)
	wantErr(t, locks[0].Check(t.Context(), bob), nil)
	wantCounts(t, plain[0], ann, 50)
}

// A caller waits for the cache, and others are counted meanwhile. It gets the room that is
// left at the time of the reply, and not at the time of the request.
func TestACallerThatWaitsForTheCacheGetsTheRoomThatIsLeft(t *testing.T) {
	for name, algorithm := range algorithms {
		for _, rules := range []int{1, 2} {
			for _, lock := range []time.Duration{0, time.Hour} {
				t.Run(fmt.Sprintf("%s, %d rules, lock %v", name, rules, lock), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						c, b := hookedCache(t)
						rate := lockout.Rate{Count: 3, Period: longPeriod, Algorithm: algorithm}
						l := newLockout(t, c, "api", nil, []lockout.Rule[visit]{
							{Name: "one", Key: byID, Rate: rate, Lock: lock},
							{Name: "two", Key: byID, Rate: rate, Lock: lock},
						}[:rules]...)
						for others := range 4 {
							wantErr(t, l.ResetAll(t.Context(), ann), nil)
							b.before = func(ctx context.Context, verb, _ string) error {
								b.before = nil
								time.Sleep(time.Second)
								countAllowed(t, l, ann, others)
								return nil
							}
							if n := countAllowed(t, l, ann, 5); n != 3-others {
								t.Errorf("%d are allowed after %d others, want %d",
									n, others, 3-others)
							}
						}
					})
				})
			}
		}
	}
}

// A clock that was ahead once has counted in a window that has not begun, or has moved a
// bucket into the future. Others must not wait until that time comes.
func TestAClockThatWasAheadOnceDoesNoHarm(t *testing.T) {
	for name, tt := range map[string]struct {
		algorithm lockout.Algorithm
		refused   int // at most, of 50 that are due
	}{
		"fixed window":   {lockout.FixedWindow, 0},
		"sliding window": {lockout.SlidingWindow, 0},
		"token bucket":   {lockout.TokenBucket, 2}, // until the state of the other clock expires
	} {
		for _, ahead := range []time.Duration{
			30 * time.Second, time.Minute, 90 * time.Second, 2 * time.Minute, time.Hour,
		} {
			t.Run(name+", "+ahead.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := inMemory(t)
					rate := lockout.Rate{Count: 10, Period: time.Minute, Algorithm: tt.algorithm}
					l := byIDOnly(t, c, rate, 0)
					other := byIDOnly(t, c, rate, 0)
					other.AllowAt(t.Context(), ann, time.Now().Add(ahead))
					refused := 0
					for range 50 {
						refused += 1 - countAllowed(t, l, ann, 1)
						// Nine a minute, and one from the other clock.
						time.Sleep(6700 * time.Millisecond)
					}
					if refused > tt.refused {
						t.Errorf("%d of 50 that are due are refused, want at most %d",
							refused, tt.refused)
					}
				})
			})
		}
	}
}

// Two machines whose clocks differ by less than a period allow little more than one machine
// does. If the clocks differ by more, each of them may allow as much in a window.
func TestMachinesWithDifferentClocksShareALimit(t *testing.T) {
	for name, algorithm := range algorithms {
		for _, skew := range []time.Duration{
			time.Millisecond, 100 * time.Millisecond, 500 * time.Millisecond,
			990 * time.Millisecond, 1500 * time.Millisecond, 10 * time.Second,
		} {
			t.Run(name+", "+skew.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := inMemory(t)
					rate := lockout.Rate{Count: 10, Period: time.Second, Algorithm: algorithm}
					machines := []*lockout.Lockout[visit]{
						byIDOnly(t, c, rate, 0), byIDOnly(t, c, rate, 0),
					}
					n := 0
					for i := range 10_000 { // one every 10 ms, for a hundred periods
						now := time.Now().Add(time.Duration(i%2) * skew)
						if machines[i%2].AllowAt(t.Context(), ann, now) == nil {
							n++
						}
						time.Sleep(10 * time.Millisecond)
					}
					most := 1100
					if skew > time.Second && algorithm != lockout.TokenBucket {
						most = 2100
					}
					if n > most || n < 900 {
						t.Errorf("%d are allowed in a hundred periods of 10, want at most %d",
							n, most)
					}
				})
			})
		}
	}
}
