package core_test

import (
	"context"
	"fmt"

	"github.com/cachewire/cachewire/core"
)

// Two parts of a program share one cache, and their keys are separate.
func ExampleCache_WithPrefix() {
	ctx := context.Background()
	cache, _ := core.New(newFullBackend(), nil)
	defer cache.Close()

	users, _ := cache.WithPrefix("user:")
	orders, _ := cache.WithPrefix("order:")
	_ = users.Set(ctx, "1", []byte("Ann"), 0)
	_ = orders.Set(ctx, "1", []byte("3 apples"), 0)

	_ = orders.Flush(ctx) // deletes only the keys of orders
	user, err := users.Get(ctx, "1")
	fmt.Printf("%s, %v\n", user, err)
	_, err = orders.Get(ctx, "1")
	fmt.Println(err)
	user, err = cache.Get(ctx, "user:1")
	fmt.Printf("%s, %v\n", user, err)

	// Output:
	// Ann, <nil>
	// cachewire: miss
	// Ann, <nil>
}
