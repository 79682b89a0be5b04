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

func ExampleEnvelope() {
	ctx := context.Background()
	cache, err := core.Open(ctx, "memory://", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()

	codec := encoding.Envelope(encoding.Text(), cache.Traits())
	names, err := core.NewTyped(cache, codec)
	if err != nil {
		log.Fatal(err)
	}
	name := encoding.Enveloped[string]{Value: "Ann"}
	name.Facts.Fresh = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	name.Facts.AddTag("users", 7)
	if err := names.Set(ctx, "name:1", name, time.Hour); err != nil {
		log.Fatal(err)
	}

	name, err = names.Get(ctx, "name:1")
	fmt.Println(name.Value, err)
	fmt.Println("fresh until", name.Facts.Fresh.UTC())
	for tag, version := range name.Facts.Tags() {
		fmt.Printf("%s in version %d\n", tag, version)
	}
	// Output:
	// Ann <nil>
	// fresh until 2030-01-01 12:00:00 +0000 UTC
	// users in version 7
}
