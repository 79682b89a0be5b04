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

func ExampleBytes() {
	ctx := context.Background()
	cache, err := core.Open(ctx, "memory://", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()

	pages, err := core.NewTyped(cache, encoding.Bytes())
	if err != nil {
		log.Fatal(err)
	}
	if err := pages.Set(ctx, "page:home", []byte("<h1>Welcome</h1>"), time.Minute); err != nil {
		log.Fatal(err)
	}
	page, err := pages.Get(ctx, "page:home")
	fmt.Printf("%s %v\n", page, err)
	// Output: <h1>Welcome</h1> <nil>
}
