package lockout_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/lockout"
	"github.com/cachewire/cachewire/memcache"
	memcachepure "github.com/cachewire/cachewire/memcache-pure"
	"github.com/cachewire/cachewire/memcache/memcachetest"
	"github.com/cachewire/cachewire/memory"
	"github.com/cachewire/cachewire/null"
)

// A visit is what is counted.
type visit struct{ id, ip string }

var terms = lockout.Terms[visit]{
	"by_id":    {Key: func(v visit) string { return "by_id:" + v.id }, Count: 4, Period: time.Minute, Duration: 10 * time.Minute},
	"by_ip":    {Key: func(v visit) string { return "by_ip:" + v.ip }, Count: 6, Period: time.Minute, Duration: 10 * time.Minute, Success: lockout.Keeps},
	"by_id_ip": {Key: func(v visit) string { return "by_id_ip:" + v.id + ":" + v.ip }, Count: 2, Period: time.Minute, Duration: 10 * time.Minute},
}

func cacheOf(t testing.TB, b core.Backend) *core.Cache {
	t.Helper()
	c, err := core.New(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func memcached(t testing.TB) *core.Cache {
	t.Helper()
	b, err := memcachepure.New([]memcache.Server{{Addr: memcachetest.Start(t, nil).Addr()}},
		&memcachepure.Options{Options: memcache.Options{Timeout: 30 * time.Second}})
	if err != nil {
		t.Fatal(err)
	}
	return cacheOf(t, b)
}

// onBoth runs a story on memory in simulated time, and on memcached.
func onBoth(t *testing.T, story func(t *testing.T, c *core.Cache)) {
	t.Run("memory", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { story(t, cacheOf(t, must(memory.New(nil)))) })
	})
	t.Run("memcached", func(t *testing.T) { story(t, memcached(t)) })
}

// signIn answers a lockout with some of terms.
func signIn(t testing.TB, c *core.Cache, names ...string) *lockout.Lockout[visit] {
	t.Helper()
	locker, err := lockout.New(c, terms, nil)
	wantErr(t, err, nil)
	some := lockout.Terms[visit]{}
	for _, name := range names {
		some[name] = lockout.Counter[visit]{}
	}
	lo, err := locker.Define("sign in", some)
	wantErr(t, err, nil)
	return lo
}

func wantErr(t testing.TB, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("error is %v, want %v", err, target)
	}
}

// answer is what a sign-in comes to.
func answer(ok bool) func(context.Context) (bool, error) {
	return func(context.Context) (bool, error) { return ok, nil }
}

// try signs in, if it is not forbidden, and tells whether it was.
func try(t testing.TB, lo *lockout.Lockout[visit], v visit, ok bool) (forbidden bool) {
	t.Helper()
	err := lo.Forbid(t.Context(), v)
	if err != nil {
		wantErr(t, err, lockout.ErrLocked)
		return true
	}
	got, err := lo.Guard(t.Context(), v, answer(ok))
	if got != ok || err != nil {
		t.Errorf("Guard = %v, %v", got, err)
	}
	return false
}

// fails fails so often, and tells whether the next one is forbidden.
func fails(t testing.TB, lo *lockout.Lockout[visit], v visit, times int) bool {
	t.Helper()
	for i := range times {
		if try(t, lo, v, false) {
			t.Errorf("failure %d is forbidden", i+1)
		}
	}
	return lo.Forbid(t.Context(), v) != nil
}

func TestLockByIDAndAddress(t *testing.T) {
	onBoth(t, func(t *testing.T, c *core.Cache) {
		lo := signIn(t, c, "by_id_ip")
		ann := visit{"ann", "192.0.2.1"}
		if !fails(t, lo, ann, 2) {
			t.Error("two failures set no lock")
		}
		for _, other := range []visit{{"ann", "192.0.2.2"}, {"bob", "192.0.2.1"}} {
			wantErr(t, lo.Forbid(t.Context(), other), nil)
		}
		var locked *lockout.LockedError
		if err := lo.Forbid(t.Context(), ann); !errors.As(err, &locked) || locked.Counter != "by_id_ip" || locked.Lockout != "sign in" ||
			time.Until(locked.Until) < 9*time.Minute || time.Until(locked.Until) > 10*time.Minute+time.Second {
			t.Errorf("Forbid: %v", err)
		}
		// The keys are wheezy.caching's.
		if ok, err := c.Exists(t.Context(), "lock:c:sign_in:by_id_ip:ann:192.0.2.1"); !ok || err != nil {
			t.Errorf("the lock has another key, %v", err)
		}
		if ok, err := c.Exists(t.Context(), "c:sign_in:by_id_ip:ann:192.0.2.1"); ok || err != nil {
			t.Errorf("the counter is still there, %v", err)
		}
	})
}

func TestLockByIDOverSeveralAddresses(t *testing.T) {
	onBoth(t, func(t *testing.T, c *core.Cache) {
		lo := signIn(t, c, "by_id", "by_id_ip")
		for i := range 4 {
			if fails(t, lo, visit{"ann", fmt.Sprint("192.0.2.", i)}, 1) != (i == 3) {
				t.Errorf("after failure %d", i+1)
			}
		}
		wantErr(t, lo.Forbid(t.Context(), visit{"ann", "192.0.2.9"}), lockout.ErrLocked)
		wantErr(t, lo.Forbid(t.Context(), visit{"bob", "192.0.2.1"}), nil)
	})
}

func TestLockByAddressOverSeveralIDs(t *testing.T) {
	onBoth(t, func(t *testing.T, c *core.Cache) {
		lo := signIn(t, c, "by_ip", "by_id")
		for i := range 6 {
			if fails(t, lo, visit{fmt.Sprint("id", i), "192.0.2.1"}, 1) != (i == 5) {
				t.Errorf("after failure %d", i+1)
			}
		}
		wantErr(t, lo.Forbid(t.Context(), visit{"ann", "192.0.2.1"}), lockout.ErrLocked)
		wantErr(t, lo.Forbid(t.Context(), visit{"id1", "192.0.2.2"}), nil)
	})
}

// A success resets what Resets, and what Keeps goes on.
func TestReset(t *testing.T) {
	onBoth(t, func(t *testing.T, c *core.Cache) {
		lo := signIn(t, c, "by_id_ip", "by_ip")
		ann := visit{"ann", "192.0.2.1"}
		for range 5 {
			fails(t, lo, ann, 1)
			try(t, lo, ann, true)
		}
		if !fails(t, lo, ann, 1) { // the sixth from this address
			t.Error("the counter by address was reset")
		}
		wantErr(t, lo.Reset(t.Context(), ann), nil)
		wantErr(t, lo.Forbid(t.Context(), ann), lockout.ErrLocked)
		wantErr(t, lo.ForceReset(t.Context(), ann), nil)
		wantErr(t, lo.Forbid(t.Context(), ann), nil)
	})
}

func TestQuota(t *testing.T) {
	onBoth(t, func(t *testing.T, c *core.Cache) {
		lo := signIn(t, c, "by_id")
		ann := visit{"ann", ""}
		for i := range 4 {
			wantErr(t, lo.Forbid(t.Context(), ann), nil)
			for _, ok := range []bool{false, true} {
				if got, err := lo.Quota(t.Context(), ann, answer(ok)); got != ok || err != nil {
					t.Errorf("Quota = %v, %v", got, err)
				}
			}
			status, err := lo.Status(t.Context(), ann)
			want := lockout.Status{Counter: "by_id", Count: uint64(i + 1), Limit: 4}
			if i == 3 {
				want.Count, want.Locked, want.Until = 0, true, status[0].Until
			}
			if len(status) != 1 || status[0] != want || want.Locked && time.Until(want.Until) < 9*time.Minute || err != nil {
				t.Errorf("Status = %+v, %v; want %+v", status, err, want)
			}
		}
		wantErr(t, lo.Forbid(t.Context(), ann), lockout.ErrLocked)
		broken := errors.New("broken")
		fail := func(context.Context) (bool, error) { return true, broken }
		for _, call := range []func(context.Context, visit, func(context.Context) (bool, error)) (bool, error){lo.Guard, lo.Quota} {
			if _, err := call(t.Context(), visit{"bob", ""}, fail); !errors.Is(err, broken) {
				t.Errorf("error is %v", err)
			}
		}
		if status, err := lo.Status(t.Context(), visit{"bob", ""}); status[0].Count != 0 || err != nil {
			t.Errorf("an error is counted: %+v, %v", status, err)
		}
	})
}

// The period begins with the first failure, and the lock lasts as long as it says.
func TestTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cacheOf(t, must(memory.New(nil)))
		lo := signIn(t, c, "by_id_ip")
		ann := visit{"ann", "192.0.2.1"}
		fails(t, lo, ann, 1)
		time.Sleep(61 * time.Second)
		if fails(t, lo, ann, 1) {
			t.Error("a failure of before the period is counted")
		}
		time.Sleep(59 * time.Second)
		if !fails(t, lo, ann, 1) {
			t.Error("a failure within the period is not counted")
		}
		time.Sleep(10*time.Minute - time.Second)
		wantErr(t, lo.Forbid(t.Context(), ann), lockout.ErrLocked)
		time.Sleep(2 * time.Second)
		wantErr(t, lo.Forbid(t.Context(), ann), nil)
		// A lock of Python's.
		wantErr(t, c.Set(t.Context(), "lock:c:sign_in:by_id_ip:ann:192.0.2.1", []byte("1"), 0), nil)
		var locked *lockout.LockedError
		if err := lo.Forbid(t.Context(), ann); !errors.As(err, &locked) || !locked.Until.IsZero() {
			t.Errorf("Forbid: %v", err)
		}
	})
}

// Of any number that come at once one reaches the count, sets the lock and alerts.
func TestOneAlerts(t *testing.T) {
	onBoth(t, func(t *testing.T, c *core.Cache) {
		locker, err := lockout.New(c, terms, nil)
		wantErr(t, err, nil)
		var alerts atomic.Int64
		lo, err := locker.Define("sign in", lockout.Terms[visit]{"by_id": {Count: 500, Alert: func(_ context.Context, v visit, e lockout.Event) {
			alerts.Add(1)
			if v.id != "ann" || e.Lockout != "sign in" || e.Counter != "by_id" || e.Count < 500 {
				t.Errorf("alert of %v: %+v", v, e)
			}
		}}})
		wantErr(t, err, nil)
		var all sync.WaitGroup
		for range 900 {
			all.Go(func() { wantErr(t, lo.Incr(context.Background(), visit{"ann", ""}), nil) })
		}
		all.Wait()
		if alerts.Load() != 1 {
			t.Errorf("%d alerts", alerts.Load())
		}
	})
}

// Of any number that come at once no more than the count are past Take.
func TestTake(t *testing.T) {
	onBoth(t, func(t *testing.T, c *core.Cache) {
		var past atomic.Int64
		var all sync.WaitGroup
		for range 4 {
			lo := signIn(t, c, "by_ip", "by_id")
			for range 500 {
				all.Go(func() {
					_, err := lo.Take(context.Background(), visit{"ann", "192.0.2.1"}, func(context.Context) (bool, error) {
						past.Add(1)
						return false, nil
					})
					if err != nil {
						wantErr(t, err, lockout.ErrLocked)
					}
				})
			}
		}
		all.Wait()
		if past.Load() != 4 {
			t.Errorf("%d are past a count of 4", past.Load())
		}
		lo := signIn(t, c, "by_ip", "by_id")
		bob := visit{"bob", "192.0.2.2"}
		for range 20 { // a success is given back
			if ok, err := lo.Take(t.Context(), bob, answer(true)); !ok || err != nil {
				t.Errorf("Take = %v, %v", ok, err)
			}
		}
		status, err := lo.Status(t.Context(), bob)
		if err != nil || status[0].Count != 0 || status[1].Count != 0 {
			t.Errorf("Status = %+v, %v", status, err)
		}
	})
}

func TestWrongTermsAreErrors(t *testing.T) {
	c := cacheOf(t, must(memory.New(nil)))
	for _, wrong := range []lockout.Counter[visit]{{Period: -1}, {Duration: -1}, {MaxDuration: -1}} {
		_, err := lockout.New(c, lockout.Terms[visit]{"x": wrong}, nil)
		wantErr(t, err, core.ErrConfig)
	}
	_, err := lockout.New(nil, terms, nil)
	wantErr(t, err, core.ErrConfig)
	locker, err := lockout.New(c, lockout.Terms[visit]{
		"no key":      {Count: 1, Period: 1, Duration: 1},
		"no count":    {Key: terms["by_id"].Key, Period: 1, Duration: 1},
		"no period":   {Key: terms["by_id"].Key, Count: 1, Duration: 1},
		"no duration": {Key: terms["by_id"].Key, Count: 1, Period: 1},
	}, nil)
	wantErr(t, err, nil)
	for text, some := range map[string]lockout.Terms[visit]{
		"at least one of":             {},
		`unknown term "by_name"; kno`: {"by_name": {}},
		"there is no Key":             {"no key": {}},
		"Count is 0":                  {"no count": {}},
		"Period is 0s":                {"no period": {}},
		"Duration is -1ns":            {"no duration": {Duration: -1}},
		"Success is 9":                {"no duration": {Duration: 1, Success: 9}},
		"MaxDuration is 1ns":          {"no duration": {Duration: 2, MaxDuration: 1}},
		"MaxDuration is 2ns":          {"no duration": {MaxDuration: 2}},
		"Algorithm is 4":              {"no duration": {Algorithm: 4}},
		"Duration is 438001h0m0s":     {"no duration": {Duration: 438001 * time.Hour}},
		"MaxDuration is 438001h0m0s":  {"no duration": {Duration: 1, MaxDuration: 438001 * time.Hour}},
		"Count is 2 in a Period of 1": {"no duration": {Count: 2, Algorithm: lockout.TokenBucket}},
		"Period is 438001h0m0s":       {"no duration": {Period: 438001 * time.Hour}},
	} {
		if _, err := locker.Define("sign in", some); !errors.Is(err, core.ErrConfig) || !strings.Contains(err.Error(), text) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// The nil Lockout, and one over null, allow everything.
func TestNull(t *testing.T) {
	var none *lockout.Locker[visit]
	nothing, err := none.Define("sign in", nil)
	wantErr(t, err, nil)
	for _, lo := range []*lockout.Lockout[visit]{nothing, signIn(t, cacheOf(t, null.New()), "by_id", "by_ip")} {
		ann := visit{"ann", "192.0.2.1"}
		for range 10 {
			for _, call := range []func(context.Context, visit, func(context.Context) (bool, error)) (bool, error){lo.Guard, lo.Quota, lo.Take} {
				wantErr(t, lo.Allow(t.Context(), ann), nil)
				for _, ok := range []bool{true, false} {
					if got, err := call(t.Context(), ann, answer(ok)); got != ok || err != nil {
						t.Errorf("%v, %v", got, err)
					}
				}
			}
			wantErr(t, lo.Forbid(t.Context(), ann), nil)
			wantErr(t, lo.ForceReset(t.Context(), ann), nil)
			_, err := lo.Status(t.Context(), ann)
			wantErr(t, err, nil)
		}
	}
}

// Where the cache fails nobody is locked out; or everybody, if that is wanted.
func TestACacheThatFails(t *testing.T) {
	c := cacheOf(t, must(memory.New(nil)))
	c.Close()
	for _, closed := range []bool{false, true} {
		told := 0
		locker, err := lockout.New(c, terms, &lockout.Options[visit]{FailClosed: closed, OnError: func(context.Context, error) { told++ }})
		wantErr(t, err, nil)
		lo, err := locker.Define("sign in", lockout.Terms[visit]{"by_id": {}})
		wantErr(t, err, nil)
		var target error
		if closed {
			target = core.ErrClosed
		}
		ann := visit{"ann", ""}
		wantErr(t, lo.Forbid(t.Context(), ann), target)
		wantErr(t, lo.Incr(t.Context(), ann), target)
		wantErr(t, lo.Reset(t.Context(), ann), target)
		ok, err := lo.Take(t.Context(), ann, answer(true))
		wantErr(t, err, target)
		want := 6 // of Take, that the locks, the counter and the reset failed
		if closed {
			want = 4 // it ends with the first
		}
		if ok == closed || told != want {
			t.Errorf("Take = %v; OnError was told %d times, want %d", ok, told, want)
		}
		_, err = lo.Status(t.Context(), ann)
		wantErr(t, err, core.ErrClosed)
	}
}

// Who goes away after a failure is counted all the same, and what he took is given back.
func TestACancelledCallerIsCounted(t *testing.T) {
	lo := signIn(t, cacheOf(t, must(memory.New(nil))), "by_id")
	ann := visit{"ann", ""}
	leaving := func(ok bool, err error) (context.Context, func(context.Context) (bool, error)) {
		ctx, cancel := context.WithCancel(t.Context())
		return ctx, func(context.Context) (bool, error) { cancel(); return ok, err }
	}
	count := func() uint64 {
		status, err := lo.Status(t.Context(), ann)
		wantErr(t, err, nil)
		return status[0].Count
	}
	ctx, do := leaving(false, nil)
	_, err := lo.Guard(ctx, ann, do)
	wantErr(t, err, nil)
	ctx, do = leaving(true, nil)
	_, err = lo.Quota(ctx, ann, do)
	wantErr(t, err, nil)
	ctx, do = leaving(false, nil)
	_, err = lo.Take(ctx, ann, do)
	wantErr(t, err, nil)
	if n := count(); n != 3 {
		t.Errorf("%d are counted, want 3", n)
	}
	ctx, do = leaving(false, context.Canceled)
	_, err = lo.Take(ctx, ann, do)
	wantErr(t, err, context.Canceled)
	if n := count(); n != 3 {
		t.Errorf("%d are counted, want 3", n)
	}
	ctx, do = leaving(false, nil)
	_, err = lo.Take(ctx, ann, do)
	wantErr(t, err, nil)
	wantErr(t, lo.Forbid(t.Context(), ann), lockout.ErrLocked)
	ctx, do = leaving(true, nil)
	_, err = lo.Guard(ctx, ann, do)
	wantErr(t, err, nil)
	wantErr(t, lo.Forbid(t.Context(), ann), nil)
}

// must returns v, and panics if there is an error.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
