package encoding_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
	_ "github.com/cachewire/cachewire/memory"
)

func ExampleInt() {
	ctx := context.Background()
	cache, err := core.Open(ctx, "memory://", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()

	visits, err := core.NewTyped(cache, encoding.Int[int64]())
	if err != nil {
		log.Fatal(err)
	}
	if err := visits.Set(ctx, "visits", 41, time.Hour); err != nil {
		log.Fatal(err)
	}
	if _, err := cache.Incr(ctx, "visits", 1); err != nil { // the value is a counter
		log.Fatal(err)
	}
	n, err := visits.Get(ctx, "visits")
	fmt.Println(n, err)
	// Output: 42 <nil>
}
