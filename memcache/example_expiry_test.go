package memcache_test

import (
	"fmt"
	"time"

	"github.com/cachewire/cachewire/memcache"
)

// Up to 30 days the expiry is a number of seconds, above that it is a date.
func ExampleExpiry() {
	now := time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)
	for _, ttl := range []time.Duration{0, time.Second, time.Hour, 60 * 24 * time.Hour} {
		fmt.Println(ttl, memcache.Expiry(ttl, now))
	}
	fmt.Println(time.Unix(int64(memcache.Expiry(60*24*time.Hour, now)), 0).UTC())

	// Output:
	// 0s 0
	// 1s 3
	// 1h0m0s 3602
	// 1440h0m0s 1714392001
	// 2024-04-29 12:00:01 +0000 UTC
}
