package protobuf_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding/protobuf"
	_ "github.com/cachewire/cachewire/memory"
)

func Example() {
	ctx := context.Background()
	cache, err := core.Open(ctx, "memory://", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()

	times, err := core.NewTyped(cache, protobuf.Codec[*durationpb.Duration]())
	if err != nil {
		log.Fatal(err)
	}
	if err := times.Set(ctx, "took", durationpb.New(3*time.Second), time.Minute); err != nil {
		log.Fatal(err)
	}
	took, err := times.Get(ctx, "took")
	fmt.Println(took.AsDuration(), err)

	stored, err := cache.Get(ctx, "took")
	fmt.Printf("%d bytes: %q %v\n", len(stored), stored, err)
	// Output:
	// 3s <nil>
	// 3 bytes: "\x02\b\x03" <nil>
}
