package main

import (
	"testing"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/docs/from/internal/fromtest"
	"github.com/cachewire/cachewire/memcache/memcachetest"
)

func TestMainPrintsTheOutputOfThePage(t *testing.T) {
	server := memcachetest.Start(t, nil)
	t.Setenv("CACHE_URL", "memcache://"+server.Addr())
	fromtest.Prints(t, main)
}

// The programs in Go and in Python share their items and wires. The script uses pylibmc as
// key_builder and CacheDependency of wheezy.caching do.
func TestBothShareItemsAndWires(t *testing.T) {
	python := memcachetest.NeedPython(t, "pylibmc")
	servers := memcachetest.StartN(t, 2, nil)
	url := "memcache://" + servers[0].Addr() + "," + servers[1].Addr()
	t.Setenv("CACHE_URL", url)
	main() // leaves one item that is wired
	got := python.Run(t, `
import sys, pylibmc
cache = pylibmc.Client(sys.argv[1:], binary=True, behaviors={"tcp_nodelay": True, "ketama": True})
n = cache.get("mk:items:")
print(n, cache.get("repo-list_items:%r" % "en"))
wires = ["mk:items:" + str(i) for i in range(1, n + 1)]
cache.delete_multi(wires + list(cache.get_multi(wires).values()) + ["mk:items:"])
`, servers.Addrs()...)
	if want := "1 apple, pear\n"; got != want {
		t.Errorf("Python prints %q, want %q", got, want)
	}
	cache, err := core.Open(t.Context(), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer cache.Close()
	if _, err := cache.Get(t.Context(), "repo-list_items:'en'"); err != core.ErrMiss {
		t.Errorf("Get after Python has dropped the items: %v, want ErrMiss", err)
	}
}
