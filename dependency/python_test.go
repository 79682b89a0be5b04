package dependency_test

import (
	"testing"
	"time"

	"github.com/cachewire/cachewire/dependency"
	"github.com/cachewire/cachewire/memcache"
	memcachepure "github.com/cachewire/cachewire/memcache-pure"
	"github.com/cachewire/cachewire/memcache/memcachetest"
)

// wheezy uses the cache as CacheDependency of wheezy.caching does. It uses pylibmc.
const wheezy = `
import sys, pylibmc
cache = pylibmc.Client(sys.argv[1:], binary=True, behaviors={"ketama": True})

def next_keys(master, n):
    cache.add(master, 0)
    last = cache.incr(master, n)
    return [master + str(i) for i in range(last - n + 1, last + 1)]

def add_multi(master, keys):
    for wire, key in zip(next_keys(master, len(keys)), keys):
        assert cache.add(wire, key)

def get_keys(master):
    n = cache.get(master)
    if n is None:
        return []
    return sorted(cache.get_multi([master + str(i) for i in range(1, n + 1)]).values())

def delete(master):
    n = cache.get(master)
    if n is None:
        return
    wires = [master + str(i) for i in range(1, n + 1)]
    cache.delete_multi(wires + list(cache.get_multi(wires).values()) + [master])
`

func TestPythonAndGoShareWires(t *testing.T) {
	python := memcachetest.NeedPython(t, "pylibmc")
	servers := memcachetest.StartN(t, 2, nil).Addrs()
	b, err := memcachepure.New([]memcache.Server{{Addr: servers[0]}, {Addr: servers[1]}},
		&memcachepure.Options{Options: memcache.Options{Timeout: 30 * time.Second}})
	if err != nil {
		t.Fatal(err)
	}
	c := cacheOf(t, b)
	d := must(dependency.New(c, nil))
	ctx := t.Context()
	run := func(program, want string) {
		t.Helper()
		if got := python.Run(t, wheezy+program, servers...); got != want {
			t.Errorf("Python prints %q, want %q", got, want)
		}
	}
	for range 2 { // again, after both have deleted
		// Python wires, Go wires, Python reads, Go deletes.
		run(`
for key in ["page", "grüße"]:
    cache.set(key, "value")
add_multi("mk:order:100:", ["page", "grüße"])
`, "")
		set(t, c, "total")
		wantErr(t, d.Add(ctx, "mk:order:100:", "total"), nil)
		run(`print(get_keys("mk:order:100:"))`, "['grüße', 'page', 'total']\n")
		wantErr(t, d.Delete(ctx, "mk:order:100:"), nil)
		wantDropped(t, c, "page", "grüße", "total")
		run(`print(get_keys("mk:order:100:"), cache.get("mk:order:100:"))`, "[] None\n")

		// Go wires, Python wires, Go reads, Python deletes.
		set(t, c, "page", "total", "fragment")
		wantErr(t, d.AddMulti(ctx, "mk:order:100:", []string{"page", "total"}), nil)
		run(`add_multi("mk:order:100:", ["fragment"])`, "")
		keys, err := d.Keys(ctx, "mk:order:100:")
		if len(keys) != 3 || err != nil {
			t.Errorf("Keys = %v, %v", keys, err)
		}
		run(`delete("mk:order:100:")`, "")
		wantDropped(t, c, "page", "total", "fragment")
	}

	// If Delete in Go does not let the numbers begin again, Python goes on with the next one.
	set(t, c, "page", "total")
	if _, err := d.NextKey(ctx, "mk:order:100:"); err != nil { // an Add has drawn a number
		t.Fatal(err)
	}
	wantErr(t, d.Add(ctx, "mk:order:100:", "page"), nil)
	wantErr(t, d.Delete(ctx, "mk:order:100:"), nil)
	wantDropped(t, c, "page")
	set(t, c, "other")
	run(`
add_multi("mk:order:100:", ["total"])
delete("mk:order:100:")
print(cache.get("other"))
`, "b'value'\n")
	wantDropped(t, c, "total")
}
