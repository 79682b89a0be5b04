package core_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/cachewire/cachewire/core"
)

// The error has the keys that failed, and why. The other keys succeeded.
func ExampleMultiError() {
	ctx := context.Background()
	cache, _ := core.New(newBackend(), nil)
	defer cache.Close()
	_ = cache.Set(ctx, "a", []byte("old"), 0)

	err := cache.AddMulti(ctx, map[string][]byte{"a": []byte("new"), "b": []byte("new")}, 0)
	fmt.Println(err)

	var multi *core.MultiError
	if errors.As(err, &multi) {
		for _, key := range slices.Sorted(maps.Keys(multi.Errors)) {
			fmt.Println(key, errors.Is(multi.Errors[key], core.ErrExists))
		}
	}

	// Output:
	// cachewire: AddMulti (core_test): 1 of 2 keys failed: "a": key exists
	// a true
}
