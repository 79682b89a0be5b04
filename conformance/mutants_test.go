package conformance

import (
	"context"
	"runtime"
	"slices"

	"github.com/cachewire/cachewire/core"
)

// A planted is a fault and the cases that are meant to catch it.
type planted struct {
	fault  string
	caught string // case IDs
	plant  func(m *mutant)
}

type ctxt = context.Context

var mutants = slices.Concat(verbMutants, multiMutants, casMutants, counterMutants, ttlMutants, keyMutants,
	valueMutants, aliasMutants, contextMutants, raceMutants, abilityMutants)

var nullMutants = []planted{
	{"it remembers", "null-read", func(m *mutant) { m.store = m.reference.Store }},
	{"Replace misses", "null-store", func(m *mutant) {
		m.store = func(_ ctxt, mode core.Mode, _ core.Item) error {
			if mode == core.Replace {
				return core.ErrMiss
			}
			return nil
		}
	}},
	{"Delete misses", "null-delete", func(m *mutant) { m.del = m.reference.Delete }},
	{"it does not say that it keeps nothing", "null-count", func(m *mutant) { m.traits = core.Traits{} }},
}

// yield lets other goroutines come in between.
func yield() {
	for range 20 {
		runtime.Gosched()
	}
}
