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
						newBackend := func() core.Backend {
							m := newMutant(group.base)
							p.plant(m)
							return m
						}
						if r := runCaseInBubble(t, c, newBackend); len(r.failures) == 0 {
							t.Errorf("%s passes although %s", id, p.fault)
						}
					})
				})
			}
		}
	}
}

// keptByCore are the cases that no backend can fail, because package core enforces their
// rules. They test core.
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
	for _, p := range faultMutants {
		for _, id := range strings.Fields(p.cases) {
			failing[id] = true
		}
	}
	for _, c := range allCases() {
		if failing[c.id] == slices.Contains(keptByCore, c.id) {
			t.Errorf("%s: a mutant fails it is %v; want either a mutant or the ID in keptByCore",
				c.id, failing[c.id])
		}
	}
}

// casesOf returns all cases of a profile.
func casesOf(p Profile) []testCase { return suite{profile: p}.casesOf(views[0]) }

func allCases() []testCase { return slices.Concat(casesOf(Cache), casesOf(Null)) }

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

// runCaseInBubble runs c, in a bubble of testing/synctest, with a backend that newBackend returns.
func runCaseInBubble(t *testing.T, c testCase, newBackend func() core.Backend) outcome {
	e := newEnv(t.Context(), suite{seed: 1}, newBackend())
	e.fakeTime = true
	if c.twoBackends {
		e.other = newBackend()
	}
	return c.execute(e, views[0])
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
	// These cases pass even if every verb of the backend fails.
	mayPass := []string{
		"traits", "value-too-large", "core-key", "core-context", "core-close", "close-busy",
		"multi-none", "context-bytes",
	}
	for _, c := range casesOf(Cache) {
		if c.fault != noFault {
			continue
		}
		synctest.Test(t, func(t *testing.T) {
			r := runCaseInBubble(t, c, func() core.Backend { return declining{m} })
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
