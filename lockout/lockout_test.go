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

	"github.com/cachewire/cachewire/backendtest"
	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/lockout"
	"github.com/cachewire/cachewire/memcache"
	memcachepure "github.com/cachewire/cachewire/memcache-pure"
	"github.com/cachewire/cachewire/memcache/memcachetest"
	"github.com/cachewire/cachewire/memory"
	"github.com/cachewire/cachewire/null"
)

// A visit is what the lockouts of most tests count.
type visit struct{ id, ip string }

var terms = lockout.Terms[visit]{
	"by_id": {
		Key:   func(v visit) string { return "by_id:" + v.id },
		Count: 4, Period: time.Minute, Duration: 10 * time.Minute,
	},
	"by_ip": {
		Key:   func(v visit) string { return "by_ip:" + v.ip },
		Count: 6, Period: time.Minute, Duration: 10 * time.Minute, Success: lockout.Keeps,
	},
	"by_id_ip": {
		Key:   func(v visit) string { return "by_id_ip:" + v.id + ":" + v.ip },
		Count: 2, Period: time.Minute, Duration: 10 * time.Minute,
	},
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

// onAll runs test on memory, in simulated time, and on each kind of server.
func onAll(t *testing.T, test func(t *testing.T, c *core.Cache)) {
	t.Run("memory", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { test(t, cacheOf(t, must(memory.New(nil)))) })
	})
	for _, kind := range append([]backendtest.Kind{backendtest.ByValue}, backendtest.Servers...) {
		t.Run(kind.Name, func(t *testing.T) { test(t, kind.Cache(t)) })
	}
}

// signIn returns a lockout called sign in, with those of terms that have the names.
func signIn(t testing.TB, c *core.Cache, names ...string) *lockout.Lockout[visit] {
	t.Helper()
	locker, err := lockout.New(c, terms, nil)
	wantErr(t, err, nil)
	chosen := lockout.Terms[visit]{}
	for _, name := range names {
		chosen[name] = lockout.Counter[visit]{}
	}
	lo, err := locker.Define("sign in", chosen)
	wantErr(t, err, nil)
	return lo
}

func wantErr(t testing.TB, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("error is %v, want %v", err, target)
	}
}

// result returns a function for Guard, Quota and Take that returns ok.
func result(ok bool) func(context.Context) (bool, error) {
	return func(context.Context) (bool, error) { return ok, nil }
}

// signInUnlessForbidden calls Guard with the result ok, unless Forbid refuses. It reports
// whether Forbid refused.
func signInUnlessForbidden(
	t testing.TB, lo *lockout.Lockout[visit], v visit, ok bool,
) (forbidden bool) {
	t.Helper()
	err := lo.Forbid(t.Context(), v)
	if err != nil {
		wantErr(t, err, lockout.ErrLocked)
		return true
	}
	got, err := lo.Guard(t.Context(), v, result(ok))
	if got != ok || err != nil {
		t.Errorf("Guard = %v, %v", got, err)
	}
	return false
}

// forbiddenAfterFailures makes n failures, and reports whether Forbid refuses then.
func forbiddenAfterFailures(
	t testing.TB, lo *lockout.Lockout[visit], v visit, n int,
) bool {
	t.Helper()
	for i := range n {
		if signInUnlessForbidden(t, lo, v, false) {
			t.Errorf("failure %d is forbidden", i+1)
		}
	}
	return lo.Forbid(t.Context(), v) != nil
}

func TestLockByIDAndAddress(t *testing.T) {
	onAll(t, func(t *testing.T, c *core.Cache) {
		lo := signIn(t, c, "by_id_ip")
		ann := visit{"ann", "192.0.2.1"}
		if !forbiddenAfterFailures(t, lo, ann, 2) {
			t.Error("two failures set no lock")
		}
		for _, other := range []visit{{"ann", "192.0.2.2"}, {"bob", "192.0.2.1"}} {
			wantErr(t, lo.Forbid(t.Context(), other), nil)
		}
		err := lo.Forbid(t.Context(), ann)
		var locked *lockout.LockedError
		if !errors.As(err, &locked) ||
			locked.Counter != "by_id_ip" || locked.Lockout != "sign in" ||
			time.Until(locked.Until) < 9*time.Minute ||
			time.Until(locked.Until) > 10*time.Minute+time.Second {
			t.Errorf("Forbid: %v", err)
		}
		// The keys are those of wheezy.caching.
		const key = "c:sign_in:by_id_ip:ann:192.0.2.1"
		if ok, err := c.Exists(t.Context(), "lock:"+key); !ok || err != nil {
			t.Errorf("the lock is not under its key, %v", err)
		}
		if ok, err := c.Exists(t.Context(), key); ok || err != nil {
			t.Errorf("the counter was not deleted, %v", err)
		}
	})
}

func TestLockByIDOverSeveralAddresses(t *testing.T) {
	onAll(t, func(t *testing.T, c *core.Cache) {
		lo := signIn(t, c, "by_id", "by_id_ip")
		for i := range 4 {
			v := visit{"ann", fmt.Sprint("192.0.2.", i)}
			if got := forbiddenAfterFailures(t, lo, v, 1); got != (i == 3) {
				t.Errorf("after failure %d: forbidden = %v", i+1, got)
			}
		}
		wantErr(t, lo.Forbid(t.Context(), visit{"ann", "192.0.2.9"}), lockout.ErrLocked)
		wantErr(t, lo.Forbid(t.Context(), visit{"bob", "192.0.2.1"}), nil)
	})
}

func TestLockByAddressOverSeveralIDs(t *testing.T) {
	onAll(t, func(t *testing.T, c *core.Cache) {
		lo := signIn(t, c, "by_ip", "by_id")
		for i := range 6 {
			v := visit{fmt.Sprint("id", i), "192.0.2.1"}
			if got := forbiddenAfterFailures(t, lo, v, 1); got != (i == 5) {
				t.Errorf("after failure %d: forbidden = %v", i+1, got)
			}
		}
		wantErr(t, lo.Forbid(t.Context(), visit{"ann", "192.0.2.1"}), lockout.ErrLocked)
		wantErr(t, lo.Forbid(t.Context(), visit{"id1", "192.0.2.2"}), nil)
	})
}

func TestASuccessResetsTheCountersThatAreNotKept(t *testing.T) {
	onAll(t, func(t *testing.T, c *core.Cache) {
		lo := signIn(t, c, "by_id_ip", "by_ip")
		ann := visit{"ann", "192.0.2.1"}
		for range 5 {
			forbiddenAfterFailures(t, lo, ann, 1)
			signInUnlessForbidden(t, lo, ann, true)
		}
		if !forbiddenAfterFailures(t, lo, ann, 1) { // the sixth from this address
			t.Error("the counter by address was reset")
		}
		wantErr(t, lo.Reset(t.Context(), ann), nil)
		wantErr(t, lo.Forbid(t.Context(), ann), lockout.ErrLocked)
		wantErr(t, lo.ForceReset(t.Context(), ann), nil)
		wantErr(t, lo.Forbid(t.Context(), ann), nil)
	})
}

// A guardFunc is Guard, Quota or Take of a lockout.
type guardFunc func(
	ctx context.Context, v visit, do func(context.Context) (bool, error),
) (bool, error)

func TestQuotaCountsSuccesses(t *testing.T) {
	onAll(t, func(t *testing.T, c *core.Cache) {
		lo := signIn(t, c, "by_id")
		ann := visit{"ann", ""}
		for i := range 4 {
			wantErr(t, lo.Forbid(t.Context(), ann), nil)
			for _, ok := range []bool{false, true} {
				got, err := lo.Quota(t.Context(), ann, result(ok))
				if got != ok || err != nil {
					t.Errorf("Quota = %v, %v", got, err)
				}
			}
			status, err := lo.Status(t.Context(), ann)
			want := lockout.Status{Counter: "by_id", Count: uint64(i + 1), Limit: 4}
			if i == 3 {
				want.Count, want.Locked, want.Until = 0, true, status[0].Until
			}
			if len(status) != 1 || status[0] != want || err != nil ||
				want.Locked && time.Until(want.Until) < 9*time.Minute {
				t.Errorf("Status = %+v, %v; want %+v", status, err, want)
			}
		}
		wantErr(t, lo.Forbid(t.Context(), ann), lockout.ErrLocked)
		broken := errors.New("broken")
		fail := func(context.Context) (bool, error) { return true, broken }
		for _, call := range []guardFunc{lo.Guard, lo.Quota} {
			_, err := call(t.Context(), visit{"bob", ""}, fail)
			wantErr(t, err, broken)
		}
		status, err := lo.Status(t.Context(), visit{"bob", ""})
		if status[0].Count != 0 || err != nil {
			t.Errorf("an error is counted: %+v, %v", status, err)
		}
	})
}

func TestThePeriodBeginsWithTheFirstFailureAndTheLockWithTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cacheOf(t, must(memory.New(nil)))
		lo := signIn(t, c, "by_id_ip")
		ann := visit{"ann", "192.0.2.1"}
		forbiddenAfterFailures(t, lo, ann, 1)
		time.Sleep(61 * time.Second)
		if forbiddenAfterFailures(t, lo, ann, 1) {
			t.Error("a failure before the period is counted")
		}
		time.Sleep(59 * time.Second)
		if !forbiddenAfterFailures(t, lo, ann, 1) {
			t.Error("a failure within the period is not counted")
		}
		time.Sleep(10*time.Minute - time.Second)
		wantErr(t, lo.Forbid(t.Context(), ann), lockout.ErrLocked)
		time.Sleep(2 * time.Second)
		wantErr(t, lo.Forbid(t.Context(), ann), nil)
		// A Python program sets a lock.
		err := c.Set(t.Context(), "lock:c:sign_in:by_id_ip:ann:192.0.2.1", []byte("1"), 0)
		wantErr(t, err, nil)
		err = lo.Forbid(t.Context(), ann)
		var locked *lockout.LockedError
		if !errors.As(err, &locked) || !locked.Until.IsZero() {
			t.Errorf("Forbid: %v", err)
		}
	})
}

func TestOneOfManyConcurrentCallersAlerts(t *testing.T) {
	onAll(t, func(t *testing.T, c *core.Cache) {
		locker, err := lockout.New(c, terms, nil)
		wantErr(t, err, nil)
		var alerts atomic.Int64
		alert := func(_ context.Context, v visit, e lockout.Event) {
			alerts.Add(1)
			if v.id != "ann" || e.Lockout != "sign in" || e.Counter != "by_id" || e.Count < 500 {
				t.Errorf("alert for %v: %+v", v, e)
			}
		}
		lo, err := locker.Define("sign in", lockout.Terms[visit]{
			"by_id": {Count: 500, Alert: alert},
		})
		wantErr(t, err, nil)
		var all sync.WaitGroup
		for range 900 {
			all.Go(func() {
				wantErr(t, lo.Incr(context.Background(), visit{"ann", ""}), nil)
			})
		}
		all.Wait()
		if alerts.Load() != 1 {
			t.Errorf("%d alerts, want 1", alerts.Load())
		}
	})
}

// Of many concurrent callers, no more than Count pass Take. A success is removed again.
func TestTakeCountsFirst(t *testing.T) {
	onAll(t, func(t *testing.T, c *core.Cache) {
		var passed atomic.Int64
		fail := func(context.Context) (bool, error) {
			passed.Add(1)
			return false, nil
		}
		var all sync.WaitGroup
		for range 4 {
			lo := signIn(t, c, "by_ip", "by_id")
			for range 500 {
				all.Go(func() {
					_, err := lo.Take(context.Background(), visit{"ann", "192.0.2.1"}, fail)
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
		lo := signIn(t, c, "by_ip", "by_id")
		bob := visit{"bob", "192.0.2.2"}
		for range 20 {
			if ok, err := lo.Take(t.Context(), bob, result(true)); !ok || err != nil {
				t.Errorf("Take = %v, %v", ok, err)
			}
		}
		status, err := lo.Status(t.Context(), bob)
		if err != nil || status[0].Count != 0 || status[1].Count != 0 {
			t.Errorf("Status = %+v, %v; want nothing counted", status, err)
		}
	})
}

func TestWrongTermsAreErrors(t *testing.T) {
	c := cacheOf(t, must(memory.New(nil)))
	for _, wrong := range []lockout.Counter[visit]{
		{Period: -1}, {Duration: -1}, {MaxDuration: -1},
	} {
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
	const tooLong = 438001 * time.Hour
	for text, wrong := range map[string]lockout.Terms[visit]{
		"at least one of":             {},
		`unknown term "by_name"; kno`: {"by_name": {}},
		"Key is nil":                  {"no key": {}},
		"Count is 0":                  {"no count": {}},
		"Period is 0s":                {"no period": {}},
		"Duration is -1ns":            {"no duration": {Duration: -1}},
		"Success is 9":                {"no duration": {Duration: 1, Success: 9}},
		"MaxDuration is 1ns":          {"no duration": {Duration: 2, MaxDuration: 1}},
		"MaxDuration is 2ns":          {"no duration": {MaxDuration: 2}},
		"Algorithm is 4":              {"no duration": {Algorithm: 4}},
		"Duration is 438001h0m0s":     {"no duration": {Duration: tooLong}},
		"MaxDuration is 438001h0m0s":  {"no duration": {Duration: 1, MaxDuration: tooLong}},
		"Count is 2 in a Period of 1": {"no duration": {Count: 2, Algorithm: lockout.TokenBucket}},
		"Period is 438001h0m0s":       {"no duration": {Period: tooLong}},
	} {
		_, err := locker.Define("sign in", wrong)
		if !errors.Is(err, core.ErrConfig) || !strings.Contains(err.Error(), text) {
			t.Errorf("error is %v, want one with %q", err, text)
		}
	}
}

func TestTheNilLockoutAndOneOverNullAllowEverything(t *testing.T) {
	var none *lockout.Locker[visit]
	nilLockout, err := none.Define("sign in", nil)
	wantErr(t, err, nil)
	overNull := signIn(t, cacheOf(t, null.New()), "by_id", "by_ip")
	for _, lo := range []*lockout.Lockout[visit]{nilLockout, overNull} {
		ann := visit{"ann", "192.0.2.1"}
		for range 10 {
			for _, call := range []guardFunc{lo.Guard, lo.Quota, lo.Take} {
				wantErr(t, lo.Allow(t.Context(), ann), nil)
				for _, ok := range []bool{true, false} {
					if got, err := call(t.Context(), ann, result(ok)); got != ok || err != nil {
						t.Errorf("got %v, %v; want %v", got, err, ok)
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

// Callers pass if the cache fails. With FailClosed they get its error.
func TestACacheThatFails(t *testing.T) {
	c := cacheOf(t, must(memory.New(nil)))
	c.Close()
	for _, failClosed := range []bool{false, true} {
		reported := 0
		locker, err := lockout.New(c, terms, &lockout.Options[visit]{
			FailClosed: failClosed,
			OnError:    func(context.Context, error) { reported++ },
		})
		wantErr(t, err, nil)
		lo, err := locker.Define("sign in", lockout.Terms[visit]{"by_id": {}})
		wantErr(t, err, nil)
		var target error
		if failClosed {
			target = core.ErrClosed
		}
		ann := visit{"ann", ""}
		wantErr(t, lo.Forbid(t.Context(), ann), target)
		wantErr(t, lo.Incr(t.Context(), ann), target)
		wantErr(t, lo.Reset(t.Context(), ann), target)
		ok, err := lo.Take(t.Context(), ann, result(true))
		wantErr(t, err, target)
		want := 6 // in Take: reading the locks, counting, and the reset
		if failClosed {
			want = 4 // Take ends with the first
		}
		if ok == failClosed || reported != want {
			t.Errorf("Take = %v; OnError was called %d times, want %d", ok, reported, want)
		}
		_, err = lo.Status(t.Context(), ann)
		wantErr(t, err, core.ErrClosed)
	}
}

// A caller that goes away while it is served is counted all the same, and removed from the
// counters if do returns an error.
func TestACallerThatCancelsIsCounted(t *testing.T) {
	lo := signIn(t, cacheOf(t, must(memory.New(nil))), "by_id")
	ann := visit{"ann", ""}
	cancelling := func(
		ok bool, err error,
	) (context.Context, func(context.Context) (bool, error)) {
		ctx, cancel := context.WithCancel(t.Context())
		return ctx, func(context.Context) (bool, error) { cancel(); return ok, err }
	}
	wantCount := func(want uint64) {
		t.Helper()
		status, err := lo.Status(t.Context(), ann)
		if wantErr(t, err, nil); status[0].Count != want {
			t.Errorf("%d are counted, want %d", status[0].Count, want)
		}
	}
	ctx, do := cancelling(false, nil)
	_, err := lo.Guard(ctx, ann, do)
	wantErr(t, err, nil)
	ctx, do = cancelling(true, nil)
	_, err = lo.Quota(ctx, ann, do)
	wantErr(t, err, nil)
	ctx, do = cancelling(false, nil)
	_, err = lo.Take(ctx, ann, do)
	wantErr(t, err, nil)
	wantCount(3)
	ctx, do = cancelling(false, context.Canceled)
	_, err = lo.Take(ctx, ann, do)
	wantErr(t, err, context.Canceled)
	wantCount(3)
	ctx, do = cancelling(false, nil)
	_, err = lo.Take(ctx, ann, do)
	wantErr(t, err, nil)
	wantErr(t, lo.Forbid(t.Context(), ann), lockout.ErrLocked)
	ctx, do = cancelling(true, nil)
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
