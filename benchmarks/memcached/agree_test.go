package memcached

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
	memcachepooled "github.com/cachewire/cachewire/memcache-pooled"
	memcachepure "github.com/cachewire/cachewire/memcache-pure"
	"github.com/cachewire/cachewire/memcache/memcachetest"
)

// Both drivers have a key on the same server, and read what the other wrote: values,
// flags, counters and times to live.
func TestTheDriversShareACache(t *testing.T) {
	servers := memcachetest.StartN(t, 3, nil)
	var list []memcache.Server
	for i, addr := range servers.Addrs() {
		list = append(list, memcache.Server{Addr: addr, Weight: i%2 + 1})
	}
	for _, selection := range []memcache.Selection{memcache.Ketama, memcache.KetamaWeighted, memcache.PythonMemcached} {
		opts := memcache.Options{Timeout: 30 * time.Second, Selection: selection}
		pureBackend, err := memcachepure.New(list, &memcachepure.Options{Options: opts})
		if err != nil {
			t.Fatal(err)
		}
		pooledBackend, err := memcachepooled.New(list, &memcachepooled.Options{Options: opts})
		if err != nil {
			t.Fatal(err)
		}
		pure, pooled := cacheOf(t, pureBackend), cacheOf(t, pooledBackend)
		for _, way := range []struct {
			name          string
			writes, reads *core.Cache
		}{{"pure to pooled", pure, pooled}, {"pooled to pure", pooled, pure}} {
			for i := range 100 {
				share(t, fmt.Sprintf("%v, %s", selection, way.name), fmt.Sprintf("key %d of %s", i, way.name), way.writes, way.reads)
			}
		}
		if err := pure.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func cacheOf(t *testing.T, b core.Backend) *core.Cache {
	t.Helper()
	c, err := core.New(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// share has what a writes under key read by b.
func share(t *testing.T, what, key string, a, b *core.Cache) {
	t.Helper()
	ctx := context.Background()
	wrote := core.Item{Key: key, Value: []byte("value of " + key), Flags: core.FlagText, TTL: time.Hour}
	if err := a.Store(ctx, core.Set, wrote); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	item, err := b.GetItem(ctx, key)
	if err != nil || string(item.Value) != string(wrote.Value) || item.Flags != wrote.Flags {
		t.Errorf("%s: Get = %q with flags %d, %v", what, item.Value, item.Flags, err)
	}
	if n, err := a.IncrFrom(ctx, key+" n", 1, 41, 0); n != 42 || err != nil {
		t.Errorf("%s: IncrFrom = %d, %v", what, n, err)
	}
	if n, err := b.Decr(ctx, key+" n", 2); n != 40 || err != nil {
		t.Errorf("%s: Decr = %d, %v", what, n, err)
	}
	if n, err := a.Count(ctx, key+" n"); n != 40 || err != nil {
		t.Errorf("%s: Count = %d, %v", what, n, err)
	}
	if err := b.Delete(ctx, key); err != nil {
		t.Errorf("%s: Delete: %v", what, err)
	}
	if there, err := a.Exists(ctx, key); there || err != nil {
		t.Errorf("%s: Exists = %t, %v", what, there, err)
	}
}
