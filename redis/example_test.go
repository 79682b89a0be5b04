package redis_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/redis/rueidis"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/redis"
)

// New does not connect; the first verb does.
func ExampleNew() {
	backend, err := redis.New(&redis.Options{
		Addrs:   []string{"cache1.example.org:26379", "cache2.example.org:26379"},
		Master:  "main",
		Timeout: time.Second,
	})
	if err != nil {
		log.Fatal(err)
	}
	cache, err := core.New(backend, &core.Options{Prefix: "shop:"})
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()
	fmt.Println(cache.Name(), cache.Traits().MaxValue)
	// Output: redis/shop: 536870897
}

func Example() {
	ctx := context.Background()
	cache, err := core.Open(ctx, "rediss://user:secret@cache.example.org/3?timeout=1s&plain=true",
		nil)
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()

	_, err = core.Open(ctx, "redis://cache.example.org?time_out=1s", nil)
	fmt.Println(errors.Is(err, core.ErrConfig)) // it is called timeout
	// Output: true
}

// A program that needs more of Redis than a cache uses the same client.
func ExampleBackend_As() {
	cache, err := core.Open(context.Background(), "redis://127.0.0.1:1", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()
	var client rueidis.Client
	if cache.As(&client) {
		fmt.Println(client.Mode())
	}
	// Output: standalone
}
