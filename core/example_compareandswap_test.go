package core_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cachewire/cachewire/core"
)

// Several processes append to a list. Each reads the list with its token, stores it if it has
// not changed meanwhile, and otherwise tries again.
func ExampleCache_CompareAndSwap() {
	ctx := context.Background()
	cache, _ := core.New(newBackend(), nil)
	defer cache.Close()
	_ = cache.Set(ctx, "list", []byte("a"), time.Hour)

	for attempt := 1; ; attempt++ {
		item, err := cache.GetItem(ctx, "list")
		if err != nil {
			fmt.Println(err)
			return
		}
		if attempt == 1 { // another process is faster
			_ = cache.Set(ctx, "list", []byte("a,b"), time.Hour)
		}
		item.Value = append(item.Value, ",c"...) // copies, because the capacity is the length
		item.TTL = time.Hour
		err = cache.CompareAndSwap(ctx, item)
		if errors.Is(err, core.ErrConflict) {
			fmt.Println("conflict")
			continue
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		break
	}
	value, _ := cache.Get(ctx, "list")
	fmt.Printf("%s\n", value)

	// Output:
	// conflict
	// a,b,c
}
