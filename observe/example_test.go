package observe_test

import (
	"context"
	"fmt"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memory"
	"github.com/cachewire/cachewire/observe"
)

// A printer is a hook that prints the outcome of each verb.
type printer struct{}

func (printer) After(_ context.Context, op *core.Op) {
	fmt.Println(op.Verb, observe.OutcomeOf(op.Verb, op.Hits, op.Misses, op.Err))
}

func ExampleOutcomeOf() {
	backend, err := memory.New(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	cache, err := core.New(backend, &core.Options{Hooks: []core.Hook{printer{}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cache.Close()
	ctx := context.Background()
	_, _ = cache.Get(ctx, "k")
	_ = cache.Set(ctx, "k", []byte("v"), 0)
	_, _ = cache.Get(ctx, "k")
	// Output:
	// Get miss
	// Set stored
	// Get hit
}
