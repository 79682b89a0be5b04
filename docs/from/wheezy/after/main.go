package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/dependency"
	"github.com/cachewire/cachewire/encoding"
	_ "github.com/cachewire/cachewire/memcache-pure" // opens memcache://
	"github.com/cachewire/cachewire/patterns"
)

func listItems(_ context.Context, locale string) (string, error) {
	fmt.Println("load", locale)
	return "apple, pear", nil
}

func main() {
	ctx := context.Background()
	cache, err := core.Open(ctx, os.Getenv("CACHE_URL"), nil) // memcache://127.0.0.1:11211
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()
	if err := run(ctx, cache); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, cache *core.Cache) error {
	texts, err := core.NewTyped(cache, encoding.Text())
	if err != nil {
		return err
	}
	wires, err := dependency.New(cache, &dependency.Options{TTL: time.Minute})
	if err != nil {
		return err
	}
	cached, err := patterns.New(texts, &patterns.Options[string]{
		TTL:        time.Minute,
		KeyPrefix:  "repo",
		Dependency: wires,
	})
	if err != nil {
		return err
	}
	defer cached.Close()
	items, err := patterns.Memoize1(cached, "list_items", listItems, "mk:items:")
	if err != nil {
		return err
	}

	show := func() error {
		list, err := items(ctx, "en")
		fmt.Println(list)
		return err
	}
	if err := show(); err != nil {
		return err
	}
	if err := show(); err != nil {
		return err
	}
	if err := wires.Delete(ctx, "mk:items:"); err != nil {
		return err
	}
	return show()
}
