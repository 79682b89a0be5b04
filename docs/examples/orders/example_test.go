package orders

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/dependency"
	"github.com/cachewire/cachewire/encoding"
	_ "github.com/cachewire/cachewire/memory" // opens memory://
)

func masterKey(order int) string { return fmt.Sprintf("mk:order:%d:", order) }

// cacheFragment stores a fragment and wires its key to the master key of the order. Each
// module that renders a fragment of the page calls it.
func cacheFragment(ctx context.Context, cache *core.Cache, order int, name, html string) error {
	key := fmt.Sprintf("order:%d:%s", order, name)
	if err := cache.Set(ctx, key, []byte(html), time.Hour); err != nil {
		return err
	}
	wires, err := dependency.New(cache, &dependency.Options{TTL: time.Hour})
	if err != nil {
		log.Fatal(err)
	}
	return wires.Add(ctx, masterKey(order), key)
}

func Example_wires() {
	ctx := context.Background()
	cache, err := core.Open(ctx, "memory://", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()

	for _, name := range []string{"header", "lines", "total"} {
		if err := cacheFragment(ctx, cache, 100, name, "<div>…</div>"); err != nil {
			log.Fatal(err)
		}
	}
	wires, err := dependency.New(cache, nil)
	if err != nil {
		log.Fatal(err)
	}
	fragments, err := wires.Keys(ctx, masterKey(100))
	fmt.Println(fragments, err)

	// The order changes.
	err = wires.Delete(ctx, masterKey(100))
	left, _ := cache.GetMulti(ctx, fragments)
	fmt.Println(len(left), "fragments are left,", err)
	// Output:
	// [order:100:header order:100:lines order:100:total] <nil>
	// 0 fragments are left, <nil>
}

// fragment returns the fragment under key, from the cache if it is present and fresh. If it
// is not, render makes it, and fragment stores it with tags.
func fragment(
	ctx context.Context, pages *dependency.Tagged[string], key string, tags []string,
	render func() string,
) (string, error) {
	html, err := pages.Get(ctx, key)
	if !errors.Is(err, core.ErrMiss) {
		return html, err
	}
	at, err := pages.Versions(ctx, tags...) // before it is rendered
	if err != nil {
		return "", err
	}
	html = render()
	return html, pages.Set(ctx, key, html, time.Hour, at)
}

func Example_tags() {
	ctx := context.Background()
	cache, err := core.Open(ctx, "memory://", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()
	pages, err := dependency.NewTagged(cache, encoding.Text(), nil)
	if err != nil {
		log.Fatal(err)
	}

	price := 10
	total := func() string { return fmt.Sprintf("<div>%d €</div>", price) }
	tags := []string{"order:100", "customer:7"}
	for _, change := range []func(){
		func() {},
		func() { price = 12 }, // without invalidating the tag
		func() { err = pages.Invalidate(ctx, "order:100") },
	} {
		change()
		html, getErr := fragment(ctx, pages, "order:100:total", tags, total)
		fmt.Println(html, errors.Join(err, getErr))
	}
	// Output:
	// <div>10 €</div> <nil>
	// <div>10 €</div> <nil>
	// <div>12 €</div> <nil>
}
