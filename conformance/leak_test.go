package conformance

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
)

// A leaking backend starts goroutines that do not end when it is closed.
type leaking struct {
	*mutant
	background func()
}

func (l leaking) Flush(ctx ctxt) error {
	go l.background()
	return l.mutant.Flush(ctx)
}

func newLeaking(background func()) leaking {
	return leaking{newMutant(func(*mutant) {}), background}
}

func TestCheckReportsEachLeakOnce(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	open := func() (core.Backend, error) { return newLeaking(func() { <-release }), nil }
	report, err := Check(t.Context(), open, &CheckOptions{Cases: []string{"flush-*", "get-*"}})
	if err != nil {
		t.Fatal(err)
	}
	var failed []Result
	for _, r := range report.Results {
		if r.Status == Failed {
			failed = append(failed, r)
		}
	}
	if len(failed) != 1 || !strings.HasPrefix(failed[0].ID, "flush-") ||
		!strings.Contains(failed[0].Failures[0], "TestCheckReportsEachLeakOnce") {

		t.Errorf("failed: %+v, want one case with the stack of the goroutine", failed)
	}
}

func TestGoroutinesOfTheServerAreNoLeak(t *testing.T) {
	var server sync.WaitGroup
	server.Add(1)
	defer server.Done()
	open := func() (core.Backend, error) {
		go server.Wait() // as a test that starts a server for the backend does
		return newReference(), nil
	}
	report, err := Check(t.Context(), open, &CheckOptions{Cases: []string{"get-*"}})
	if err != nil || report.Err() != nil {
		t.Errorf("Check: %v and %v", err, report.Err())
	}
}

// executeLeaking executes a case in a bubble, with a goroutine that outlives Close.
func executeLeaking(t *testing.T, background func()) (o outcome, panicked any) {
	defer func() { panicked = recover() }()
	real := startRealClock()
	defer real.stop()
	synctest.Test(t, func(t *testing.T) {
		goroutines := newGoroutineSet()
		e := newEnv(t.Context(), suite{leaks: &leakLog{}}, newLeaking(background))
		e.goroutines = goroutines.begin(e.backend)
		e.fakeTime, e.realClock = true, real
		o = caseByID(t, Cache, "flush-all").execute(e, views[0])
	})
	return o, nil
}

func TestGoroutineThatOutlivesABubbleIsALeak(t *testing.T) {
	for name, background := range map[string]func(){
		"waits": func() { <-make(chan struct{}) },
		"ticks": func() {
			for {
				time.Sleep(time.Millisecond)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			o, panicked := executeLeaking(t, background)
			if panicked == nil || !o.leaking {
				t.Errorf("panic %v, leaking %v; want the bubble to panic because of a leak",
					panicked, o.leaking)
			}
			if len(o.failures) != 1 ||
				!strings.Contains(o.failures[0], "TestGoroutineThatOutlivesABubbleIsALeak") {

				t.Errorf("failures: %q, want the stack of the goroutine", o.failures)
			}
		})
	}
}
