package memcachepooled_test

import (
	"context"
	"strconv"
	"testing"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/memcache/memcachetest"
)

// pylibmc speaks the binary protocol, too, and places keys on three servers alike.
// What each client writes, in every type, is tested with memcachepure: the bytes
// and flags are those of package encoding.
func TestPythonAndGoShareACache(t *testing.T) {
	python := memcachetest.NeedPython(t, "pylibmc")
	servers := memcachetest.StartN(t, 3, nil)
	const begin = `
import sys, pylibmc
c = pylibmc.Client(sys.argv[1:], binary=True, behaviors={"ketama": True})
`
	python.Run(t, begin+`
for i in range(50):
    assert c.set("text-%d" % i, "grüße %d" % i) and c.set("int-%d" % i, i)
assert c.set("count", 100) and c.decr("count", 1) == 99
`, servers.Addrs()...)
	c := openCache(t, patient, servers.Addrs()...)
	ctx := context.Background()
	texts, ints := must(core.NewTyped(c, encoding.Text())), must(core.NewTyped(c, encoding.Int[int]()))
	for i := range 50 {
		n := strconv.Itoa(i)
		if got, err := texts.Get(ctx, "text-"+n); got != "grüße "+n || err != nil {
			t.Errorf("text-%s is %q, %v", n, got, err)
		}
		if got, err := ints.Get(ctx, "int-"+n); got != i || err != nil {
			t.Errorf("int-%s is %d, %v", n, got, err)
		}
		wantErr(t, texts.Set(ctx, "text-"+n, "von Go "+n, 0), nil)
	}
	if n, err := c.Incr(ctx, "count", 11); n != 110 || err != nil {
		t.Errorf("count is %d, %v", n, err)
	}
	got := python.Run(t, begin+`
print(all(c.get("text-%d" % i) == "von Go %d" % i for i in range(50)), c.incr("count", 1), c.get("count"))
`, servers.Addrs()...)
	if got != "True 111 111\n" {
		t.Errorf("Python reads %q", got)
	}
}

// must returns v, and panics if there is an error.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
