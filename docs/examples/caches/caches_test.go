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

// The file of the guide, with a memcached of the test's own.
func TestAnApplicationWithTwoCaches(t *testing.T) {
	text, err := os.ReadFile("caches.json")
	if err != nil {
		t.Fatal(err)
	}
	const there = "127.0.0.1:11211"
	if !strings.Contains(string(text), there) {
		t.Fatalf("no %s in caches.json", there)
	}
	server := memcachetest.Start(t, nil)
	file := filepath.Join(t.TempDir(), "caches.json")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(text), there, server.Addr())), 0o600); err != nil {
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
		t.Error("the default is not the cache on memory")
	}
	for _, c := range []*core.Cache{local, shared} {
		if err := c.Set(t.Context(), "greeting", []byte("hello"), 0); err != nil {
			t.Error(err)
		}
		if v, err := c.Get(t.Context(), "greeting"); string(v) != "hello" || err != nil {
			t.Errorf("%q, %v", v, err)
		}
	}
	if ttl, err := local.TTL(t.Context(), "greeting"); ttl <= 9*time.Minute || err != nil {
		t.Errorf("TTL = %v, %v", ttl, err)
	}
	var hits map[string]struct{ Lookups struct{ Hits int } }
	if err := json.Unmarshal([]byte(expvar.Get("cache_hits").String()), &hits); err != nil || hits["local"].Lookups.Hits == 0 || hits["shared"].Lookups.Hits == 0 {
		t.Errorf("cache_hits: %s, %v", expvar.Get("cache_hits"), err)
	}
	if times := caches.Timing.Snapshot(); times["shared"]["Get"].Count != 1 || times["local"] != nil {
		t.Errorf("%+v", times)
	}
}

// With CACHEWIRE_DISABLE=1 nothing is cached, and no server is asked.
func TestSwitchedOff(t *testing.T) {
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
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAWrongFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "caches.json")
	for text, want := range map[string]string{
		`{"caches": {"a": {"url": "memory://", "hook": []}}}`:                     "caches.json: cachewire: invalid configuration: caches.a.hook: unknown field; known: default_ttl, hooks, prefix, timeout, url",
		`{"default": "a", "caches": {"a": {"url": "redis://127.0.0.1"}}}`:         `caches.json: cachewire: invalid configuration: caches.a.url: no driver for "redis"; known: memcache, memory, null (forgotten import?)`,
		`{"default": "a", "caches": {"a": {"url": "memory://", "hooks": ["x"]}}}`: `caches.json: cachewire: invalid configuration: caches.a.hooks[0]: unknown hook "x"; Options.Hooks have: hit_ratio, log, timing`,
		`{"caches": {"a": {"url": "memory://"}}}`:                                 `caches.json: cachewire: invalid configuration: default: missing, and no cache is named "default"; want one of a`,
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := caches.Open(file); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
