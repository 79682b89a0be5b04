package core_test

import (
	"context"
	"fmt"
	"time"

	"github.com/cachewire/cachewire/core"
)

// The counter of visits starts at 0 and expires after a day. If several processes start the
// counter at once, no visit is lost.
func ExampleCache_IncrFrom() {
	ctx := context.Background()
	cache, _ := core.New(newBackend(), nil)
	defer cache.Close()

	for range 3 {
		n, err := cache.IncrFrom(ctx, "visits", 1, 0, 24*time.Hour)
		fmt.Println(n, err)
	}
	n, err := cache.Count(ctx, "visits")
	fmt.Println(n, err)

	// Output:
	// 1 <nil>
	// 2 <nil>
	// 3 <nil>
	// 3 <nil>
}
