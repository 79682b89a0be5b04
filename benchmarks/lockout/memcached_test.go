package lockout_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/lockout"
	"github.com/cachewire/cachewire/memcache"
	memcachepure "github.com/cachewire/cachewire/memcache-pure"
	"github.com/cachewire/cachewire/memcache/memcachetest"
)

// BenchmarkMemcached counts requests of a hundred addresses in a memcached two milliseconds
// away, all of them allowed. The first rival makes one round trip.
func BenchmarkMemcached(b *testing.B) {
	server := memcachetest.Start(b, nil)
	proxy := memcachetest.StartProxy(b, server.Addr(),
		&memcachetest.ProxyOptions{RoundTrip: 2 * time.Millisecond})
	cache := must(core.New(must(memcachepure.New(
		[]memcache.Server{{Addr: proxy.Addr()}}, nil)), nil))
	b.Cleanup(func() { cache.Close() })
	oneTrip := func(ctx context.Context, key string) (bool, error) {
		_, err := cache.Incr(ctx, key, 1)
		return err == nil, err
	}
	keys := make([]string, 100)
	for i := range keys {
		keys[i] = fmt.Sprint("192.0.2.", i)
		if err := cache.Set(b.Context(), keys[i], []byte("0"), 0); err != nil {
			b.Fatal(err)
		}
	}
	for _, bb := range []struct {
		name  string
		allow limiter
	}{
		{"one round trip", oneTrip},
		{"FixedWindow", lockoutIn(b, cache, lockout.FixedWindow, 0)},
		{"FixedWindow,lock", lockoutIn(b, cache, lockout.FixedWindow, period)},
		{"SlidingWindow", lockoutIn(b, cache, lockout.SlidingWindow, 0)},
		{"TokenBucket", lockoutIn(b, cache, lockout.TokenBucket, 0)},
	} {
		for _, key := range keys { // so that the counters are there
			if ok, err := bb.allow(b.Context(), key); !ok || err != nil {
				b.Fatal(ok, err)
			}
		}
		b.Run("2ms away/"+bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if ok, err := bb.allow(context.Background(), keys[i%len(keys)]); !ok || err != nil {
					b.Fatal(ok, err)
				}
			}
		})
	}
}
