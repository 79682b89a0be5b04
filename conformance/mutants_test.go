package conformance

import (
	"context"
	"slices"
	"time"

	"github.com/cachewire/cachewire/core"
)

// A mutation is a fault and the cases that must fail because of it.
type mutation struct {
	fault string
	cases string // the IDs, with spaces between them
	plant func(m *mutant)
}

// ctxt is short for context.Context, because each mutant names it.
type ctxt = context.Context

var mutants = slices.Concat(
	verbMutants,
	multiMutants,
	casMutants,
	counterMutants,
	ttlMutants,
	leftMutants,
	listMutants,
	sizeMutants,
	keyMutants,
	valueMutants,
	aliasMutants,
	contextMutants,
	raceMutants,
	abilityMutants,
)

var nullMutants = []mutation{
	{"it keeps items", "null-read", func(m *mutant) { m.store = m.reference.Store }},
	{"Replace misses", "null-store", func(m *mutant) {
		m.store = func(_ ctxt, mode core.Mode, _ core.Item) error {
			if mode == core.Replace {
				return core.ErrMiss
			}
			return nil
		}
	}},
	{"Delete misses", "null-delete", func(m *mutant) { m.del = m.reference.Delete }},
	{"it starts counters", "null-count", func(m *mutant) { m.incrFrom = m.reference.IncrFrom }},
}

// letOthersRun lets other goroutines run between two steps of a fault. It must be called in a
// bubble of testing/synctest, in which the time stands still until each of them waits.
func letOthersRun() { time.Sleep(5 * time.Millisecond) }
