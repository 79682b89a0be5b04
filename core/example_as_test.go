package core_test

import (
	"fmt"

	"github.com/cachewire/cachewire/core"
)

// Under the contract there is a backend with features of its own. A program that
// cannot do without them asks for it by its type.
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
