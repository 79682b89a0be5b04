package conformance

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
)

// Config describes the backend that Run tests, and how Run tests it.
type Config struct {
	// New returns an empty backend. It is called each time a case runs, with the t of that
	// run; a few cases call it twice. The suite closes the backends. If New skips the test,
	// the case is skipped. If a missing server must not go unnoticed, New should fail the
	// test instead.
	New func(t testing.TB) core.Backend

	// Profile is the kind of cache that the backend is. The zero value is Cache.
	Profile Profile

	// Synctest runs each case in a bubble of testing/synctest. There, waiting takes no
	// time, and the suite finds goroutines that outlive Close. Set it for every backend
	// that does not use the network and whose goroutines do not block in system calls. If
	// false, the cases about time wait in real time. The larger Traits.Resolution is, the
	// longer they wait.
	Synctest bool

	// Parallel runs the cases in parallel. The backends that New returns must then share
	// nothing.
	Parallel bool

	// Seed is the seed of the random histories. If 0, each run has a random one. A failure
	// prints it.
	Seed uint64

	// Stall and Kill cause faults of the server of a backend. If one is nil, the cases that
	// need it are not run, and the log names them. The suite causes a fault in one backend
	// at a time, never in parallel with other cases.
	//
	// Stall stops the server of b, so that it accepts requests but does not reply, for
	// example by SIGSTOP. It returns a function that lets the server continue, for example
	// by SIGCONT.
	Stall func(b core.Backend) (resume func(), err error)

	// Kill ends the server of b, so that its connections are lost and new ones are refused.
	// It returns a function that starts the server again at the same address, with or
	// without its items.
	Kill func(b core.Backend) (restart func(), err error)
}

// A Profile is a kind of cache.
type Profile uint8

const (
	Cache Profile = iota // keeps every item until it expires
	Null                 // keeps nothing: reads and counters miss, all other verbs succeed
)

// hangLimit is how long a case may take. A case that takes longer hangs. On a busy machine, and
// with the race detector, the slowest case takes two minutes.
const hangLimit = 4 * time.Minute

// Run runs the suite as subtests of t. If a case needs Stall or Kill and the Config does
// not have it, the case is skipped as "not run".
func Run(t *testing.T, cfg Config) {
	t.Helper()
	if cfg.Seed == 0 {
		cfg.Seed = rand.Uint64()
	}
	s := suite{
		profile: cfg.Profile, seed: cfg.Seed, stall: cfg.Stall, kill: cfg.Kill, leaks: &leakLog{},
	}
	var hung atomic.Bool
	for _, v := range views {
		t.Run(v.name, func(t *testing.T) {
			cases := s.casesOf(v)
			// The cases with faults come first, and not in parallel: the parallel subtests
			// start when this function returns.
			for _, c := range cases {
				if c.fault != noFault {
					t.Run(c.id, func(t *testing.T) { runCase(t, cfg, s, &hung, v, c) })
				}
			}
			for _, c := range cases {
				if c.fault == noFault {
					t.Run(c.id, func(t *testing.T) {
						if cfg.Parallel {
							t.Parallel()
						}
						runCase(t, cfg, s, &hung, v, c)
					})
				}
			}
		})
	}
}

func runCase(t *testing.T, cfg Config, s suite, hung *atomic.Bool, v view, c testCase) {
	if hung.Load() {
		t.Fatal("not run, because an earlier case hangs")
	}
	if reason := s.missing(c); reason != "" {
		t.Skipf("not run: %s: %s", c.rule, reason)
	}
	var o outcome
	run := func(t *testing.T, real *realClock) {
		goroutines := newGoroutineSet()
		defer goroutines.end()
		e := newEnv(t.Context(), s, cfg.New(t))
		if c.twoBackends {
			e.other = cfg.New(t)
		}
		e.goroutines = goroutines.begin(e.backend)
		e.fakeTime, e.realClock = real != nil, real
		o = c.execute(e, v)
	}
	var problem string
	if cfg.Synctest && c.fault == noFault {
		// The watchdog stays outside the bubble, because its clock would stand still
		// inside.
		real := startRealClock()
		defer real.stop()
		var panicked any
		problem = watch(hangLimit, func() {
			// The bubble panics if all goroutines are blocked forever, in a verb or after
			// Close. Leaked goroutines are in the failures already.
			defer func() { panicked = recover() }()
			synctest.Test(t, func(t *testing.T) { run(t, real) })
		})
		if problem == "" && panicked != nil && !o.leaking {
			o.failures = append(o.failures, fmt.Sprintf("a goroutine never ends: %v", panicked))
		}
	} else {
		problem = watch(hangLimit, func() { run(t, nil) })
	}
	if problem != "" {
		hung.Store(true) // if more cases hung, the test binary would exceed its time limit
		t.Fatalf("%s: %s\n%s", c.id, c.rule, problem)
	}
	report(t, c, o)
}

func report(t *testing.T, c testCase, r outcome) {
	for _, d := range r.declined {
		t.Logf("declined: %s", d)
	}
	for _, n := range r.notes {
		t.Log(n)
	}
	if len(r.failures) != 0 {
		t.Errorf("%s: %s\n%s", c.id, c.rule, strings.Join(r.failures, "\n"))
	}
}

// watch calls f and waits until it returns, but no longer than limit. After limit, it
// returns that f hangs, with the stacks of all goroutines, and f keeps running.
func watch(limit time.Duration, f func()) (problem string) {
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
		return "hangs; all goroutines:\n" + string(buf[:runtime.Stack(buf, true)])
	}
}
