package memcached

import (
	"context"
	"testing"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
	memcachemeta "github.com/cachewire/cachewire/memcache-meta"
)

// newMeta returns a backend of memcache-meta at addr.
func newMeta(b *testing.B, addr string) core.Backend {
	backend, err := memcachemeta.New([]memcache.Server{{Addr: addr}}, &memcachemeta.Options{
		Options: memcache.Options{Timeout: timeout},
	})
	if err != nil {
		b.Fatal(err)
	}
	return backend
}

func BenchmarkMeta(b *testing.B) {
	nearAndFar(b, func(addr string, cancellable context.Context) []rival {
		return []rival{
			newGomemcache(addr),
			newCachewire(b, "pure", newPure(b, addr), context.Background()),
			newCachewire(b, "pooled", newPooled(b, addr), context.Background()),
			newCachewire(b, "meta", newMeta(b, addr), context.Background()),
			newCachewire(b, "meta, cancellable", newMeta(b, addr), cancellable),
		}
	})
}
