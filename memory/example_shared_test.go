package memory_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/cachewire/cachewire/core"
	_ "github.com/cachewire/cachewire/memory"
)

// Values that never leave the process need no encoding. core.Shared keeps them as they are,
// and all readers share them.
func ExampleBackend_shared() {
	type page struct{ title string }
	ctx := context.Background()
	cache, err := core.Open(ctx, "memory://", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()

	pages, err := core.NewTyped(cache, core.Shared[*page]())
	if err != nil {
		log.Fatal(err)
	}
	home := &page{title: "Home"}
	if err := pages.Set(ctx, "home", home, time.Minute); err != nil {
		log.Fatal(err)
	}
	got, err := pages.Get(ctx, "home")
	fmt.Println(got.title, got == home, err)
	// Output: Home true <nil>
}
