package encoding_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/memory"
)

func ExampleGob() {
	cache, err := core.New(memory.New(nil), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()
	ctx := context.Background()

	type route struct {
		Stops map[string]time.Duration
		Via   []string
	}
	routes := core.NewTyped(cache, encoding.Gob[route]())
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
