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

func ExampleBytes() {
	cache, err := core.New(memory.New(nil), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()
	ctx := context.Background()

	pages := core.NewTyped(cache, encoding.Bytes())
	if err := pages.Set(ctx, "page:home", []byte("<h1>Welcome</h1>"), time.Minute); err != nil {
		log.Fatal(err)
	}
	page, err := pages.Get(ctx, "page:home")
	fmt.Printf("%s %v\n", page, err)
	// Output: <h1>Welcome</h1> <nil>
}
