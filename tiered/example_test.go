package tiered_test

import (
	"context"
	"fmt"
	"log"
	"net/url"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memory"
	_ "github.com/cachewire/cachewire/redis" // opens redis://
	"github.com/cachewire/cachewire/tiered"
)

// Memory stands for a far cache that several processes share.
func Example() {
	ctx := context.Background()
	near, err := memory.New(&memory.Options{MaxBytes: 64 << 20})
	if err != nil {
		log.Fatal(err)
	}
	far, err := memory.New(nil)
	if err != nil {
		log.Fatal(err)
	}
	tier, err := tiered.New(near, far, &tiered.Options{NearTTL: 2 * time.Second})
	if err != nil {
		log.Fatal(err)
	}
	cache, err := core.New(tier, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()

	if err := cache.Set(ctx, "page", []byte("home"), time.Minute); err != nil {
		log.Fatal(err)
	}
	for range 10 {
		if _, err := cache.Get(ctx, "page"); err != nil {
			log.Fatal(err)
		}
	}
	stats, err := cache.Stats(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(stats.Near.FarHits, "read of far,", stats.Near.Hits, "of the copy")
	// Output: 1 read of far, 9 of the copy
}

// The URLs of the halves are parameters, so that they must be encoded.
func Example_url() {
	q := url.Values{
		"near": {"memory://?max_bytes=64MiB"},
		"far":  {"redis://localhost"},
		"bus":  {"tracking"},
	}
	cache, err := core.Open(context.Background(), "tiered://?"+q.Encode(), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()
	fmt.Println(cache.Name())
	// Output: tiered
}
