package memcachemeta_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
	memcachemeta "github.com/cachewire/cachewire/memcache-meta"
	"github.com/cachewire/cachewire/memcache/memcachetest"
)

// Most tests use longTimeoutOptions, so that they pass on slow machines. Tests of time-outs
// use shortTimeoutOptions.
var (
	longTimeoutOptions = &memcachemeta.Options{
		Options: memcache.Options{Timeout: 30 * time.Second},
	}
	shortTimeoutOptions = &memcachemeta.Options{
		Options: memcache.Options{Timeout: 200 * time.Millisecond},
	}
)

// openBackend returns a Backend over the servers at addrs.
func openBackend(t testing.TB, opts *memcachemeta.Options, addrs ...string) *memcachemeta.Backend {
	t.Helper()
	servers := make([]memcache.Server, len(addrs))
	for i, addr := range addrs {
		servers[i].Addr = addr
	}
	b, err := memcachemeta.New(servers, opts)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// openCache returns a Cache over the servers at addrs. It is closed when the test ends.
func openCache(t testing.TB, opts *memcachemeta.Options, addrs ...string) *core.Cache {
	t.Helper()
	c, err := core.New(openBackend(t, opts, addrs...), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// eventually waits until ok returns true. The error describes that as condition.
func eventually(t *testing.T, condition string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after 30s it is still not true that %s", condition)
		}
	}
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
	memcachetest.RunPipelineFaults(t, func(
		servers []memcache.Server, opts memcache.Options,
	) (core.Backend, error) {
		return memcachemeta.New(servers, &memcachemeta.Options{Options: opts})
	})
}
