package zstd_test

import (
	"context"
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/encoding/zstd"
	_ "github.com/cachewire/cachewire/memory"
)

func Example() {
	ctx := context.Background()
	cache, err := core.Open(ctx, "memory://", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()

	codec := encoding.Compress(encoding.Text(), &encoding.CompressOptions{With: zstd.New()})
	texts, err := core.NewTyped(cache, codec)
	if err != nil {
		log.Fatal(err)
	}
	text := strings.Repeat("Caches are cheap. ", 1000)
	if err := texts.Set(ctx, "text", text, time.Minute); err != nil {
		log.Fatal(err)
	}
	stored, err := cache.GetItem(ctx, "text")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(stored.Value) < len(text)/100, stored.Flags == core.FlagText|zstd.Flag)

	back, err := texts.Get(ctx, "text")
	fmt.Println(back == text, err)
	// Output:
	// true true
	// true <nil>
}
