package memcached

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/puddle/v2"
	rainycape "github.com/rainycape/memcache"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
	memcachepooled "github.com/cachewire/cachewire/memcache-pooled"
)

// bareRainycape is the library as it comes, with one client that all goroutines
// share and as many idle connections as ours.
func bareRainycape(b *testing.B, addr string) rival {
	c, err := rainycape.New(addr)
	if err != nil {
		b.Fatal(err)
	}
	c.SetTimeout(timeout)
	c.SetMaxIdleConnsPerAddr(idle)
	return rival{
		name: "rainycape",
		get:  func(i int) error { _, err := c.Get(keys[i%many]); return err },
		set: func(i int) error {
			return c.Set(&rainycape.Item{Key: keys[i%many], Value: value, Expiration: 60})
		},
		incr:     func(int) error { _, err := c.Increment("count", 1); return err },
		getMulti: func() (int, error) { items, err := c.GetMulti(keys[:]); return len(items), err },
		setMulti: func() error { // it has none
			for _, key := range keys {
				if err := c.Set(&rainycape.Item{Key: key, Value: value, Expiration: 60}); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// pooled is memcache-pooled at addr.
func pooled(b *testing.B, addr string) core.Backend {
	backend, err := memcachepooled.New([]memcache.Server{{Addr: addr}}, &memcachepooled.Options{
		Options: memcache.Options{Timeout: timeout}, MaxClients: idle,
	})
	if err != nil {
		b.Fatal(err)
	}
	return backend
}

func BenchmarkPooled(b *testing.B) {
	nearAndFar(b, func(addr string, cancellable context.Context) []rival {
		return []rival{
			bareRainycape(b, addr),
			ours(b, "pooled", pooled(b, addr), context.Background()),
			ours(b, "pooled, cancellable", pooled(b, addr), cancellable),
			ours(b, "pure", pure(b, addr), context.Background()),
			ours(b, "pure, cancellable", pure(b, addr), cancellable),
		}
	})
}

// What it costs to take a client from the pool and to give it back.
func BenchmarkPool(b *testing.B) {
	pool, err := puddle.NewPool(&puddle.Config[int]{
		Constructor: func(context.Context) (int, error) { return 0, nil },
		Destructor:  func(int) {},
		MaxSize:     idle,
	})
	if err != nil {
		b.Fatal(err)
	}
	defer pool.Close()
	for _, goroutines := range []int{1, 16, 64} {
		b.Run(fmt.Sprint(goroutines), func(b *testing.B) {
			run(b, goroutines, func(int) error {
				res, err := pool.Acquire(context.Background())
				if err == nil {
					res.Release()
				}
				return err
			})
		})
	}
}
