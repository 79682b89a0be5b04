package lockout_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/lockout"
	"github.com/cachewire/cachewire/memory"
)

func TestLockByIDAndAddress(t *testing.T) {
	onAll(t, func(t *testing.T, c *core.Cache) {
		l := signIn(t, c, "by_id_ip")
		if !fail(t, l, ann, 2) {
			t.Error("two failures set no lock")
		}
		for _, other := range []visit{{"ann", "192.0.2.9"}, {"bob", "192.0.2.1"}} {
			wantErr(t, l.Check(t.Context(), other), nil)
		}
		locked := refusalOf(t, l.Check(t.Context(), ann))
		if left := time.Until(locked.Until); locked.Rule != "by_id_ip" ||
			locked.Lockout != "sign_in" ||
			left < 9*time.Minute || left > 10*time.Minute+time.Second {
			t.Errorf("Check: %v", locked)
		}
		// The key is the same as in wheezy.caching.
		ok, err := c.Exists(t.Context(), "lock:c:sign_in:by_id_ip:ann:192.0.2.1")
		if !ok || err != nil {
			t.Errorf("the lock is not under its key, %v", err)
		}
	})
}

func TestLockByIDOverSeveralAddresses(t *testing.T) {
	onAll(t, func(t *testing.T, c *core.Cache) {
		l := signIn(t, c, "by_id", "by_id_ip")
		for i := range 4 {
			v := visit{"ann", fmt.Sprint("192.0.2.", i)}
			if got := fail(t, l, v, 1); got != (i == 3) {
				t.Errorf("after failure %d: refused = %v", i+1, got)
			}
		}
		wantErr(t, l.Check(t.Context(), visit{"ann", "192.0.2.9"}), lockout.ErrLocked)
		wantErr(t, l.Check(t.Context(), bob), nil)
	})
}

func TestLockByAddressOverSeveralIDs(t *testing.T) {
	onAll(t, func(t *testing.T, c *core.Cache) {
		l := signIn(t, c, "by_ip", "by_id")
		for i := range 6 {
			v := visit{fmt.Sprint("id", i), "192.0.2.1"}
			if got := fail(t, l, v, 1); got != (i == 5) {
				t.Errorf("after failure %d: refused = %v", i+1, got)
			}
		}
		wantErr(t, l.Check(t.Context(), ann), lockout.ErrLocked)
		wantErr(t, l.Check(t.Context(), visit{"id1", "192.0.2.9"}), nil)
	})
}

func TestASuccessResetsTheRulesWithoutKeep(t *testing.T) {
	onAll(t, func(t *testing.T, c *core.Cache) {
		l := signIn(t, c, "by_id_ip", "by_ip")
		for range 5 {
			fail(t, l, ann, 1)
			if ok, err := l.Guard(t.Context(), ann, result(true)); !ok || err != nil {
				t.Errorf("Guard = %v, %v", ok, err)
			}
		}
		wantCounts(t, l, ann, 0, 5)
		if !fail(t, l, ann, 1) { // the sixth from this address
			t.Error("the rule by_ip was reset")
		}
		wantErr(t, l.Reset(t.Context(), ann), nil)
		wantErr(t, l.Check(t.Context(), ann), lockout.ErrLocked)
		wantErr(t, l.ResetAll(t.Context(), ann), nil)
		wantErr(t, l.Check(t.Context(), ann), nil)
		wantCounts(t, l, ann, 0, 0)
	})
}

func TestResetDeletesWhatWasCountedInThePeriodBefore(t *testing.T) {
	for name, algorithm := range algorithms {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rate := lockout.Rate{Count: 4, Period: time.Minute, Algorithm: algorithm}
				l := byIDOnly(t, inMemory(t), rate, 0)
				time.Sleep(50 * time.Second)
				countAllowed(t, l, ann, 4)
				time.Sleep(11 * time.Second)
				wantErr(t, l.Reset(t.Context(), ann), nil)
				if n := countAllowed(t, l, ann, 9); n != 4 {
					t.Errorf("%d are allowed after a Reset, want 4", n)
				}
			})
		})
	}
}

func TestQuotaCountsSuccesses(t *testing.T) {
	onAll(t, func(t *testing.T, c *core.Cache) {
		l := signIn(t, c, "by_id")
		for i := range 4 {
			for _, ok := range []bool{false, true} {
				if got, err := l.Quota(t.Context(), ann, result(ok)); got != ok || err != nil {
					t.Errorf("Quota = %v, %v", got, err)
				}
			}
			if i < 3 {
				wantCounts(t, l, ann, uint64(i+1))
			}
		}
		wantErr(t, l.Check(t.Context(), ann), lockout.ErrLocked)
		_, err := l.Quota(t.Context(), ann, func(context.Context) (bool, error) {
			t.Error("Quota called do")
			return true, nil
		})
		wantErr(t, err, lockout.ErrLocked)
		broken := errors.New("broken")
		fails := func(context.Context) (bool, error) { return true, broken }
		for _, call := range []guardFunc{l.Guard, l.Quota} {
			if _, err := call(t.Context(), bob, fails); err != broken {
				t.Errorf("error is %#v, want the error of do unchanged", err)
			}
		}
		wantCounts(t, l, bob, 0)
	})
}

// The verbs of wheezy.caching count afterwards: its forbid is Check, and its incr is Add.
func TestCheckAndAddCountAfterwards(t *testing.T) {
	onAll(t, func(t *testing.T, c *core.Cache) {
		l := signIn(t, c, "by_id")
		for range 3 {
			wantErr(t, l.Check(t.Context(), ann), nil)
			wantErr(t, l.Add(t.Context(), ann, 1), nil)
		}
		wantErr(t, l.Check(t.Context(), ann), nil)
		wantErr(t, l.Add(t.Context(), ann, 1), nil)
		wantErr(t, l.Check(t.Context(), ann), lockout.ErrLocked)
		wantCounts(t, l, ann, 0) // the lock is enough
		wantErr(t, l.Add(t.Context(), bob, 9), nil)
		wantErr(t, l.Check(t.Context(), bob), lockout.ErrLocked)
	})
}

func TestALockLastsAsLongAsItSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := inMemory(t)
		l := signIn(t, c, "by_id_ip")
		time.Sleep(300 * time.Millisecond)
		if !fail(t, l, ann, 2) {
			t.Fatal("two failures set no lock")
		}
		until := refusalOf(t, l.Check(t.Context(), ann)).Until
		if d := time.Until(until); d < 10*time.Minute || d >= 10*time.Minute+time.Second {
			t.Errorf("the lock lasts %v, want 10m0s or a little more", d)
		}
		time.Sleep(10*time.Minute - 1)
		wantErr(t, l.Check(t.Context(), ann), lockout.ErrLocked)
		time.Sleep(time.Nanosecond)
		wantErr(t, l.Check(t.Context(), ann), nil)

		// A Python program sets a lock, which does not say when it ends.
		err := c.Set(t.Context(), "lock:c:sign_in:by_id_ip:ann:192.0.2.1", []byte("1"), 0)
		wantErr(t, err, nil)
		if locked := refusalOf(t, l.Check(t.Context(), ann)); !locked.Until.IsZero() {
			t.Errorf("Check: %v", locked)
		}
	})
}

// The lock ends before the window in which it was set. The counter must not set it again.
func TestTheFirstCallerAfterALockIsNotLockedOutAgain(t *testing.T) {
	for name, algorithm := range algorithms {
		t.Run(name, func(t *testing.T) {
			t.Run("memory", func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					testAfterALock(t, inMemory(t), algorithm, 100*time.Minute)
				})
			})
			t.Run("memcached", func(t *testing.T) {
				if !longEnabled {
					t.Skip("it takes 8 seconds; run it with -tags long")
				}
				t.Parallel()
				testAfterALock(t, memcached(t), algorithm, 5*time.Second)
			})
		})
	}
}

func testAfterALock(
	t *testing.T, c *core.Cache, algorithm lockout.Algorithm, lock time.Duration,
) {
	alerts := 0
	l := newLockout(t, c, "api", &lockout.Options[visit]{
		Alert: func(context.Context, visit, lockout.Event) { alerts++ },
	}, lockout.Rule[visit]{
		Name: "by_id", Key: byID, Lock: lock,
		Rate: lockout.Rate{Count: 3, Period: longPeriod, Algorithm: algorithm},
	})
	if n := countAllowed(t, l, ann, 5); n != 3 {
		t.Errorf("%d are allowed, want 3", n)
	}
	for {
		err := l.Check(t.Context(), ann)
		if err == nil {
			break
		}
		// memcached lets the lock live a little longer than it says.
		time.Sleep(max(time.Until(refusalOf(t, err).Until), 20*time.Millisecond))
	}
	if n := countAllowed(t, l, ann, 1); n != 1 || alerts != 1 {
		t.Errorf("%d are allowed after the lock, want 1; %d alerts, want 1", n, alerts)
	}
}

func TestEachLockInARowLastsTwiceAsLongUpToMaxLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const m = time.Minute
		l := newLockout(t, inMemory(t), "api", nil, lockout.Rule[visit]{
			Name: "by_id", Key: byID, Rate: per(m, 2), Lock: 10 * m, MaxLock: 50 * m,
		})
		wantLocks := func(guard bool, want ...time.Duration) {
			t.Helper()
			for i, d := range want {
				for range 2 {
					if guard {
						fail(t, l, ann, 1)
					} else {
						wantErr(t, l.Add(t.Context(), ann, 1), nil)
					}
				}
				until := refusalOf(t, l.Check(t.Context(), ann)).Until
				if !until.Equal(time.Now().Add(d)) {
					t.Errorf("lock %d lasts %v, want %v", i, time.Until(until), d)
				}
				time.Sleep(d - 1)
				wantErr(t, l.Check(t.Context(), ann), lockout.ErrLocked)
				time.Sleep(time.Nanosecond)
				wantErr(t, l.Check(t.Context(), ann), nil)
			}
		}
		wantLocks(false, 10*m, 20*m, 40*m, 50*m, 50*m)
		time.Sleep(50*m - time.Second)
		wantLocks(true, 50*m)
		time.Sleep(50 * m) // ends the row
		wantLocks(true, 10*m, 20*m)
		wantErr(t, l.Reset(t.Context(), ann), nil)
		wantLocks(false, 10*m)
	})
}

// If there are several locks, the error describes the one that ends last. Its Until is never
// before the end of that lock.
func TestCheckReturnsTheLongestLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var rules []lockout.Rule[visit]
		for i, name := range []string{"a", "b", "c"} {
			rules = append(rules, lockout.Rule[visit]{
				Name: name, Key: byID, Rate: per(time.Minute, 1),
				Lock: []time.Duration{30 * time.Minute, time.Hour, 10 * time.Minute}[i],
			})
		}
		l := newLockout(t, inMemory(t), "api", nil, rules...)
		time.Sleep(300 * time.Millisecond)
		end := time.Now().Add(time.Hour)
		wantErr(t, l.Add(t.Context(), ann, 1), nil)
		locked := refusalOf(t, l.Check(t.Context(), ann))
		if locked.Rule != "b" || locked.Until.Before(end) || locked.Until.Sub(end) >= time.Second {
			t.Errorf("Check: %v, want a lock by b until %v or a little later", locked, end)
		}
	})
}

func TestNamesThatDifferShareNothing(t *testing.T) {
	rule := func(name string) lockout.Rule[visit] {
		return lockout.Rule[visit]{Name: name, Key: byID, Rate: per(longPeriod, 1), Lock: time.Hour}
	}
	onAll(t, func(t *testing.T, c *core.Cache) {
		for _, names := range [][2]string{
			{"sign in", "api"}, {"sign_in", "api"}, {"sign", "in_api"}, {"api", "api"},
			{"api", "a"}, {"api", "a b"}, {"api", "a_b"}, {"api", "a%20b"},
		} {
			l := newLockout(t, c, names[0], nil, rule(names[1]))
			wantErr(t, l.Allow(t.Context(), ann), nil)
			wantErr(t, l.Allow(t.Context(), ann), lockout.ErrLocked)
		}
		// The same key counts under each rule.
		l := newLockout(t, c, "two", nil, rule("one"), rule("other"))
		wantErr(t, l.Allow(t.Context(), bob), nil)
		wantErr(t, l.Allow(t.Context(), bob), lockout.ErrLocked)
	})
}

// A client must not escape the counter by sending a key that no cache accepts.
func TestAnyKeyButTheEmptyOneIsCounted(t *testing.T) {
	tooLong := strings.Repeat("a", 2*core.MaxKeyLen)
	onAll(t, func(t *testing.T, c *core.Cache) {
		l := byIDOnly(t, c, per(longPeriod, 2), 0)
		for _, id := range []string{tooLong, "a b\n\x00\xff", tooLong + "b"} {
			if n := countAllowed(t, l, visit{id, ""}, 3); n != 2 {
				t.Errorf("%.20q: %d are allowed, want 2", id, n)
			}
		}
		if n := countAllowed(t, l, visit{"", ""}, 3); n != 3 {
			t.Errorf("with an empty key, %d are allowed, want 3", n)
		}
		// A limiter has no Key that could exclude a caller.
		limiter := must(lockout.NewLimiter(c, "limiter", per(longPeriod, 2), nil))
		for i := range 3 {
			if err := limiter.Allow(t.Context(), ""); (err != nil) != (i == 2) {
				t.Errorf("call %d with an empty key: %v", i, err)
			}
		}
	})
}

func TestAWrongConfigurationIsAnError(t *testing.T) {
	good := lockout.Rule[visit]{Name: "r", Key: byID, Rate: per(time.Minute, 1)}
	with := func(change func(r *lockout.Rule[visit])) []lockout.Rule[visit] {
		r := good
		change(&r)
		return []lockout.Rule[visit]{r}
	}
	type rule = lockout.Rule[visit]
	const tooLong = 438001 * time.Hour
	for text, rules := range map[string][]rule{
		`rules of "api" is empty; want at least one Rule`: {},
		`a name is ""; want`:                              with(func(r *rule) { r.Name = "" }),
		`a name is "a:b"; want`:                           with(func(r *rule) { r.Name = "a:b" }),
		`a name is "ü"; want`:                             with(func(r *rule) { r.Name = "ü" }),
		`a name is "a\"b"; want`:                          with(func(r *rule) { r.Name = `a"b` }),
		`Name of "r" is given twice`:                      {good, good},
		`Key of "r" is nil`:                               with(func(r *rule) { r.Key = nil }),
		`Rate.Count of "r" is 0; want 1 to`:               with(func(r *rule) { r.Rate.Count = 0 }),
		`Rate.Count of "r" is 1000000000000000; want`: with(func(r *rule) {
			r.Rate.Count = 1e15
		}),
		`Rate.Count of "r" is 8388608; want 1 to 8388607`: with(func(r *rule) {
			r.Rate.Count, r.Rate.Algorithm = 1<<23, lockout.SlidingWindow
		}),
		`Rate.Count of "r" is 2000000; want at most 1000000`: with(func(r *rule) {
			r.Rate = lockout.Rate{
				Count: 2e6, Period: time.Millisecond, Algorithm: lockout.TokenBucket,
			}
		}),
		`Rate.Period of "r" is 0s; want 1ms to`:   with(func(r *rule) { r.Rate.Period = 0 }),
		`Rate.Period of "r" is 438001h0m0s; want`: with(func(r *rule) { r.Rate.Period = tooLong }),
		`Rate.Algorithm of "r" is 3; want`:        with(func(r *rule) { r.Rate.Algorithm = 3 }),
		`Rate.Burst of "r" is 9; want 0, because`: with(func(r *rule) { r.Rate.Burst = 9 }),
		`Rate.Burst of "r" is 1073741824; want at`: with(func(r *rule) {
			r.Rate.Burst, r.Rate.Algorithm = 1<<30, lockout.TokenBucket
		}),
		`Lock of "r" is -1ns; want`:        with(func(r *rule) { r.Lock = -1 }),
		`Lock of "r" is 438001h0m0s; want`: with(func(r *rule) { r.Lock = tooLong }),
		`MaxLock of "r" is 1ns; want`:      with(func(r *rule) { r.Lock, r.MaxLock = 2, 1 }),
		`MaxLock of "r" is 2ns; want`:      with(func(r *rule) { r.MaxLock = 2 }),
		`MaxLock of "r" is 438001h0m0s; want`: with(func(r *rule) {
			r.Lock, r.MaxLock = 1, tooLong
		}),
	} {
		_, err := lockout.New(inMemory(t), "api", rules, nil)
		if !errors.Is(err, core.ErrConfig) || !strings.Contains(err.Error(), text) {
			t.Errorf("error is %v, want one with %q", err, text)
		}
	}
	_, err := lockout.New(nil, "api", []rule{good}, nil)
	wantErr(t, err, core.ErrConfig)
	_, err = lockout.New(inMemory(t), "a:b", []rule{good}, nil)
	wantErr(t, err, core.ErrConfig)
	_, err = lockout.NewLimiter(inMemory(t), "api", lockout.Rate{}, nil)
	wantErr(t, err, core.ErrConfig)
}

// forgetful says that it keeps no item for longer than a day.
type forgetful struct{ *memory.Backend }

func (forgetful) Traits() core.Traits { return core.Traits{MaxTTL: 24 * time.Hour} }

func TestARuleThatOutlivesTheCacheIsAnError(t *testing.T) {
	c := cacheOf(t, forgetful{must(memory.New(nil))})
	for name, tt := range map[string]struct {
		rule lockout.Rule[visit]
		ok   bool
	}{
		"a day, and a minute for slow clocks": {
			lockout.Rule[visit]{Rate: per(24*time.Hour, 1)}, false,
		},
		"nearly a day": {lockout.Rule[visit]{Rate: per(23*time.Hour, 1)}, true},
		"a sliding window is kept twice as long": {lockout.Rule[visit]{Rate: lockout.Rate{
			Count: 1, Period: 13 * time.Hour, Algorithm: lockout.SlidingWindow,
		}}, false},
		"a bucket that takes two days to fill": {lockout.Rule[visit]{Rate: lockout.Rate{
			Count: 1, Burst: 48, Period: time.Hour, Algorithm: lockout.TokenBucket,
		}}, false},
		"a lock of two days": {lockout.Rule[visit]{Rate: per(1, 1), Lock: 48 * time.Hour}, false},
		"a row of locks": {lockout.Rule[visit]{
			Rate: per(time.Hour, 1), Lock: time.Hour, MaxLock: 13 * time.Hour,
		}, false},
	} {
		tt.rule.Name, tt.rule.Key = "r", byID
		tt.rule.Rate.Period = max(tt.rule.Rate.Period, time.Minute)
		if _, err := lockout.New(c, "api", []lockout.Rule[visit]{tt.rule}, nil); tt.ok {
			wantErr(t, err, nil)
		} else if wantErr(t, err, core.ErrConfig); err != nil {
			if !strings.Contains(err.Error(), "24h0m0s") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestTheNilLockoutAllowsEverything(t *testing.T) {
	var l *lockout.Lockout[visit]
	for range 10 {
		for _, call := range []guardFunc{l.Guard, l.Quota} {
			for _, ok := range []bool{true, false} {
				if got, err := call(t.Context(), ann, result(ok)); got != ok || err != nil {
					t.Errorf("got %v, %v; want %v", got, err, ok)
				}
			}
		}
		wantErr(t, l.Allow(t.Context(), ann), nil)
		wantErr(t, l.Check(t.Context(), ann), nil)
		wantErr(t, l.Add(t.Context(), ann, 1), nil)
		wantErr(t, l.Reset(t.Context(), ann), nil)
		wantErr(t, l.ResetAll(t.Context(), ann), nil)
		_, err := l.Status(t.Context(), ann)
		wantErr(t, err, nil)
	}
}

// A nil context is the background context, as in core.
func TestANilContextIsAllowed(t *testing.T) {
	l := byIDOnly(t, inMemory(t), per(time.Hour, 9), time.Hour)
	var none context.Context
	wantErr(t, l.Allow(none, ann), nil)
	wantErr(t, l.Check(none, ann), nil)
	wantErr(t, l.Add(none, ann, 1), nil)
	_, err := l.Guard(none, ann, result(false))
	wantErr(t, err, nil)
	wantCounts(t, l, ann, 3)
	wantErr(t, l.Reset(none, ann), nil)
	_, err = l.Status(none, ann)
	wantErr(t, err, nil)
}
