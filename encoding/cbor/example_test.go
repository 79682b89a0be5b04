package cbor_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding/cbor"
	_ "github.com/cachewire/cachewire/memory"
)

func Example() {
	ctx := context.Background()
	cache, err := core.Open(ctx, "memory://", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()

	type visit struct {
		Page string        `cbor:"page"`
		Took time.Duration `cbor:"took,omitempty"`
		Tags []string      `cbor:"tags,omitempty"`
	}
	visits, err := core.NewTyped(cache, cbor.Codec[visit]())
	if err != nil {
		log.Fatal(err)
	}
	v := visit{Page: "/home", Took: 3 * time.Millisecond}
	if err := visits.Set(ctx, "visit:1", v, time.Minute); err != nil {
		log.Fatal(err)
	}
	v, err = visits.Get(ctx, "visit:1")
	fmt.Println(v.Page, v.Took, v.Tags, err)

	stored, err := cache.Get(ctx, "visit:1")
	fmt.Printf("%d bytes: %q %v\n", len(stored), stored, err)
	// Output:
	// /home 3ms [] <nil>
	// 22 bytes: "\xa2dpagee/homedtook\x1a\x00-\xc6\xc0" <nil>
}
