package memory_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memory"
)

// A wheezyCache wraps a Cache in the verbs of the MemoryCache of wheezy.caching, a Python
// library, so that its documented examples can be tested as they are. In them, a store
// returns whether it stored, a store of many keys returns those that it did not store, and a
// read returns None for a miss.
type wheezyCache struct {
	t     *testing.T
	ctx   context.Context
	cache *core.Cache
}

func newWheezyCache(t *testing.T) wheezyCache {
	cache, err := core.New(must(memory.New(nil)), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cache.Close() })
	return wheezyCache{t, t.Context(), cache}
}

const none = "None"

func (c wheezyCache) get(key string) string {
	c.t.Helper()
	value, err := c.cache.Get(c.ctx, key)
	if errors.Is(err, core.ErrMiss) {
		return none
	}
	c.check("error of get", err, nil)
	return string(value)
}

func (c wheezyCache) getMulti(keys ...string) map[string]string {
	c.t.Helper()
	values, err := c.cache.GetMulti(c.ctx, keys)
	c.check("error of get_multi", err, nil)
	texts := map[string]string{}
	for key, value := range values {
		texts[key] = string(value)
	}
	return texts
}

// succeeded reports whether a verb took effect.
func (c wheezyCache) succeeded(err error) bool {
	c.t.Helper()
	if err != nil && !errors.Is(err, core.ErrMiss) && !errors.Is(err, core.ErrExists) {
		c.t.Fatalf("unexpected error: %v", err)
	}
	return err == nil
}

// failed returns the keys for which a multi verb did nothing.
func (c wheezyCache) failed(err error) []string {
	var multi *core.MultiError
	if errors.As(err, &multi) {
		return slices.Sorted(maps.Keys(multi.Errors))
	}
	c.check("error of a multi verb", err, nil)
	return nil
}

// check reports an error if got is not want.
func (c wheezyCache) check(what string, got, want any) {
	c.t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		c.t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// addExpired puts an item into the cache that has expired but is still in memory.
func (c wheezyCache) addExpired(key, value string) {
	c.t.Helper()
	c.check("set", c.cache.Set(c.ctx, key, []byte(value), time.Second), nil)
	time.Sleep(2 * time.Second)
	stats, err := c.cache.Stats(c.ctx)
	if err != nil || stats.Items == 0 {
		c.t.Fatalf("the expired item is not in memory (error %v), so the test proves nothing", err)
	}
}

func bytesOf(values ...string) map[string][]byte {
	m := map[string][]byte{}
	for i := 0; i < len(values); i += 2 {
		m[values[i]] = []byte(values[i+1])
	}
	return m
}

func TestExamplesOfWheezyCaching(t *testing.T) {
	const ttl = 100 * time.Second
	var noKeys []string
	v := []byte("v")
	for name, example := range map[string]func(c wheezyCache){
		"add": func(c wheezyCache) {
			c.check("first", c.succeeded(c.cache.Add(c.ctx, "k", v, ttl)), true)
			c.check("second", c.succeeded(c.cache.Add(c.ctx, "k", v, ttl)), false)
		},
		"add_multi": func(c wheezyCache) {
			c.check("first", c.failed(c.cache.AddMulti(c.ctx, bytesOf("k", "v"), ttl)), noKeys)
			c.check("second",
				c.failed(c.cache.AddMulti(c.ctx, bytesOf("k", "v"), ttl)), []string{"k"})
		},
		"decr": func(c wheezyCache) {
			_, err := c.cache.Decr(c.ctx, "k", 1)
			c.check("absent", c.succeeded(err), false)
			n, err := c.cache.DecrFrom(c.ctx, "k", 1, 10, 0)
			c.check("with an initial value", n, uint64(9))
			c.check("error", err, nil)
			n, err = c.cache.Decr(c.ctx, "k", 1)
			c.check("present", n, uint64(8))
			c.check("error", err, nil)
		},
		"delete": func(c wheezyCache) {
			c.check("absent", c.succeeded(c.cache.Delete(c.ctx, "k")), false)
			c.check("set", c.succeeded(c.cache.Set(c.ctx, "k", v, ttl)), true)
			c.check("present", c.succeeded(c.cache.Delete(c.ctx, "k")), true)
			c.addExpired("k", "v")
			c.check("expired", c.succeeded(c.cache.Delete(c.ctx, "k")), false)
		},
		"delete_multi": func(c wheezyCache) {
			c.check("absent", c.cache.DeleteMulti(c.ctx, []string{"k1", "k2", "k3"}), nil)
			c.check("set",
				c.failed(c.cache.SetMulti(c.ctx, bytesOf("k1", "1", "k2", "2"), ttl)), noKeys)
			c.check("present", c.cache.DeleteMulti(c.ctx, []string{"k1", "k2"}), nil)
			c.check("after", c.getMulti("k1", "k2"), map[string]string{})
			c.addExpired("k", "v")
			c.check("expired", c.getMulti("k"), map[string]string{})
		},
		"flush_all": func(c wheezyCache) {
			c.check("set",
				c.failed(c.cache.SetMulti(c.ctx, bytesOf("k1", "1", "k2", "2"), ttl)), noKeys)
			c.check("flush", c.cache.Flush(c.ctx), nil)
			c.check("after", c.getMulti("k1", "k2"), map[string]string{})
		},
		"get": func(c wheezyCache) {
			c.check("absent", c.get("k"), none)
			c.check("set", c.succeeded(c.cache.Set(c.ctx, "k", v, ttl)), true)
			c.check("present", c.get("k"), "v")
			c.addExpired("k", "v")
			c.check("expired", c.get("k"), none)
		},
		"get_multi": func(c wheezyCache) {
			c.check("absent", c.getMulti("k1", "k2", "k3"), map[string]string{})
			c.check("set", c.succeeded(c.cache.Set(c.ctx, "k1", []byte("v1"), ttl)), true)
			c.check("set", c.succeeded(c.cache.Set(c.ctx, "k2", []byte("v2"), ttl)), true)
			c.check("present", c.getMulti("k1", "k2"), map[string]string{"k1": "v1", "k2": "v2"})
			c.addExpired("k", "v")
			c.check("expired", c.getMulti("k"), map[string]string{})
		},
		"incr": func(c wheezyCache) {
			_, err := c.cache.Incr(c.ctx, "k", 1)
			c.check("absent", c.succeeded(err), false)
			n, err := c.cache.IncrFrom(c.ctx, "k", 1, 0, 0)
			c.check("with an initial value", n, uint64(1))
			c.check("error", err, nil)
			n, err = c.cache.Incr(c.ctx, "k", 1)
			c.check("present", n, uint64(2))
			c.check("error", err, nil)
			c.addExpired("k", "1")
			_, err = c.cache.Incr(c.ctx, "k", 1)
			c.check("expired", c.succeeded(err), false)
		},
		"replace": func(c wheezyCache) {
			c.check("absent", c.succeeded(c.cache.Replace(c.ctx, "k", v, ttl)), false)
			c.check("add", c.succeeded(c.cache.Add(c.ctx, "k", v, ttl)), true)
			c.check("present", c.succeeded(c.cache.Replace(c.ctx, "k", v, ttl)), true)
			c.addExpired("k", "v") // wheezy.caching stores it and reports success
			c.check("expired", c.succeeded(c.cache.Replace(c.ctx, "k", v, ttl)), false)
		},
		"replace_multi": func(c wheezyCache) {
			c.check("absent",
				c.failed(c.cache.ReplaceMulti(c.ctx, bytesOf("k", "v"), ttl)), []string{"k"})
			c.check("add", c.failed(c.cache.AddMulti(c.ctx, bytesOf("k", "v"), ttl)), noKeys)
			c.check("present",
				c.failed(c.cache.ReplaceMulti(c.ctx, bytesOf("k", "v"), ttl)), noKeys)
		},
		"set": func(c wheezyCache) {
			c.check("set", c.succeeded(c.cache.Set(c.ctx, "k", v, ttl)), true)
		},
		"set_multi": func(c wheezyCache) {
			c.check("set",
				c.failed(c.cache.SetMulti(c.ctx, bytesOf("k1", "1", "k2", "2"), ttl)), noKeys)
		},
		"store over an expired item": func(c wheezyCache) {
			c.addExpired("k", "old")
			c.check("store", c.succeeded(c.cache.Add(c.ctx, "k", v, ttl)), true)
			c.check("get", c.get("k"), "v")
			c.addExpired("k", "old")
			c.check("store_multi",
				c.failed(c.cache.AddMulti(c.ctx, bytesOf("k", "v"), ttl)), noKeys)
			c.check("get", c.get("k"), "v")
		},
		"a store sweeps a bucket whose interval is over": func(c wheezyCache) {
			c.addExpired("x", "v")
			time.Sleep(15 * time.Second) // the default interval
			c.check("store", c.succeeded(c.cache.Set(c.ctx, "k", v, ttl)), true)
			stats, err := c.cache.Stats(c.ctx)
			c.check("stats", stats, core.Stats{Items: 1, Bytes: stats.Bytes, Expirations: 1})
			c.check("error", err, nil)

			c.addExpired("y", "v")
			time.Sleep(15 * time.Second)
			c.check("store_multi",
				c.failed(c.cache.SetMulti(c.ctx, bytesOf("k", "v"), ttl)), noKeys)
			stats, err = c.cache.Stats(c.ctx)
			c.check("stats", stats, core.Stats{Items: 1, Bytes: stats.Bytes, Expirations: 2})
			c.check("error", err, nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { example(newWheezyCache(t)) })
		})
	}
}
