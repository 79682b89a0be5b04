package seal_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/encoding/seal"
	_ "github.com/cachewire/cachewire/memory"
)

// Anyone can read a price, but only a program with a key can change it.
func ExampleSigner() {
	ctx := context.Background()
	cache, err := core.Open(ctx, "memory://?max_items=10000", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()

	signer, err := seal.NewSigner(newKey, oldKey)
	if err != nil {
		log.Fatal(err)
	}
	prices, err := core.NewTyped(cache, encoding.Protect(encoding.Int[int](), signer))
	if err != nil {
		log.Fatal(err)
	}
	if err := prices.Set(ctx, "price:tea", 450, time.Hour); err != nil {
		log.Fatal(err)
	}
	price, err := prices.Get(ctx, "price:tea")
	fmt.Println(price, err)

	if err := cache.Set(ctx, "price:tea", []byte("1"), time.Hour); err != nil {
		log.Fatal(err)
	}
	_, err = prices.Get(ctx, "price:tea")
	fmt.Println(errors.Is(err, seal.ErrForged))
	// Output:
	// 450 <nil>
	// true
}
