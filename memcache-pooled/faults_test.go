package memcachepooled_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
	memcachepooled "github.com/cachewire/cachewire/memcache-pooled"
	"github.com/cachewire/cachewire/memcache/memcachetest"
)

// Most tests use longTimeoutOptions, so that they pass on slow machines. Tests of time-outs
// use shortTimeoutOptions.
var (
	longTimeoutOptions = &memcachepooled.Options{
		Options: memcache.Options{Timeout: 30 * time.Second},
	}
	shortTimeoutOptions = &memcachepooled.Options{
		Options: memcache.Options{Timeout: 200 * time.Millisecond},
	}
)

// openBackend returns a Backend over the servers at addrs.
func openBackend(
	t testing.TB, opts *memcachepooled.Options, addrs ...string,
) *memcachepooled.Backend {
	t.Helper()
	servers := make([]memcache.Server, len(addrs))
	for i, addr := range addrs {
		servers[i].Addr = addr
	}
	b, err := memcachepooled.New(servers, opts)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// openCache returns a Cache over the servers at addrs. It is closed when the test ends.
func openCache(t testing.TB, opts *memcachepooled.Options, addrs ...string) *core.Cache {
	t.Helper()
	c, err := core.New(openBackend(t, opts, addrs...), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func wantErr(t testing.TB, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("error is %v, want %v", err, target)
	}
}

func set(t testing.TB, c *core.Cache, key, value string) {
	t.Helper()
	if err := c.Set(t.Context(), key, []byte(value), 0); err != nil {
		t.Fatal(err)
	}
}

func wantValue(t testing.TB, c *core.Cache, key, value string) {
	t.Helper()
	if got, err := c.Get(context.Background(), key); string(got) != value || err != nil {
		t.Errorf("Get(%q) = %.60q, %v; want %.60q", key, got, err, value)
	}
}

func TestFaults(t *testing.T) {
	memcachetest.RunFaults(t, func(
		servers []memcache.Server, opts memcache.Options,
	) (core.Backend, error) {
		return memcachepooled.New(servers, &memcachepooled.Options{Options: opts})
	})
}
