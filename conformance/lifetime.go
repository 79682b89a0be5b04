package conformance

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/cachewire/cachewire/core"
)

// A lifetime is the time to live of an item that was stored between two moments.
type lifetime struct {
	what, key     string
	ttl           time.Duration
	before, after time.Time
}

// timeStore calls store, which gives the item under key the time to live ttl, and returns
// its lifetime. Store must succeed.
func (e *env) timeStore(what, key string, ttl time.Duration, store func() error) lifetime {
	l := lifetime{what: what, key: key, ttl: ttl, before: time.Now()}
	e.must(what, store())
	l.after = time.Now()
	return l
}

// end returns the earliest moment at which the item may expire.
func (l lifetime) end() time.Time { return l.before.Add(l.ttl) }

// checkLifetimes checks that each item is present shortly before it expires, and absent one
// resolution after it has expired. On a slow machine the first check may be too late to
// show anything. This is not a failure. In the end, it checks that the items that never
// expire are present.
func (e *env) checkLifetimes(lifetimes []lifetime) {
	slices.SortFunc(lifetimes, func(a, b lifetime) int { return a.end().Compare(b.end()) })
	forever, _ := slices.BinarySearchFunc(
		lifetimes,
		core.Forever,
		func(l lifetime, _ time.Duration) int {
			return cmp.Compare(l.ttl, core.Forever)
		},
	)
	for _, l := range lifetimes[:forever] {
		margin := l.ttl / 10
		if e.fakeTime {
			margin = min(margin, time.Millisecond)
		}
		if !e.sleep(time.Until(l.end().Add(-margin))) {
			return
		}
		e.wantPresent(l)
	}
	patient := !e.fakeTime // after a failure, the wait would fail for the others, too
	for _, l := range lifetimes[:forever] {
		if !e.sleep(time.Until(l.after.Add(l.ttl + e.resolution()))) {
			return
		}
		var present bool
		var err error
		expired := eventually(patient, func() bool {
			present, err = e.cache.Exists(e.ctx, l.key)
			return err == nil && !present
		})
		if !expired {
			patient = false
			e.errorf("%s with time to live %v: still present after %v (error %v); "+
				"Traits.Resolution is %v",
				l.what, l.ttl, time.Since(l.after), err, e.resolution())
		}
	}
	for _, l := range lifetimes[forever:] {
		e.wantPresent(l)
	}
}

// wantPresent checks that the item of l is present, unless it may have expired.
func (e *env) wantPresent(l lifetime) {
	present, err := e.cache.Exists(e.ctx, l.key)
	if (err != nil || !present) && time.Now().Before(l.end()) {
		e.errorf("%s with time to live %s: absent after %v (error %v)",
			l.what, ttlString(l.ttl), time.Since(l.before), err)
	}
}

// storeExpired stores keys with a short time to live, and waits until they have expired.
func (e *env) storeExpired(keys ...string) {
	const ttl = 100 * time.Millisecond
	for _, key := range keys {
		e.must("Set", e.cache.Set(e.ctx, key, []byte("1"), ttl))
	}
	time.Sleep(ttl + e.resolution())
}

// wantError returns nil if err is target, and an error otherwise.
func wantError(target, err error) error {
	if errors.Is(err, target) {
		return nil
	}
	return fmt.Errorf("error is %w, want %w", cmp.Or(err, errNone), target)
}

var errNone = errors.New("none")

// checkUntouched checks that none of verbs changes the time to live of an item with value.
// Each verb has its own item, and is called in the middle of the item's life.
func (e *env) checkUntouched(value string, verbs map[string]func(key string) error) {
	names := slices.Sorted(maps.Keys(verbs))
	var lifetimes []lifetime
	e.withShortTTL(1100*time.Millisecond, func(round string, ttl time.Duration) error {
		lifetimes = make([]lifetime, len(names))
		errs := make([]error, len(names))
		e.inParallel(len(names), func(i int) {
			key := round + names[i]
			lifetimes[i] = e.timeStore(names[i], key, ttl, func() error {
				return e.cache.Set(e.ctx, key, []byte(value), ttl)
			})
			time.Sleep(ttl / 2)
			if err := verbs[names[i]](key); err != nil {
				errs[i] = fmt.Errorf("%s: %w", names[i], err)
			}
		})
		return errors.Join(errs...)
	})
	e.checkLifetimes(lifetimes)
}
