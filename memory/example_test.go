package memory_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memory"
)

func Example() {
	ctx := context.Background()
	backend, err := memory.New(&memory.Options{MaxItems: 10000})
	if err != nil {
		log.Fatal(err)
	}
	cache, err := core.New(backend, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()

	if err := cache.Set(ctx, "greeting", []byte("hello"), time.Minute); err != nil {
		log.Fatal(err)
	}
	value, err := cache.Get(ctx, "greeting")
	fmt.Printf("%s %v\n", value, err)
	_, err = cache.Get(ctx, "farewell")
	fmt.Println(errors.Is(err, core.ErrMiss))
	// Output:
	// hello <nil>
	// true
}
