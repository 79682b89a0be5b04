package core_test

import (
	"fmt"
	"net/url"
	"time"

	"github.com/cachewire/cachewire/core"
)

// The Open method of a driver reads the query of its URL in this way.
func ExampleParams() {
	u, err := url.Parse("mine://?max_bytes=64MiB&interval=1m&shard=4")
	if err != nil {
		fmt.Println(err)
		return
	}
	p := core.NewParams(u)
	p.NoHost(u)
	maxBytes := p.Bytes("max_bytes", 0)
	interval := p.Duration("interval", 15*time.Second, 1)
	shards := p.Int("shards", 16, 1, 1024)
	fmt.Println(maxBytes, interval, shards)
	fmt.Println(p.Err())

	// Output:
	// 67108864 1m0s 16
	// cachewire: invalid configuration: unknown parameter "shard"; known: interval, max_bytes, shards, prefix, default_ttl
}
