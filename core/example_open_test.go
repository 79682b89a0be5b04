package core_test

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/cachewire/cachewire/core"
)

// Importing the package of a driver registers it. This driver stands for memory, memcache and
// others.
func init() {
	core.Register("example", driverFunc(func(_ context.Context, u *url.URL) (core.Backend, error) {
		p := core.NewParams(u)
		p.NoHost(u)
		if err := p.Err(); err != nil {
			return nil, err
		}
		return newBackend(), nil
	}))
}

func ExampleOpen() {
	ctx := context.Background()

	cache, err := core.Open(ctx, "example://?prefix=app:&default_ttl=10m", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cache.Close()

	if err := cache.Set(ctx, "greeting", []byte("hello"), time.Minute); err != nil {
		fmt.Println(err)
	}
	value, err := cache.Get(ctx, "greeting")
	fmt.Printf("%s, %v\n", value, err)
	_, err = cache.Get(ctx, "farewell")
	fmt.Println(err == core.ErrMiss)

	// Output:
	// hello, <nil>
	// true
}
