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

// Config says what is to be tested, and how.
type Config struct {
	// New answers a backend in which there is nothing. It is called for each
	// case, with the case's own t; the suite closes the backend. A New that
	// skips the test skips the case: where the server must not be missing, it
	// is to fail.
	New func(t testing.TB) core.Backend

	// Profile says what the backend is to do; the zero value is a cache that
	// keeps what it is given.
	Profile Profile

	// Synctest runs each case in a bubble of testing/synctest, in which waiting
	// takes no time. It is for backends that neither use the network nor keep
	// goroutines blocked in system calls. Without it the cases about time wait
	// as long as the backend's Traits.Resolution makes them.
	Synctest bool

	// Parallel runs the cases side by side. New must then answer backends that
	// share nothing.
	Parallel bool
}

// A Profile is what kind of cache a backend is.
type Profile uint8

const (
	Cache Profile = iota // keeps what it is given until its time is over
	Null                 // keeps nothing: reads and counters miss, all else succeeds
)

// hangs is how long a case may take before it counts as hanging.
const hangs = 2 * time.Minute

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
		t.Fatal("not run, for an earlier case hangs")
	}
	var stacks string
	if cfg.Synctest {
		// The watchdog stays outside: in the bubble its clock would stand still.
		stacks = watch(hangs, func() {
			defer func() {
				// A goroutine that waits for ever, in a verb or left behind by
				// Close, is a panic of the bubble.
				if p := recover(); p != nil {
					t.Errorf("%s: %s\na goroutine waits for ever: %v", c.id, c.rule, p)
				}
			}()
			synctest.Test(t, func(t *testing.T) {
				report(t, c, c.execute(t.Context(), v, cfg.New(t), true))
			})
		})
	} else {
		b := cfg.New(t)
		var r outcome
		stacks = watch(hangs, func() { r = c.execute(t.Context(), v, b, false) })
		if stacks == "" {
			report(t, c, r)
		}
	}
	if stacks != "" {
		hung.Store(true) // with more of them the test binary would run out of time
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

// Check runs the suite for a cache that keeps what it is given, without a
// testing.T and in real time, for programs that want to know whether a backend
// of theirs is sound. Open is called for each case and answers a backend in
// which there is nothing; Check closes it. The error tells every failure. When
// ctx is done Check ends after the case that is running, and at a case that hangs
// it ends at once, and leaves that case's backend behind.
func Check(ctx context.Context, open func() (core.Backend, error)) error {
	return check(ctx, open, hangs)
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
				return errors.Join(append(errs, fmt.Errorf("%s/%s: open: %w", v.name, c.id, err))...)
			}
			var r outcome
			if stacks := watch(limit, func() { r = c.execute(ctx, v, b, false) }); stacks != "" {
				return errors.Join(append(errs, fmt.Errorf("%s/%s: %s: hangs; all goroutines:\n%s", v.name, c.id, c.rule, stacks))...)
			}
			for _, f := range r.failures {
				errs = append(errs, fmt.Errorf("%s/%s: %s: %s", v.name, c.id, c.rule, f))
			}
		}
	}
	return errors.Join(errs...)
}

// watch calls f and waits for it, but not longer than limit: then it answers the
// stacks of all goroutines and leaves f behind.
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

// A view is a way to a backend. It answers the Cache that a case is to use, the
// prefix that it has, and what closes all of it.
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
		client, err := core.NewClient(map[string]*core.Cache{"default": root, "other": root}, "default")
		if err != nil {
			return nil, "", nil, err
		}
		c, err := client.Namespace("other")
		return c, "", client.Close, err
	}},
}

// A testCase is one rule of the contract.
type testCase struct {
	id   string
	rule string
	run  func(e *env)
}

// casesOf answers what a backend of this profile has to pass.
func casesOf(p Profile) []testCase {
	if p == Null {
		return slices.Concat(nullCases, coreCases)
	}
	return slices.Concat(readCases, storeCases, multiCases, casCases, counterCases, ttlCases,
		keyCases, valueCases, aliasCases, contextCases, raceCases, abilityCases, coreCases)
}

// An outcome is what a case found.
type outcome struct {
	failures []string
	declined []string
}

// execute runs the case on b, which it closes.
func (c testCase) execute(ctx context.Context, v view, b core.Backend, fakeTime bool) outcome {
	cache, prefix, closeAll, err := v.open(b)
	if err != nil {
		return outcome{failures: []string{fmt.Sprintf("cannot make a Cache: %v", err)}}
	}
	e := &env{ctx: ctx, cache: cache, backend: b, prefix: prefix, closeAll: closeAll, fakeTime: fakeTime}
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
