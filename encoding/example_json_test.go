package encoding_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
	_ "github.com/cachewire/cachewire/memory"
)

func ExampleJSON() {
	ctx := context.Background()
	cache, err := core.Open(ctx, "memory://", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()

	type user struct {
		Name string
		Age  int
	}
	users, err := core.NewTyped(cache, encoding.JSON[user]())
	if err != nil {
		log.Fatal(err)
	}
	if err := users.Set(ctx, "user:1", user{"Ann", 40}, time.Minute); err != nil {
		log.Fatal(err)
	}
	u, err := users.Get(ctx, "user:1")
	fmt.Println(u, err)

	stored, err := cache.Get(ctx, "user:1")
	fmt.Println(string(stored), err)

	type order struct{ Total float64 }
	orders, err := core.NewTyped(cache, encoding.JSON[order]())
	if err != nil {
		log.Fatal(err)
	}
	_, err = orders.Get(ctx, "user:1")
	fmt.Println(errors.Is(err, core.ErrCodec), err)
	// Output:
	// {Ann 40} <nil>
	// {"Name":"Ann","Age":40} <nil>
	// true cachewire: Get "user:1" (memory): codec: the value has no field of the type asked for
}
