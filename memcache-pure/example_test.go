package memcachepure_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
	memcachepure "github.com/cachewire/cachewire/memcache-pure"
)

// New does not connect to the servers. The first verb does.
func ExampleNew() {
	backend, err := memcachepure.New(
		[]memcache.Server{
			{Addr: "cache1.example.org:11211", Weight: 2},
			{Addr: "cache2.example.org:11211"},
		},
		&memcachepure.Options{
			Options: memcache.Options{
				Timeout: 250 * time.Millisecond,
				TLS:     &tls.Config{MinVersion: tls.VersionTLS13},
			},
		})
	if err != nil {
		log.Fatal(err)
	}
	cache, err := core.New(backend, &core.Options{Prefix: "shop:"})
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()
	fmt.Println(cache.Traits().Resolution)
	// Output: 4s
}

func Example() {
	ctx := context.Background()
	const url = "memcache://cache1.example.org,cache2.example.org:11211?timeout=250ms&max_idle=16"
	cache, err := core.Open(ctx, url, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()

	_, err = core.Open(ctx, "memcache://cache1.example.org?time_out=250ms", nil)
	fmt.Println(errors.Is(err, core.ErrConfig)) // the parameter is called timeout
	// Output: true
}
