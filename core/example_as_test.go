package core_test

import (
	"fmt"

	"github.com/cachewire/cachewire/core"
)

// A program that needs a feature of a certain backend gets the backend by its type.
func ExampleCache_As() {
	cache, _ := core.New(newBackend(), nil)
	defer cache.Close()

	var b *backend
	if cache.As(&b) {
		fmt.Println(len(b.keys()), "keys")
	}
	var other *client
	fmt.Println(cache.As(&other))

	// Output:
	// 0 keys
	// false
}
