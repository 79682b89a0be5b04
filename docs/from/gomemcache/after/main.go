package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/cachewire/cachewire/core"
	_ "github.com/cachewire/cachewire/memcache-pure" // opens memcache://
)

func main() {
	ctx := context.Background()
	// memcache://localhost:11211?hash=modula
	cache, err := core.Open(ctx, os.Getenv("CACHE_URL"), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()
	if err := run(ctx, cache); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, cache *core.Cache) error {
	for range 2 {
		page, err := cache.Get(ctx, "page:home")
		if errors.Is(err, core.ErrMiss) {
			fmt.Println("render")
			page = []byte("<h1>home</h1>")
			err = cache.Set(ctx, "page:home", page, time.Minute)
		}
		if err != nil {
			return err
		}
		fmt.Println(string(page))
	}

	for range 2 {
		views, err := cache.IncrFrom(ctx, "views", 1, 0, time.Hour)
		if err != nil {
			return err
		}
		fmt.Println("views:", views)
	}

	if err := cache.Set(ctx, "cart", []byte("apple"), 0); err != nil {
		return err
	}
	cart, err := cache.GetItem(ctx, "cart")
	if err != nil {
		return err
	}
	cart.Value = append(cart.Value, " pear"...)
	if err := cache.CompareAndSwap(ctx, cart); err != nil { // core.ErrConflict if it has changed
		return err
	}
	fmt.Println("cart:", string(cart.Value))
	return nil
}
