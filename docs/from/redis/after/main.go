package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/patterns"
	_ "github.com/cachewire/cachewire/redis" // opens redis://
)

type User struct{ Name string }

func load(id int) (User, error) {
	fmt.Println("load user", id)
	return User{Name: "Ann"}, nil
}

func main() {
	ctx := context.Background()
	cache, err := core.Open(ctx, os.Getenv("CACHE_URL"), nil) // redis://localhost?default_ttl=1m
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()
	typed, err := core.NewTyped(cache, encoding.JSON[User]())
	if err != nil {
		log.Fatal(err)
	}
	users, err := patterns.New(typed, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer users.Close()

	show := func() {
		u, err := users.GetOrCreate(ctx, "user:7", func(context.Context) (User, error) {
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
