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

type User struct {
	Name string `json:"name"`
}

func loadUser(_ context.Context, id int) (User, error) {
	fmt.Println("load user", id)
	return User{Name: "Ann"}, nil
}

func main() {
	ctx := context.Background()
	// redis://localhost?plain=true&prefix=main:&default_ttl=1m
	cache, err := core.Open(ctx, os.Getenv("CACHE_URL"), nil)
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

	for range 2 {
		u, err := users.GetOrCreate(ctx, "user:7", func(ctx context.Context) (User, error) {
			return loadUser(ctx, 7)
		})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(u.Name)
	}
	for range 2 {
		views, err := cache.IncrFrom(ctx, "views", 1, 0, core.Forever)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("views:", views)
	}
}
