package msgpack_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding/msgpack"
	"github.com/cachewire/cachewire/memory"
)

// A later version of a type reads what the earlier one stored; another type does
// not.
func ExampleCodec() {
	cache, err := core.New(memory.New(nil), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()
	ctx := context.Background()

	type user struct{ Name string }
	type userWithEmail struct{ Name, Email string }
	type order struct{ Sum int }

	users := core.NewTyped(cache, msgpack.Codec[user]())
	if err := users.Set(ctx, "user:1", user{"Ann"}, time.Minute); err != nil {
		log.Fatal(err)
	}
	later, err := core.NewTyped(cache, msgpack.Codec[userWithEmail]()).Get(ctx, "user:1")
	fmt.Printf("%+v %v\n", later, err)

	_, err = core.NewTyped(cache, msgpack.Codec[order]()).Get(ctx, "user:1")
	fmt.Println(errors.Is(err, core.ErrCodec), errors.Is(err, core.ErrMiss))
	// Output:
	// {Name:Ann Email:} <nil>
	// true false
}
