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

func ExampleGob() {
	ctx := context.Background()
	cache, err := core.Open(ctx, "memory://", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()

	type route struct {
		Stops map[string]time.Duration
		Via   []string
	}
	routes, err := core.NewTyped(cache, encoding.Gob[route]())
	if err != nil {
		log.Fatal(err)
	}
	err = routes.Set(ctx, "route:7", route{
		Stops: map[string]time.Duration{"Harbour": 90 * time.Second},
		Via:   []string{"Old Town", "Station"},
	}, time.Hour)
	if err != nil {
		log.Fatal(err)
	}
	r, err := routes.Get(ctx, "route:7")
	fmt.Println(r.Stops["Harbour"], r.Via, err)
	// Output: 1m30s [Old Town Station] <nil>
}
