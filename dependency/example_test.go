package dependency_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/dependency"
	"github.com/cachewire/cachewire/encoding"
	_ "github.com/cachewire/cachewire/memory"
)

func open() *core.Cache {
	cache, err := core.Open(context.Background(), "memory://", nil)
	if err != nil {
		log.Fatal(err)
	}
	return cache
}

// The fragments of an order's page are deleted together. The code that caches one of them
// does not know the others.
func ExampleDependency() {
	ctx := context.Background()
	cache := open()
	defer cache.Close()
	orders, err := dependency.New(cache, &dependency.Options{TTL: time.Hour})
	if err != nil {
		log.Fatal(err)
	}
	masterKey := func(order int) string { return fmt.Sprintf("mk:order:%d:", order) }

	for _, fragment := range []string{"header:100", "lines:100", "total:100"} {
		err := cache.Set(ctx, fragment, []byte("<div>…</div>"), time.Hour)
		if err == nil {
			err = orders.Add(ctx, masterKey(100), fragment)
		}
		if err != nil {
			log.Fatal(err)
		}
	}
	keys, err := orders.Keys(ctx, masterKey(100))
	fmt.Println(keys, err)

	err = orders.Delete(ctx, masterKey(100)) // the order has changed
	left, _ := cache.GetMulti(ctx, keys)
	fmt.Println(len(left), err)
	// Output:
	// [header:100 lines:100 total:100] <nil>
	// 0 <nil>
}

// This is the same page with tags. A fragment may have several of them. It takes two
// increments to invalidate a tag, whatever the number of fragments.
func ExampleTagged() {
	ctx := context.Background()
	cache := open()
	defer cache.Close()
	fragments, err := dependency.NewTagged(cache, encoding.Text(), nil)
	if err != nil {
		log.Fatal(err)
	}

	fragment := func(name string, render func() string) string {
		text, err := fragments.Get(ctx, name)
		if errors.Is(err, core.ErrMiss) {
			// Read before the value is made, so that a change in between makes it stale.
			tags, err := fragments.Versions(ctx, "order:100", "customer:7")
			if err != nil {
				log.Fatal(err)
			}
			text = render()
			if err := fragments.Set(ctx, name, text, time.Hour, tags); err != nil {
				log.Fatal(err)
			}
		}
		return text
	}

	price := 10
	total := func() string { return fmt.Sprintf("total: %d", price) }
	fmt.Println(fragment("total:100", total))
	price = 12
	fmt.Println(fragment("total:100", total)) // cached
	err = fragments.Invalidate(ctx, "order:100")
	fmt.Println(fragment("total:100", total), err)
	// Output:
	// total: 10
	// total: 10
	// total: 12 <nil>
}
