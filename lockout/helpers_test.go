package lockout_test

import (
	"context"
	"errors"
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
)

// A visit is what the lockouts of most tests count.
type visit struct{ id, ip string }

var ann, bob = visit{"ann", "192.0.2.1"}, visit{"bob", "192.0.2.2"}

// byID is the Key of most rules.
func byID(v visit) string { return v.id }

// per returns a rate in a FixedWindow.
func per(period time.Duration, count uint64) lockout.Rate {
	return lockout.Rate{Count: count, Period: period}
}

var algorithms = map[string]lockout.Algorithm{
	"fixed window":   lockout.FixedWindow,
	"sliding window": lockout.SlidingWindow,
	"token bucket":   lockout.TokenBucket,
}

// longPeriod is so long that a window does not end while a test runs. memcached keeps nothing
// beyond January 2038, so that New refuses a period of many years.
const longPeriod = 365 * 24 * time.Hour

// rulesOf are the rules that several tests share, by name.
var rulesOf = map[string]lockout.Rule[visit]{
	"by_id": {
		Name: "by_id", Key: byID, Rate: per(time.Minute, 4), Lock: 10 * time.Minute,
	},
	"by_ip": {
		Name: "by_ip", Key: func(v visit) string { return v.ip },
		Rate: per(time.Minute, 6), Lock: 10 * time.Minute, Keep: true,
	},
	"by_id_ip": {
		Name: "by_id_ip", Key: func(v visit) string { return v.id + ":" + v.ip },
		Rate: per(time.Minute, 2), Lock: 10 * time.Minute,
	},
}

// newLockout returns a lockout with that name and those rules.
func newLockout(
	t testing.TB, c *core.Cache, name string, opts *lockout.Options[visit],
	rules ...lockout.Rule[visit],
) *lockout.Lockout[visit] {
	t.Helper()
	l, err := lockout.New(c, name, rules, opts)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// signIn returns a lockout called sign_in, with the rules of rulesOf that have these names.
// The windows in which they count do not end while a test on memcached runs.
func signIn(t testing.TB, c *core.Cache, names ...string) *lockout.Lockout[visit] {
	t.Helper()
	var rules []lockout.Rule[visit]
	for _, name := range names {
		r := rulesOf[name]
		if c.Name() != "memory" {
			r.Rate.Period = longPeriod
		}
		rules = append(rules, r)
	}
	return newLockout(t, c, "sign_in", nil, rules...)
}

// byIDOnly returns a lockout called api with one rule, by_id, with that rate and lock.
func byIDOnly(
	t testing.TB, c *core.Cache, rate lockout.Rate, lock time.Duration,
) *lockout.Lockout[visit] {
	t.Helper()
	return newLockout(t, c, "api", nil, lockout.Rule[visit]{
		Name: "by_id", Key: byID, Rate: rate, Lock: lock,
	})
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

func inMemory(t testing.TB) *core.Cache { return cacheOf(t, must(memory.New(nil))) }

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
		synctest.Test(t, func(t *testing.T) { test(t, inMemory(t)) })
	})
	for _, kind := range append([]backendtest.Kind{backendtest.ByValue}, backendtest.Servers...) {
		t.Run(kind.Name, func(t *testing.T) { test(t, kind.Cache(t)) })
	}
}

func wantErr(t testing.TB, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("error is %v, want %v", err, target)
	}
}

// wantCounts checks what Status says is counted by each rule.
func wantCounts(t testing.TB, l *lockout.Lockout[visit], v visit, want ...uint64) {
	t.Helper()
	status, err := l.Status(t.Context(), v)
	if wantErr(t, err, nil); len(status) != len(want) {
		t.Fatalf("%d rules, want %d", len(status), len(want))
	}
	for i, s := range status {
		if s.Count != want[i] {
			t.Errorf("%s counts %d, want %d", s.Rule, s.Count, want[i])
		}
	}
}

// countAllowed calls Allow n times, and returns how many of the calls were allowed.
func countAllowed(t testing.TB, l *lockout.Lockout[visit], v visit, n int) (allowed int) {
	t.Helper()
	for range n {
		err := l.Allow(t.Context(), v)
		if err == nil {
			allowed++
			continue
		}
		wantErr(t, err, lockout.ErrLocked)
	}
	return allowed
}

// A doFunc is what Guard and Quota call.
type doFunc = func(context.Context) (bool, error)

// A guardFunc is Guard or Quota of a lockout.
type guardFunc func(ctx context.Context, v visit, do doFunc) (bool, error)

// result returns a function for Guard and Quota that returns ok.
func result(ok bool) doFunc {
	return func(context.Context) (bool, error) { return ok, nil }
}

// fail makes n failures of v, and reports whether Check refuses then.
func fail(t testing.TB, l *lockout.Lockout[visit], v visit, n int) (refused bool) {
	t.Helper()
	for i := range n {
		if ok, err := l.Guard(t.Context(), v, result(false)); ok || err != nil {
			t.Errorf("failure %d: Guard = %v, %v", i+1, ok, err)
		}
	}
	err := l.Check(t.Context(), v)
	if err != nil {
		wantErr(t, err, lockout.ErrLocked)
	}
	return err != nil
}

// refusalOf returns the *LockedError in err.
func refusalOf(t testing.TB, err error) *lockout.LockedError {
	t.Helper()
	var locked *lockout.LockedError
	if !errors.As(err, &locked) {
		t.Fatalf("error is %v, want a *LockedError", err)
	}
	return locked
}

// must returns v, and panics if there is an error.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
