package caches_test

import (
	"encoding/json"
	"expvar"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/docs/examples/caches"
	"github.com/cachewire/cachewire/memcache/memcachetest"
	"github.com/cachewire/cachewire/memory"
)

// The test opens the file that the guide shows, with the address of its own memcached.
func TestOpenReturnsTheCachesOfTheFileWithTheirHooks(t *testing.T) {
	text, err := os.ReadFile("caches.json")
	if err != nil {
		t.Fatal(err)
	}
	const addr = "127.0.0.1:11211"
	if !strings.Contains(string(text), addr) {
		t.Fatalf("caches.json does not contain %s", addr)
	}
	server := memcachetest.Start(t, nil)
	file := filepath.Join(t.TempDir(), "caches.json")
	edited := strings.ReplaceAll(string(text), addr, server.Addr())
	if err := os.WriteFile(file, []byte(edited), 0o600); err != nil {
		t.Fatal(err)
	}
	all, err := caches.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer all.Close()
	local, err := all.Get(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	shared, err := all.Get(t.Context(), "shared")
	if err != nil {
		t.Fatal(err)
	}
	var b *memory.Backend
	if !local.As(&b) || shared.As(&b) {
		t.Error("the default cache is not the one with a memory backend")
	}
	for _, c := range []*core.Cache{local, shared} {
		if err := c.Set(t.Context(), "greeting", []byte("hello"), 0); err != nil {
			t.Error(err)
		}
		if v, err := c.Get(t.Context(), "greeting"); string(v) != "hello" || err != nil {
			t.Errorf("%s: Get returned %q, %v; want \"hello\"", c.Name(), v, err)
		}
	}
	if ttl, err := local.TTL(t.Context(), "greeting"); ttl <= 9*time.Minute || err != nil {
		t.Errorf("TTL returned %v, %v; want almost the default_ttl of 10m", ttl, err)
	}
	var hits map[string]struct{ Lookups struct{ Hits int } }
	published := expvar.Get("cache_hits").String()
	err = json.Unmarshal([]byte(published), &hits)
	if err != nil || hits["local"].Lookups.Hits == 0 || hits["shared"].Lookups.Hits == 0 {
		t.Errorf("cache_hits is %s, error %v; want hits of local and shared", published, err)
	}
	times := caches.Timing.Snapshot()
	if times["shared"]["Get"].Count != 1 || times["local"] != nil {
		t.Errorf("Timing has %+v, want one Get of shared and nothing of local", times)
	}
}

// CACHEWIRE_DISABLE=1 replaces the URL of every cache by null://.
func TestDisabledCachesStoreNothingAndCallNoServer(t *testing.T) {
	t.Setenv("CACHEWIRE_DISABLE", "1")
	all, err := caches.Open("caches.json")
	if err != nil {
		t.Fatal(err)
	}
	defer all.Close()
	for _, name := range all.Names() {
		c, err := all.Get(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Set(t.Context(), "k", nil, 0); err != nil {
			t.Error(err)
		}
		if _, err := c.Get(t.Context(), "k"); err != core.ErrMiss {
			t.Errorf("%s: Get returned error %v, want ErrMiss", name, err)
		}
	}
}

func TestErrorOfAWrongFileSaysWhereAndWhatWouldBeRight(t *testing.T) {
	file := filepath.Join(t.TempDir(), "caches.json")
	const prefix = "caches.json: cachewire: invalid configuration: "
	for _, tt := range []struct{ text, want string }{
		{
			`{"caches": {"a": {"url": "memory://", "hook": []}}}`,
			"caches.a.hook: unknown field; known: bus, default_ttl, far, hooks, near, prefix, " +
				"timeout, url",
		},
		{
			`{"default": "a", "caches": {"a": {"url": "redis://127.0.0.1"}}}`,
			`caches.a.url: no driver for "redis"; known: memcache, memory, null ` +
				`(forgotten import?)`,
		},
		{
			`{"default": "a", "caches": {"a": {"url": "memory://", "hooks": ["x"]}}}`,
			`caches.a.hooks[0]: unknown hook "x"; Options.Hooks have: hit_ratio, log, timing`,
		},
		{
			`{"caches": {"a": {"url": "memory://"}}}`,
			`default: missing, and no cache is named "default"; want one of a`,
		},
	} {
		if err := os.WriteFile(file, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		want := prefix + tt.want
		if _, err := caches.Open(file); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("Open of %s returned error %v, want %s", tt.text, err, want)
		}
	}
}
