package conformance

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
)

// Config says which backend Run tests, and how.
type Config struct {
	// New returns an empty backend. It is called each time a case runs, with the t of
	// that run. The suite closes the backend. If New skips the test, the case is
	// skipped; if the server is required, New must fail the test instead.
	New func(t testing.TB) core.Backend

	// Profile is the kind of cache that the backend is. The zero value is Cache.
	Profile Profile

	// Synctest runs each case in a bubble of testing/synctest, in which waiting takes
	// no time. It is for backends that neither use the network nor keep goroutines
	// blocked in system calls. If false, the cases about time wait in real time; a
	// larger Traits.Resolution of the backend makes them wait longer.
	Synctest bool

	// Parallel runs the cases in parallel. The backends that New returns must then
	// share nothing.
	Parallel bool
}

// A Profile is a kind of cache.
type Profile uint8

const (
	Cache Profile = iota // keeps every item until it expires
	Null                 // keeps nothing: reads and counters miss, all other verbs succeed
)

// hangLimit is how long a case may take. A case that takes longer hangs.
const hangLimit = 2 * time.Minute

// Run runs the suite as subtests of t.
func Run(t *testing.T, cfg Config) {
	t.Helper()
	var hung atomic.Bool
	for _, v := range views {
		t.Run(v.name, func(t *testing.T) {
			if cfg.Parallel {
				t.Parallel()
			}
			for _, c := range casesOf(cfg.Profile) {
				t.Run(c.id, func(t *testing.T) {
					if cfg.Parallel {
						t.Parallel()
					}
					runCase(t, cfg, &hung, v, c)
				})
			}
		})
	}
}

func runCase(t *testing.T, cfg Config, hung *atomic.Bool, v view, c testCase) {
	if hung.Load() {
		t.Fatal("not run, because an earlier case hangs")
	}
	var stacks string
	if cfg.Synctest {
		// The watchdog stays outside the bubble, in which its clock would stand still.
		stacks = watch(hangLimit, func() {
			defer func() {
				// The bubble panics if a goroutine waits for something that cannot happen,
				// in a verb or after Close.
				if p := recover(); p != nil {
					t.Errorf("%s: %s\na goroutine never ends: %v", c.id, c.rule, p)
				}
			}()
			synctest.Test(t, func(t *testing.T) {
				report(t, c, c.execute(t.Context(), v, cfg.New(t), true))
			})
		})
	} else {
		b := cfg.New(t)
		var r outcome
		stacks = watch(hangLimit, func() { r = c.execute(t.Context(), v, b, false) })
		if stacks == "" {
			report(t, c, r)
		}
	}
	if stacks != "" {
		hung.Store(true) // if more cases hung, the test binary would exceed its time limit
		t.Fatalf("%s: %s\nhangs; all goroutines:\n%s", c.id, c.rule, stacks)
	}
}

func report(t *testing.T, c testCase, r outcome) {
	if len(r.failures) != 0 {
		t.Errorf("%s: %s\n%s", c.id, c.rule, strings.Join(r.failures, "\n"))
	}
	for _, d := range r.declined {
		t.Logf("declined: %s", d)
	}
}

// Check runs the suite with the profile Cache, in real time and without a testing.T, so
// that a program can check a backend. It returns all failures as one error, or nil.
//
// Open is called each time a case runs. It returns an empty backend, which Check closes. If
// open returns an error, Check stops and returns that error, too. If ctx is done, Check
// stops after the running case and returns the error of ctx, too. If a case hangs, Check
// stops at once and does not close the backend of that case.
func Check(ctx context.Context, open func() (core.Backend, error)) error {
	return check(ctx, open, hangLimit)
}

func check(ctx context.Context, open func() (core.Backend, error), limit time.Duration) error {
	var errs []error
	for _, v := range views {
		for _, c := range casesOf(Cache) {
			if err := ctx.Err(); err != nil {
				return errors.Join(append(errs, err)...)
			}
			b, err := open()
			if err != nil {
				err = fmt.Errorf("%s/%s: open: %w", v.name, c.id, err)
				return errors.Join(append(errs, err)...)
			}
			var r outcome
			stacks := watch(limit, func() { r = c.execute(ctx, v, b, false) })
			if stacks != "" {
				err := fmt.Errorf("%s/%s: %s: hangs; all goroutines:\n%s",
					v.name, c.id, c.rule, stacks)
				return errors.Join(append(errs, err)...)
			}
			for _, f := range r.failures {
				errs = append(errs, fmt.Errorf("%s/%s: %s: %s", v.name, c.id, c.rule, f))
			}
		}
	}
	return errors.Join(errs...)
}

// watch calls f and waits until it returns, but no longer than limit. After limit, it
// returns the stacks of all goroutines, and f keeps running.
func watch(limit time.Duration, f func()) (stacks string) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-done:
		return ""
	case <-timer.C:
		buf := make([]byte, 1<<20)
		return string(buf[:runtime.Stack(buf, true)])
	}
}

// A view is a way to use a backend. Its open returns the Cache that a case uses, the prefix
// of that Cache, and a function that closes everything.
type view struct {
	name string
	open func(b core.Backend) (c *core.Cache, prefix string, closeAll func() error, err error)
}

var views = []view{
	{"plain", func(b core.Backend) (*core.Cache, string, func() error, error) {
		c, err := core.New(b, nil)
		if err != nil {
			return nil, "", nil, err
		}
		return c, "", c.Close, nil
	}},
	{"prefix", func(b core.Backend) (*core.Cache, string, func() error, error) {
		root, err := core.New(b, nil)
		if err != nil {
			return nil, "", nil, err
		}
		const prefix = "suite: "
		c, err := root.WithPrefix(prefix)
		return c, prefix, root.Close, err
	}},
	{"client", func(b core.Backend) (*core.Cache, string, func() error, error) {
		root, err := core.New(b, nil)
		if err != nil {
			return nil, "", nil, err
		}
		caches := map[string]*core.Cache{"default": root, "other": root}
		client, err := core.NewClient(caches, "default")
		if err != nil {
			return nil, "", nil, err
		}
		c, err := client.Namespace("other")
		return c, "", client.Close, err
	}},
}

// A testCase checks one rule of the contract.
type testCase struct {
	id   string
	rule string
	run  func(e *env)
}

// casesOf returns the cases that a backend of profile p must pass.
func casesOf(p Profile) []testCase {
	if p == Null {
		return slices.Concat(nullCases, coreCases)
	}
	return slices.Concat(readCases, storeCases, multiCases, casCases, counterCases, ttlCases,
		keyCases, valueCases, aliasCases, contextCases, raceCases, abilityCases, coreCases)
}

// An outcome is the result of a case.
type outcome struct {
	failures []string
	declined []string
}

// execute runs the case on b, and closes b.
func (c testCase) execute(ctx context.Context, v view, b core.Backend, fakeTime bool) outcome {
	cache, prefix, closeAll, err := v.open(b)
	if err != nil {
		return outcome{failures: []string{fmt.Sprintf("cannot make a Cache: %v", err)}}
	}
	e := &env{
		ctx:      ctx,
		cache:    cache,
		backend:  b,
		prefix:   prefix,
		closeAll: closeAll,
		fakeTime: fakeTime,
	}
	if !fakeTime {
		e.clock = &clock{last: time.Now()}
		done := make(chan struct{})
		defer close(done)
		go e.clock.run(done)
	}
	e.inNewGoroutine(func() { c.run(e) })
	e.inNewGoroutine(func() {
		if err := closeAll(); err != nil {
			e.errorf("Close: %v", err)
		}
	})
	return e.outcome
}
