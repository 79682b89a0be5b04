package core_test

import (
	"context"
	"fmt"

	"github.com/cachewire/cachewire/core"
)

// A printer is a Hook that prints each verb when it has ended.
type printer struct{}

func (printer) After(_ context.Context, op *core.Op) {
	fmt.Printf("%s %s%s: %d hits, %d misses, error: %v\n",
		op.Verb, op.Key, op.Keys, op.Hits, op.Misses, op.Err)
}

func ExampleHook() {
	ctx := context.Background()
	cache, _ := core.New(newBackend(), &core.Options{Hooks: []core.Hook{printer{}}})
	defer cache.Close()

	_ = cache.Set(ctx, "a", []byte("1"), 0)
	_, _ = cache.GetMulti(ctx, []string{"a", "b"})
	_, _ = cache.Get(ctx, "b")

	// Output:
	// Set a[]: 0 hits, 0 misses, error: <nil>
	// GetMulti [a b]: 1 hits, 1 misses, error: <nil>
	// Get b[]: 0 hits, 1 misses, error: cachewire: miss
}
