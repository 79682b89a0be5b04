package memcached

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
	memcachemeta "github.com/cachewire/cachewire/memcache-meta"
	memcachepooled "github.com/cachewire/cachewire/memcache-pooled"
	memcachepure "github.com/cachewire/cachewire/memcache-pure"
	"github.com/cachewire/cachewire/memcache/memcachetest"
)

// All drivers choose the same server for a key. Each reads the values, the flags and the counters
// that the others wrote.
func TestEachDriverReadsWhatTheOthersWrote(t *testing.T) {
	servers := memcachetest.StartN(t, 3, nil)
	var list []memcache.Server
	for i, addr := range servers.Addrs() {
		list = append(list, memcache.Server{Addr: addr, Weight: i%2 + 1})
	}
	for _, selection := range []memcache.Selection{
		memcache.Ketama, memcache.KetamaWeighted, memcache.PythonMemcached,
	} {
		opts := memcache.Options{Timeout: 30 * time.Second, Selection: selection}
		pureBackend, err := memcachepure.New(list, &memcachepure.Options{Options: opts})
		if err != nil {
			t.Fatal(err)
		}
		pooledBackend, err := memcachepooled.New(list, &memcachepooled.Options{Options: opts})
		if err != nil {
			t.Fatal(err)
		}
		metaBackend, err := memcachemeta.New(list, &memcachemeta.Options{Options: opts})
		if err != nil {
			t.Fatal(err)
		}
		drivers := map[string]*core.Cache{
			"pure":   newCache(t, pureBackend),
			"pooled": newCache(t, pooledBackend),
			"meta":   newCache(t, metaBackend),
		}
		for writer := range drivers {
			for reader := range drivers {
				for i := range 100 {
					name := fmt.Sprintf("%v, %s to %s", selection, writer, reader)
					key := fmt.Sprintf("key %d of %s for %s", i, writer, reader)
					checkShared(t, name, key, drivers[writer], drivers[reader])
				}
			}
		}
		if err := drivers["pure"].Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func newCache(t *testing.T, b core.Backend) *core.Cache {
	t.Helper()
	c, err := core.New(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// checkShared checks that reader reads the item that writer stores under key, and that writer
// reads the changes of reader. The errors begin with name.
func checkShared(t *testing.T, name, key string, writer, reader *core.Cache) {
	t.Helper()
	ctx := context.Background()
	stored := core.Item{
		Key:   key,
		Value: []byte("value of " + key),
		Flags: core.FlagText,
		TTL:   time.Hour,
	}
	if err := writer.Store(ctx, core.Set, stored); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	item, err := reader.GetItem(ctx, key)
	if err != nil || string(item.Value) != string(stored.Value) || item.Flags != stored.Flags {
		t.Errorf("%s: GetItem = %q with flags %d, %v; want %q with flags %d",
			name, item.Value, item.Flags, err, stored.Value, stored.Flags)
	}
	if n, err := writer.IncrFrom(ctx, key+" n", 1, 41, 0); n != 42 || err != nil {
		t.Errorf("%s: IncrFrom = %d, %v; want 42", name, n, err)
	}
	if n, err := reader.Decr(ctx, key+" n", 2); n != 40 || err != nil {
		t.Errorf("%s: Decr = %d, %v; want 40", name, n, err)
	}
	if n, err := writer.Count(ctx, key+" n"); n != 40 || err != nil {
		t.Errorf("%s: Count = %d, %v; want 40", name, n, err)
	}
	if err := reader.Delete(ctx, key); err != nil {
		t.Errorf("%s: Delete: %v", name, err)
	}
	if exists, err := writer.Exists(ctx, key); exists || err != nil {
		t.Errorf("%s: Exists = %t, %v; want false", name, exists, err)
	}
}
