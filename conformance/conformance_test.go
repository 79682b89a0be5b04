package conformance

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
)

func digits(n uint64) []byte { return strconv.AppendUint(nil, n, 10) }

func TestReferencePasses(t *testing.T) {
	Run(t, Config{
		New:      func(testing.TB) core.Backend { return newReference() },
		Synctest: true,
	})
}

func TestNullReferencePasses(t *testing.T) {
	Run(t, Config{
		New:      func(testing.TB) core.Backend { return newMutant((*mutant).keepNothing) },
		Profile:  Null,
		Synctest: true,
	})
}

// A bare backend has the methods of core.Backend and no optional interface.
type bare struct{ core.Backend }

func TestBackendWithoutOptionalInterfacesPasses(t *testing.T) {
	Run(t, Config{
		New:      func(testing.TB) core.Backend { return bare{newReference()} },
		Synctest: true,
	})
}

func TestEachMutantFailsTheCasesMeantForIt(t *testing.T) {
	for _, group := range []struct {
		profile Profile
		mutants []mutation
		base    func(m *mutant)
	}{
		{Cache, mutants, func(*mutant) {}},
		{Null, nullMutants, (*mutant).keepNothing},
	} {
		for _, p := range group.mutants {
			for _, id := range strings.Fields(p.cases) {
				t.Run(p.fault+"/"+id, func(t *testing.T) {
					c := caseByID(t, group.profile, id)
					synctest.Test(t, func(t *testing.T) {
						m := newMutant(group.base)
						p.plant(m)
						if r := c.execute(t.Context(), views[0], m, true); len(r.failures) == 0 {
							t.Errorf("%s passes although %s", id, p.fault)
						}
					})
				})
			}
		}
	}
}

// keptByCore are the cases that no backend can fail, because package core keeps their rules.
// They test core.
var keptByCore = []string{
	"alias-append", "cas-nil", "core-context", "core-key", "core-ttl",
	"getmulti-twice", "multi-illegal", "multi-none",
}

func TestEveryCaseFailsForAMutant(t *testing.T) {
	failing := map[string]bool{}
	for _, p := range slices.Concat(mutants, nullMutants) {
		for _, id := range strings.Fields(p.cases) {
			failing[id] = true
		}
	}
	for _, c := range slices.Concat(casesOf(Cache), casesOf(Null)) {
		if failing[c.id] == slices.Contains(keptByCore, c.id) {
			t.Errorf("%s: a mutant fails it is %v; want either a mutant or the ID in keptByCore",
				c.id, failing[c.id])
		}
	}
}

func TestCasesHaveIDsAndRules(t *testing.T) {
	for _, profile := range []Profile{Cache, Null} {
		seen := map[string]bool{}
		for _, c := range casesOf(profile) {
			if c.id == "" || seen[c.id] || !strings.HasSuffix(c.rule, ".") {
				t.Errorf("case %q, rule %q: want a unique ID and a sentence", c.id, c.rule)
			}
			seen[c.id] = true
		}
	}
}

func caseByID(t *testing.T, p Profile, id string) testCase {
	t.Helper()
	for _, c := range casesOf(p) {
		if c.id == id {
			return c
		}
	}
	t.Fatalf("no case %q", id)
	return testCase{}
}

// A declining backend returns errors.ErrUnsupported from Keys, too.
type declining struct{ *mutant }

func (declining) Keys(context.Context, string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) { yield("", errors.ErrUnsupported) }
}

func TestBackendThatSupportsNothingFailsAlmostEveryCase(t *testing.T) {
	err := errors.ErrUnsupported
	m := newMutant(func(m *mutant) {
		m.get = func(ctxt, string) (core.Item, error) { return core.Item{}, err }
		m.store = func(ctxt, core.Mode, core.Item) error { return err }
		m.del = func(ctxt, string) error { return err }
		m.incr = func(ctxt, string, uint64) (uint64, error) { return 0, err }
		m.decr = m.incr
		m.touch = func(ctxt, string, time.Duration) error { return err }
		m.flush = func(ctxt) error { return err }
		m.getMulti = func(ctxt, []string) ([]core.Item, error) { return nil, err }
		m.storeMulti = func(ctxt, core.Mode, []core.Item) error { return err }
		m.deleteMulti = func(ctxt, []string) error { return err }
		m.ttl = func(ctxt, string) (time.Duration, error) { return 0, err }
		m.ping = func(ctxt) error { return err }
		m.stats = func(ctxt) (core.Stats, error) { return core.Stats{}, err }
		m.getShared = func(ctxt, string) (any, any, error) { return nil, nil, err }
		m.storeShared = func(ctxt, core.Mode, core.Item, any) error { return err }
	})
	// These cases need no success of a verb of the backend.
	mayPass := []string{
		"traits", "value-too-large", "core-key", "core-context", "core-close", "close-busy",
		"multi-none", "context-bytes",
	}
	for _, c := range casesOf(Cache) {
		synctest.Test(t, func(t *testing.T) {
			r := c.execute(t.Context(), views[0], declining{m}, true)
			if len(r.failures) == 0 && !slices.Contains(mayPass, c.id) {
				t.Errorf("%s passes", c.id)
			}
		})
	}
}

func TestWatchReturnsStacksOfAFunctionThatHangs(t *testing.T) {
	release := make(chan struct{})
	stacks := watch(time.Millisecond, func() { <-release })
	close(release)
	if !strings.Contains(stacks, "TestWatchReturnsStacksOfAFunctionThatHangs") {
		t.Errorf("stacks of a function that hangs: %q, want those of all goroutines", stacks)
	}
	if stacks := watch(time.Hour, func() {}); stacks != "" {
		t.Errorf("stacks of a function that returns: %q, want none", stacks)
	}
}

func TestCheckStopsAtACaseThatHangs(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	err := check(t.Context(), func() (core.Backend, error) {
		return newMutant(func(m *mutant) {
			m.get = func(ctx ctxt, key string) (core.Item, error) {
				<-release
				return m.reference.GetItem(ctx, key)
			}
		}), nil
	}, 10*time.Millisecond)
	const want = "plain/get-absent: Get and GetItem of an absent key return ErrMiss"
	if err == nil || !strings.Contains(err.Error(), want) ||
		!strings.Contains(err.Error(), "hangs") {

		t.Errorf("Check of a backend that hangs: %v, want it to contain %q and \"hangs\"",
			err, want)
	}
}

func TestCheckReturnsFailuresAndErrors(t *testing.T) {
	// In a bubble, waiting takes no time.
	synctest.Test(t, func(t *testing.T) {
		open := func() (core.Backend, error) { return newReference(), nil }
		if err := Check(t.Context(), open); err != nil {
			t.Errorf("Check of the reference: %v", err)
		}
		broken := func() (core.Backend, error) {
			return newMutant(func(m *mutant) {
				m.del = func(ctx ctxt, key string) error {
					m.reference.Delete(ctx, key)
					return nil
				}
			}), nil
		}
		err := Check(t.Context(), broken)
		for _, view := range views {
			want := view.name + "/delete-absent: Delete of an absent key returns ErrMiss."
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("Check of a mutant: %v, want it to contain %q", err, want)
			}
		}
		errOpen := errors.New("cannot open")
		open = func() (core.Backend, error) { return nil, errOpen }
		if err := Check(t.Context(), open); !errors.Is(err, errOpen) {
			t.Errorf("Check that cannot open: %v, want %v", err, errOpen)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := Check(ctx, broken); !errors.Is(err, context.Canceled) {
			t.Errorf("Check under a context that is done: %v, want %v", err, context.Canceled)
		}
	})
}
