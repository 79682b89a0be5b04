package msgpack_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding/msgpack"
	_ "github.com/cachewire/cachewire/memory"
)

// A later version of a type reads the values of the earlier one. Another type does not.
func ExampleCodec() {
	ctx := context.Background()
	cache, err := core.Open(ctx, "memory://", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()

	type user struct{ Name string }
	type userWithEmail struct{ Name, Email string }
	type order struct{ Sum int }

	users, err := core.NewTyped(cache, msgpack.Codec[user]())
	if err != nil {
		log.Fatal(err)
	}
	if err := users.Set(ctx, "user:1", user{"Ann"}, time.Minute); err != nil {
		log.Fatal(err)
	}
	usersWithEmail, err := core.NewTyped(cache, msgpack.Codec[userWithEmail]())
	if err != nil {
		log.Fatal(err)
	}
	later, err := usersWithEmail.Get(ctx, "user:1")
	fmt.Printf("%+v %v\n", later, err)

	orders, err := core.NewTyped(cache, msgpack.Codec[order]())
	if err != nil {
		log.Fatal(err)
	}
	_, err = orders.Get(ctx, "user:1")
	fmt.Println(errors.Is(err, core.ErrCodec), errors.Is(err, core.ErrMiss))
	// Output:
	// {Name:Ann Email:} <nil>
	// true false
}
