package wheezy

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
	_ "github.com/cachewire/cachewire/memcache-pure"
	"github.com/cachewire/cachewire/memcache/memcachetest"
	"github.com/cachewire/cachewire/patterns"
)

// The pass of a Python program is an item with the same key. Each side finds the pass taken while
// the other one holds it. The scripts use pylibmc and python-memcached as OnePass of wheezy.caching
// does.
func TestBothShareOnePass(t *testing.T) {
	for _, client := range []struct{ name, module, hash, open string }{
		{"pylibmc", "pylibmc", "ketama",
			`pylibmc.Client(sys.argv[1:], binary=True, behaviors={"ketama": True})`},
		{"python-memcached", "memcache", "python_memcached", `memcache.Client(sys.argv[1:])`},
	} {
		t.Run(client.name, func(t *testing.T) {
			python := memcachetest.NeedPython(t, client.module)
			servers := memcachetest.StartN(t, 2, nil).Addrs()
			url := "memcache://" + strings.Join(servers, ",") + "?hash=" + client.hash
			cache, err := core.Open(t.Context(), url, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer cache.Close()
			pass, err := patterns.NewOnePass(cache, &patterns.OnePassOptions{Prefix: "one_pass:"})
			if err != nil {
				t.Fatal(err)
			}
			lease, err := pass.Try(t.Context(), "op")
			if err != nil {
				t.Fatal(err)
			}
			script := "import sys, time, " + client.module + "\ncache = " + client.open +
				"\nprint(bool(cache.add('one_pass:op', int(time.time()), 10)))"
			if got := python.Run(t, script, servers...); got != "False\n" {
				t.Errorf("while Go holds the pass, add in Python prints %q", got)
			}
			if err := lease.Release(t.Context()); err != nil {
				t.Error(err)
			}
			if got := python.Run(t, script, servers...); got != "True\n" {
				t.Errorf("after Go has released the pass, add in Python prints %q", got)
			}
			if _, err := pass.Try(t.Context(), "op"); !errors.Is(err, patterns.ErrHeld) {
				t.Errorf("while Python holds the pass, Try: %v", err)
			}
			texts, err := core.NewTyped(cache, encoding.Text())
			if err != nil {
				t.Fatal(err)
			}
			cached, err := patterns.New(texts, &patterns.Options[string]{
				Prefix: "one_pass:", WaitTimeout: 50 * time.Millisecond,
			})
			if err != nil {
				t.Fatal(err)
			}
			defer cached.Close()
			_, err = cached.GetOrCreate(t.Context(), "op", func(context.Context) (string, error) {
				return "loaded in Go", nil
			})
			if !errors.Is(err, patterns.ErrTimeout) {
				t.Errorf("while Python holds the pass, GetOrCreate: %v, want ErrTimeout", err)
			}
		})
	}
}

// Wheezy.caching begins a counter with an initial value as text.
func TestBothCount(t *testing.T) {
	python := memcachetest.NeedPython(t, "pylibmc")
	addr := memcachetest.Start(t, nil).Addr()
	cache, err := core.Open(t.Context(), "memcache://"+addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer cache.Close()
	script := "import sys, pylibmc\ncache = pylibmc.Client(sys.argv[1:], binary=True)\n"
	python.Run(t, script+`
cache.add("views", str(5))
cache.incr("views", 1)
`, addr)
	if n, err := cache.Count(t.Context(), "views"); n != 6 || err != nil {
		t.Errorf("Count returned %d, %v", n, err)
	}
	if n, err := cache.IncrFrom(t.Context(), "views", 1, 0, 0); n != 7 || err != nil {
		t.Errorf("IncrFrom returned %d, %v", n, err)
	}
	if _, err := cache.IncrFrom(t.Context(), "mine", 1, 0, 0); err != nil {
		t.Error(err)
	}
	got := python.Run(t, script+`print(cache.incr("views", 1), cache.get("mine"))`, addr)
	if got != "8 1\n" {
		t.Errorf("Python prints %q", got)
	}
}
