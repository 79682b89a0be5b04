package null_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/cachewire/cachewire/core"
	_ "github.com/cachewire/cachewire/null"
)

func Example() {
	ctx := context.Background()
	cache, err := core.Open(ctx, "null://", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()

	fmt.Println(cache.Set(ctx, "greeting", []byte("hello"), time.Minute))
	_, err = cache.Get(ctx, "greeting")
	fmt.Println(errors.Is(err, core.ErrMiss))
	// Output:
	// <nil>
	// true
}
