// Package backendtest opens a cache on each kind of backend, for the tests of other
// modules. Only tests import it.
//
//	for name, cache := range backendtest.Caches(t) {
//		t.Run(name, func(t *testing.T) { … })
//	}
//
// Servers are started for the test and end with it. If a server is not installed, the test
// is skipped. If the environment variable CI is set, the test fails instead.
package backendtest

import (
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
	memcachemeta "github.com/cachewire/cachewire/memcache-meta"
	memcachepure "github.com/cachewire/cachewire/memcache-pure"
	"github.com/cachewire/cachewire/memcache/memcachetest"
	"github.com/cachewire/cachewire/memory"
	"github.com/cachewire/cachewire/redis"
	"github.com/cachewire/cachewire/redis/redistest"
)

// timeout is long enough for a busy machine.
const timeout = 30 * time.Second

// A Kind is a kind of backend. Open returns a new, empty backend, which the caller closes.
type Kind struct {
	Name string
	Open func(t testing.TB) core.Backend
}

// Memory is the kind of package memory, which works in a bubble of testing/synctest.
var Memory = Kind{"memory", func(t testing.TB) core.Backend {
	b, err := memory.New(nil)
	return checked(t, b, err)
}}

// Servers are the kinds with a server whose Traits are not ByValue.
var Servers = []Kind{
	{"memcached", func(t testing.TB) core.Backend {
		b, err := memcachepure.New(startMemcached(t),
			&memcachepure.Options{Options: memcache.Options{Timeout: timeout}})
		return checked(t, b, err)
	}},
	{"memcached, meta", func(t testing.TB) core.Backend {
		b, err := memcachemeta.New(startMemcached(t),
			&memcachemeta.Options{Options: memcache.Options{Timeout: timeout}})
		return checked(t, b, err)
	}},
	{"redis", func(t testing.TB) core.Backend { return openRedis(t, false) }},
}

// ByValue is a kind whose Traits are ByValue: Redis in plain mode.
var ByValue = Kind{"redis, plain", func(t testing.TB) core.Backend { return openRedis(t, true) }}

// startMemcached starts two servers.
func startMemcached(t testing.TB) (servers []memcache.Server) {
	t.Helper()
	for _, addr := range memcachetest.StartN(t, 2, nil).Addrs() {
		servers = append(servers, memcache.Server{Addr: addr})
	}
	return servers
}

func openRedis(t testing.TB, plain bool) core.Backend {
	t.Helper()
	b, err := redis.New(&redis.Options{
		Addrs:   []string{redistest.Start(t, nil).Addr()},
		Timeout: timeout,
		Plain:   plain,
	})
	return checked(t, b, err)
}

func checked(t testing.TB, b core.Backend, err error) core.Backend {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Cache returns a cache on a new backend of the kind, with hooks. It is closed when the test
// ends.
func (k Kind) Cache(t testing.TB, hooks ...core.Hook) *core.Cache {
	t.Helper()
	c, err := core.New(k.Open(t), &core.Options{Hooks: hooks})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// Caches returns a cache on Memory and on each of Servers, by the names of the kinds.
func Caches(t testing.TB, hooks ...core.Hook) map[string]*core.Cache {
	t.Helper()
	caches := map[string]*core.Cache{Memory.Name: Memory.Cache(t, hooks...)}
	for _, k := range Servers {
		caches[k.Name] = k.Cache(t, hooks...)
	}
	return caches
}

// AllCaches returns the caches of Caches, and a cache of the kind ByValue.
func AllCaches(t testing.TB, hooks ...core.Hook) map[string]*core.Cache {
	t.Helper()
	caches := Caches(t, hooks...)
	caches[ByValue.Name] = ByValue.Cache(t, hooks...)
	return caches
}
