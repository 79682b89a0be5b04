package memcachemeta_test

import (
	"context"
	"strconv"
	"testing"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/memcache/memcachetest"
)

// pylibmc chooses the same servers for keys, whichever protocol it uses. Values of
// every type and client are tested with memcachepure, because their bytes and flags come
// from package encoding.
func TestPythonAndGoShareACache(t *testing.T) {
	python := memcachetest.NeedPython(t, "pylibmc")
	servers := memcachetest.StartN(t, 3, nil)
	const begin = `
import sys, pylibmc
c = pylibmc.Client(sys.argv[1:], binary=False, behaviors={"ketama": True})
`
	python.Run(t, begin+`
for i in range(50):
    assert c.set("text-%d" % i, "grüße %d" % i) and c.set("int-%d" % i, i)
assert c.set("count", 100) and c.decr("count", 1) == 99
`, servers.Addrs()...)
	c := openCache(t, longTimeoutOptions, servers.Addrs()...)
	ctx := context.Background()
	texts := must(core.NewTyped(c, encoding.Text()))
	ints := must(core.NewTyped(c, encoding.Int[int]()))
	for i := range 50 {
		n := strconv.Itoa(i)
		if got, err := texts.Get(ctx, "text-"+n); got != "grüße "+n || err != nil {
			t.Errorf("text-%s is %q, %v; want %q", n, got, err, "grüße "+n)
		}
		if got, err := ints.Get(ctx, "int-"+n); got != i || err != nil {
			t.Errorf("int-%s is %d, %v; want %d", n, got, err, i)
		}
		wantErr(t, texts.Set(ctx, "text-"+n, "von Go "+n, 0), nil)
	}
	if n, err := c.Incr(ctx, "count", 11); n != 110 || err != nil {
		t.Errorf("Incr = %d, %v; want 110", n, err)
	}
	got := python.Run(t, begin+`
equal = all(c.get("text-%d" % i) == "von Go %d" % i for i in range(50))
print(equal, c.incr("count", 1), c.get("count"))
`, servers.Addrs()...)
	if want := "True 111 111\n"; got != want {
		t.Errorf("Python printed %q, want %q", got, want)
	}
}

// must returns v, and panics if there is an error.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
