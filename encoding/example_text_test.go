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

func ExampleText() {
	ctx := context.Background()
	cache, err := core.Open(ctx, "memory://", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()

	names, err := core.NewTyped(cache, encoding.Text())
	if err != nil {
		log.Fatal(err)
	}
	if err := names.Set(ctx, "name:1", "Ann Müller", time.Minute); err != nil {
		log.Fatal(err)
	}
	name, err := names.Get(ctx, "name:1")
	fmt.Println(name, err)
	// Output: Ann Müller <nil>
}
