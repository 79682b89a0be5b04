package memcached

import (
	"context"
	"testing"

	rainycape "github.com/rainycape/memcache"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
	memcachepooled "github.com/cachewire/cachewire/memcache-pooled"
)

// newRainycape returns the rainycape library alone. All goroutines share one client, with as
// many idle connections as our drivers have clients.
func newRainycape(b *testing.B, addr string) rival {
	c, err := rainycape.New(addr)
	if err != nil {
		b.Fatal(err)
	}
	c.SetTimeout(timeout)
	c.SetMaxIdleConnsPerAddr(maxIdle)
	return rival{
		name: "rainycape",
		get:  func(i int) error { _, err := c.Get(keys[i%multiKeys]); return err },
		set: func(i int) error {
			return c.Set(&rainycape.Item{Key: keys[i%multiKeys], Value: value, Expiration: 60})
		},
		incr: func(int) error { _, err := c.Increment("count", 1); return err },
		getMulti: func() (int, error) {
			items, err := c.GetMulti(keys[:])
			return len(items), err
		},
		setMulti: func() error { // rainycape has no verb for it
			for _, key := range keys {
				item := rainycape.Item{Key: key, Value: value, Expiration: 60}
				if err := c.Set(&item); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// newPooled returns a backend of memcache-pooled at addr.
func newPooled(b *testing.B, addr string) core.Backend {
	backend, err := memcachepooled.New([]memcache.Server{{Addr: addr}}, &memcachepooled.Options{
		Options: memcache.Options{Timeout: timeout}, MaxClients: maxIdle,
	})
	if err != nil {
		b.Fatal(err)
	}
	return backend
}

func BenchmarkPooled(b *testing.B) {
	nearAndFar(b, func(addr string, cancellable context.Context) []rival {
		return []rival{
			newRainycape(b, addr),
			newCachewire(b, "pooled", newPooled(b, addr), context.Background()),
			newCachewire(b, "pooled, cancellable", newPooled(b, addr), cancellable),
			newCachewire(b, "pure", newPure(b, addr), context.Background()),
			newCachewire(b, "pure, cancellable", newPure(b, addr), cancellable),
		}
	})
}
