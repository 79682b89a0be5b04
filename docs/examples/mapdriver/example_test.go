package mapdriver_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/cachewire/cachewire/core"
	_ "github.com/cachewire/cachewire/docs/examples/mapdriver" // opens map://
)

func Example() {
	ctx := context.Background()
	cache, err := core.Open(ctx, "map://?prefix=example:", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()

	fmt.Println(cache.Set(ctx, "greeting", []byte("hello"), time.Minute))
	value, err := cache.Get(ctx, "greeting")
	fmt.Printf("%s, %v\n", value, err)

	_, err = core.Open(ctx, "map://?size=20", nil)
	fmt.Println(err)
	// Output:
	// <nil>
	// hello, <nil>
	// cachewire: open map://: invalid configuration: unknown parameter "size"; known: prefix, default_ttl
}
