package main

import (
	"context"
	"fmt"
	"log"

	"github.com/cachewire/cachewire/core"
	_ "github.com/cachewire/cachewire/memory" // opens memory://
	"github.com/cachewire/cachewire/patterns"
)

type User struct{ Name string }

func load(id int) (User, error) {
	fmt.Println("load user", id)
	return User{Name: "Ann"}, nil
}

func main() {
	ctx := context.Background()
	cache, err := core.Open(ctx, "memory://?max_items=10000&default_ttl=1m", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()
	typed, err := core.NewTyped(cache, core.Shared[User]()) // keeps Go values as they are
	if err != nil {
		log.Fatal(err)
	}
	users, err := patterns.New(typed, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer users.Close()

	show := func() {
		u, err := users.GetOrSet(ctx, "user:7", func(context.Context) (User, error) {
			return load(7)
		})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(u.Name)
	}
	show()
	show()
	if err := users.Delete(ctx, "user:7"); err != nil {
		log.Fatal(err)
	}
	show()
}
