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

// A bare backend has what core.Backend asks for and nothing more.
type bare struct{ core.Backend }

func TestBackendWithoutAbilitiesPasses(t *testing.T) {
	Run(t, Config{
		New:      func(testing.TB) core.Backend { return bare{newReference()} },
		Synctest: true,
	})
}

func TestEachMutantIsCaughtByTheCasesMeantForIt(t *testing.T) {
	for _, group := range []struct {
		profile Profile
		mutants []planted
		base    func(m *mutant)
	}{
		{Cache, mutants, func(*mutant) {}},
		{Null, nullMutants, (*mutant).keepNothing},
	} {
		for _, p := range group.mutants {
			for _, id := range strings.Fields(p.caught) {
				t.Run(p.fault+"/"+id, func(t *testing.T) {
					c := caseByID(t, group.profile, id)
					synctest.Test(t, func(t *testing.T) {
						m := newMutant(group.base)
						p.plant(m)
						if r := c.execute(t.Context(), views[0], m, true); len(r.failures) == 0 {
							t.Errorf("%s did not notice: %s", id, p.fault)
						}
					})
				})
			}
		}
	}
}

// keptByCore are the cases that no backend can fail, for core does not let it
// come to that. They guard core.
var keptByCore = []string{
	"alias-append", "cas-nil", "core-context", "core-key", "core-ttl",
	"getmulti-twice", "multi-illegal", "multi-none",
}

func TestEveryCaseIsProvedByAMutant(t *testing.T) {
	proved := map[string]bool{}
	for _, p := range slices.Concat(mutants, nullMutants) {
		for _, id := range strings.Fields(p.caught) {
			proved[id] = true
		}
	}
	for _, c := range slices.Concat(casesOf(Cache), casesOf(Null)) {
		if proved[c.id] == slices.Contains(keptByCore, c.id) {
			t.Errorf("%s: proved by a mutant is %v; want either a mutant or a place among those kept by core", c.id, proved[c.id])
		}
	}
}

func TestCasesHaveIDsAndRules(t *testing.T) {
	for _, profile := range []Profile{Cache, Null} {
		seen := map[string]bool{}
		for _, c := range casesOf(profile) {
			if c.id == "" || seen[c.id] || !strings.HasSuffix(c.rule, ".") {
				t.Errorf("case %q, rule %q: want an ID of its own and a sentence", c.id, c.rule)
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

// declining declines whatever it is asked.
type declining struct{ *mutant }

func (declining) Keys(context.Context, string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) { yield("", errors.ErrUnsupported) }
}

func TestBackendThatDeclinesEverythingPassesNoCaseButThoseKeptByCore(t *testing.T) {
	no := errors.ErrUnsupported
	m := newMutant(func(m *mutant) {
		m.get = func(ctxt, string) (core.Item, error) { return core.Item{}, no }
		m.store = func(ctxt, core.Mode, core.Item) error { return no }
		m.del = func(ctxt, string) error { return no }
		m.incr = func(ctxt, string, uint64) (uint64, error) { return 0, no }
		m.decr = m.incr
		m.touch = func(ctxt, string, time.Duration) error { return no }
		m.flush = func(ctxt) error { return no }
		m.getMulti = func(ctxt, []string) ([]core.Item, error) { return nil, no }
		m.storeMulti = func(ctxt, core.Mode, []core.Item) error { return no }
		m.deleteMulti = func(ctxt, []string) error { return no }
		m.ttl = func(ctxt, string) (time.Duration, error) { return 0, no }
		m.ping = func(ctxt) error { return no }
		m.stats = func(ctxt) (core.Stats, error) { return core.Stats{}, no }
		m.getShared = func(ctxt, string) (any, any, error) { return nil, nil, no }
		m.storeShared = func(ctxt, core.Mode, core.Item, any) error { return no }
	})
	// What it may pass is what needs no answer of the backend.
	may := []string{"traits", "value-too-large", "core-key", "core-context", "core-close", "close-busy", "multi-none", "context-bytes"}
	for _, c := range casesOf(Cache) {
		synctest.Test(t, func(t *testing.T) {
			r := c.execute(t.Context(), views[0], declining{m}, true)
			if len(r.failures) == 0 && !slices.Contains(may, c.id) {
				t.Errorf("%s passes", c.id)
			}
		})
	}
}

func TestHangIsAFailureWithStacks(t *testing.T) {
	release := make(chan struct{})
	stacks := watch(time.Millisecond, func() { <-release })
	close(release)
	if !strings.Contains(stacks, "TestHangIsAFailureWithStacks") {
		t.Errorf("stacks of a hanging case: %q, want those of all goroutines", stacks)
	}
	if stacks := watch(time.Hour, func() {}); stacks != "" {
		t.Errorf("stacks of a case that ends: %q, want none", stacks)
	}
}

func TestCheckEndsAtACaseThatHangs(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	err := check(t.Context(), func() (core.Backend, error) {
		return newMutant(func(m *mutant) {
			m.get = func(ctx ctxt, key string) (core.Item, error) { <-release; return m.reference.GetItem(ctx, key) }
		}), nil
	}, 10*time.Millisecond)
	if want := "plain/get-absent: Get of an absent key is ErrMiss"; err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "hangs") {
		t.Errorf("Check of a backend that hangs: %v, want it to tell %q", err, want)
	}
}

func TestCheckTellsWhatRunTells(t *testing.T) {
	// In a bubble, so that waiting takes no time.
	synctest.Test(t, func(t *testing.T) {
		if err := Check(t.Context(), func() (core.Backend, error) { return newReference(), nil }); err != nil {
			t.Errorf("Check of the reference: %v", err)
		}
		broken := func() (core.Backend, error) {
			return newMutant(func(m *mutant) {
				m.del = func(ctx ctxt, key string) error { m.reference.Delete(ctx, key); return nil }
			}), nil
		}
		err := Check(t.Context(), broken)
		for _, view := range views {
			if want := view.name + "/delete-absent: Delete of an absent key is ErrMiss."; err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("Check of a mutant: %v, want it to tell %q", err, want)
			}
		}
		cannot := errors.New("cannot open")
		if err := Check(t.Context(), func() (core.Backend, error) { return nil, cannot }); !errors.Is(err, cannot) {
			t.Errorf("Check that cannot open: %v, want %v", err, cannot)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := Check(ctx, broken); !errors.Is(err, context.Canceled) {
			t.Errorf("Check under a context that is done: %v, want %v", err, context.Canceled)
		}
	})
}
