package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/cachewire/cachewire/core"
	_ "github.com/cachewire/cachewire/memory" // opens memory://
)

func main() {
	ctx := context.Background()
	cache, err := core.Open(ctx, "memory://?max_items=10000", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()

	page, err := cache.Get(ctx, "page:home")
	if errors.Is(err, core.ErrMiss) {
		page = []byte("<h1>home</h1>") // slow to make, and good for a minute
		err = cache.Set(ctx, "page:home", page, time.Minute)
	}
	fmt.Println(string(page), err)
}
