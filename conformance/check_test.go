package conformance

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
)

func openReference() (core.Backend, error) { return newReference(), nil }

// openBroken returns a backend whose Delete of an absent key succeeds.
func openBroken() (core.Backend, error) {
	return newMutant(func(m *mutant) {
		m.del = func(ctx ctxt, key string) error {
			m.reference.Delete(ctx, key)
			return nil
		}
	}), nil
}

func TestCheckStopsAtACaseThatHangs(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	open := func() (core.Backend, error) {
		return newMutant(func(m *mutant) {
			m.get = func(ctx ctxt, key string) (core.Item, error) {
				<-release
				return m.reference.GetItem(ctx, key)
			}
		}), nil
	}
	report, err := check(t.Context(), open, &CheckOptions{Cases: []string{"get-*", "set"}},
		10*time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "get-absent") {
		t.Errorf("Check of a backend that hangs: %v, want an error that names the case", err)
	}
	const want = "plain/get-absent: Get and GetItem of an absent key return ErrMiss"
	if err := report.Err(); err == nil || !strings.Contains(err.Error(), want) ||
		!strings.Contains(err.Error(), "hangs") {

		t.Errorf("Report.Err of a backend that hangs: %v, want it to contain %q and \"hangs\"",
			err, want)
	}
	if n := len(report.Results); n != 1 {
		t.Errorf("Check of a backend that hangs: %d results, want only that of the case", n)
	}
}

func TestCheckReturnsAResultForEachCase(t *testing.T) {
	var progress []Result
	report, err := Check(t.Context(), openBroken, &CheckOptions{
		Cases:    []string{"delete-absent", "get-present", "stall-*"},
		Progress: func(r Result) { progress = append(progress, r) },
	})
	if err != nil {
		t.Fatal(err)
	}
	status := map[string]Status{}
	for _, r := range report.Results {
		status[r.View+"/"+r.ID] = r.Status
		if !strings.HasSuffix(r.Rule, ".") || (r.Status == Failed) != (len(r.Failures) != 0) {
			t.Errorf("result %+v: want a rule, and failures only if it failed", r)
		}
	}
	for id, want := range map[string]Status{
		"plain/delete-absent": Failed, "prefix/delete-absent": Failed,
		"client/delete-absent": Failed,
		"plain/get-present":    Passed, "plain/stall-context": NotRun,
	} {
		if got, ok := status[id]; !ok || got != want {
			t.Errorf("status of %s: %v (present: %v), want %v", id, got, ok, want)
		}
	}
	if len(progress) != len(report.Results) {
		t.Errorf("Progress was called for %d of %d results", len(progress), len(report.Results))
	}
	for _, s := range []Status{Passed, Failed, NotRun} {
		if report.Count(s) == 0 {
			t.Errorf("Count(%v) is 0", s)
		}
	}
	for _, view := range views {
		want := view.name + "/delete-absent: Delete of an absent key returns ErrMiss."
		if err := report.Err(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Report.Err of a mutant: %v, want it to contain %q", err, want)
		}
	}
}

func TestCheckReturnsResultsInTheOrderOfTheCases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // in a bubble, waiting takes no time
		report, err := Check(t.Context(), openReference, &CheckOptions{Parallel: 4})
		if err = errors.Join(err, report.Err()); err != nil {
			t.Fatal(err)
		}
		i := 0
		for _, v := range views {
			for _, c := range (suite{}).casesOf(v) {
				if r := report.Results[i]; r.View != v.name || r.ID != c.id {
					t.Fatalf(
						"result %d is that of %s/%s, want %s/%s",
						i,
						r.View,
						r.ID,
						v.name,
						c.id,
					)
				}
				i++
			}
		}
		if report.Seed == 0 || i != len(report.Results) {
			t.Errorf("seed %d and %d results, want a seed and %d results",
				report.Seed, len(report.Results), i)
		}
	})
}

func TestCheckReturnsErrorsOfItsArguments(t *testing.T) {
	errOpen := errors.New("cannot open")
	failing := func() (core.Backend, error) { return nil, errOpen }
	if _, err := Check(t.Context(), failing, nil); !errors.Is(err, errOpen) {
		t.Errorf("Check that cannot open: %v, want %v", err, errOpen)
	}
	if _, err := Check(t.Context(), nil, nil); !errors.Is(err, core.ErrConfig) {
		t.Errorf("Check without open: %v, want %v", err, core.ErrConfig)
	}
	opts := &CheckOptions{Cases: []string{"get-["}}
	_, err := Check(t.Context(), openReference, opts)
	if !errors.Is(err, core.ErrConfig) || !strings.Contains(err.Error(), `"get-["`) {
		t.Errorf("Check of a malformed pattern: %v, want %v and the pattern", err, core.ErrConfig)
	}
}

func TestCheckOfSharedBackendsDoesNotRunCasesThatNeedTwo(t *testing.T) {
	server := newReference()
	open := func() (core.Backend, error) {
		return server, server.Flush(t.Context())
	}
	cases := []string{"cas-other-backend", "add-present"}
	report, err := Check(t.Context(), open, &CheckOptions{Cases: cases, Shared: true})
	if err != nil || report.Count(NotRun) != 1 || report.Count(Passed) != 3 {
		t.Errorf("Check of shared backends: %+v, %v; want one case not run", report, err)
	}
	_, err = Check(t.Context(), open, &CheckOptions{Cases: cases, Shared: true, Parallel: 2})
	if !errors.Is(err, core.ErrConfig) {
		t.Errorf("Check of shared backends in parallel: %v, want ErrConfig", err)
	}
}

func TestCheckThatIsCancelledReturnsOnlyResultsOfCasesThatEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	opts := &CheckOptions{Cases: []string{"get-*"}, Progress: func(r Result) {
		if r.ID == "get-present" {
			cancel()
		}
	}}
	report, err := Check(ctx, openReference, opts)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Check that was cancelled: %v, want %v", err, context.Canceled)
	}
	if err := report.Err(); err != nil {
		t.Errorf("Report.Err of a check that was cancelled: %v", err)
	}
	last := report.Results[len(report.Results)-1]
	if last.ID != "get-present" {
		t.Errorf("the last result is that of %s, want get-present", last.ID)
	}
	if slices.ContainsFunc(report.Results, func(r Result) bool { return r.Duration < 0 }) {
		t.Error("a duration is negative")
	}
}

func TestCheckPassesItsSeedToTheHistories(t *testing.T) {
	opts := &CheckOptions{Seed: 42, Cases: []string{"race-history"}}
	report, err := Check(t.Context(), openReference, opts)
	if err != nil || report.Seed != 42 {
		t.Errorf("Seed of the report: %d and error %v, want 42", report.Seed, err)
	}
}
