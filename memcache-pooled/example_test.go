package memcachepooled_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
	memcachepooled "github.com/cachewire/cachewire/memcache-pooled"
)

// If Lazy is true or MinClients is 0, New does not connect to the servers.
func ExampleNew() {
	backend, err := memcachepooled.New(
		[]memcache.Server{
			{Addr: "cache1.example.org:11211", Weight: 2},
			{Addr: "cache2.example.org:11211"},
		},
		&memcachepooled.Options{
			Options:    memcache.Options{Timeout: 250 * time.Millisecond},
			MinClients: 10,
			Lazy:       true,
		})
	if err != nil {
		log.Fatal(err)
	}
	cache, err := core.New(backend, &core.Options{Prefix: "shop:"})
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()
	fmt.Println(cache.Traits().Resolution)
	// Output: 4s
}

func Example() {
	ctx := context.Background()
	const url = "memcache+pooled://cache1.example.org,cache2.example.org:11211?max=32&timeout=250ms"
	cache, err := core.Open(ctx, url, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()

	_, err = core.Open(ctx, "memcache+pooled://cache1.example.org?size=40&max=32", nil)
	fmt.Println(errors.Is(err, core.ErrConfig)) // size is at most max
	// Output: true
}
