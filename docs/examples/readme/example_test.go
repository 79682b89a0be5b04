package readme

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/cachewire/cachewire/core"
	_ "github.com/cachewire/cachewire/memory" // opens memory://
)

func Example() {
	ctx := context.Background()
	render := func(page string) []byte { return []byte("<h1>" + page + "</h1>") }

	cache, err := core.Open(ctx, "memory://", nil) // which cache it is, your configuration says
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()

	page, err := cache.Get(ctx, "page:home")
	if errors.Is(err, core.ErrMiss) {
		page = render("home") // slow, but once a minute is enough
		err = cache.Set(ctx, "page:home", page, time.Minute)
	}
	fmt.Println(string(page), err)

	again, err := cache.Get(ctx, "page:home")
	fmt.Println(string(again), err)
	// Output:
	// <h1>home</h1> <nil>
	// <h1>home</h1> <nil>
}
