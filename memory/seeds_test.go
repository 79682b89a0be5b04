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

// A python is a Cache with the verbs of wheezy.caching's MemoryCache, so that
// its documented examples can stand here as they are: a store answers whether it
// stored, a store of many which keys it did not, a read None for a miss.
type python struct {
	t     *testing.T
	ctx   context.Context
	cache *core.Cache
}

func newPython(t *testing.T) python {
	cache, err := core.New(must(memory.New(nil)), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cache.Close() })
	return python{t, t.Context(), cache}
}

const none = "None"

func (p python) get(key string) string {
	p.t.Helper()
	value, err := p.cache.Get(p.ctx, key)
	if errors.Is(err, core.ErrMiss) {
		return none
	}
	p.want("error of get", err, nil)
	return string(value)
}

func (p python) getMulti(keys ...string) map[string]string {
	p.t.Helper()
	values, err := p.cache.GetMulti(p.ctx, keys)
	p.want("error of get_multi", err, nil)
	texts := map[string]string{}
	for key, value := range values {
		texts[key] = string(value)
	}
	return texts
}

// done answers whether a verb did what it is for.
func (p python) done(err error) bool {
	p.t.Helper()
	if err != nil && !errors.Is(err, core.ErrMiss) && !errors.Is(err, core.ErrExists) {
		p.t.Fatalf("unexpected error: %v", err)
	}
	return err == nil
}

// failed answers the keys of a multi verb that it did nothing for.
func (p python) failed(err error) []string {
	var multi *core.MultiError
	if errors.As(err, &multi) {
		return slices.Sorted(maps.Keys(multi.Errors))
	}
	p.want("error of a multi verb", err, nil)
	return nil
}

func (p python) want(what string, got, want any) {
	p.t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		p.t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// expired puts an item into the cache whose time is over, where it still sits.
func (p python) expired(key, value string) {
	p.t.Helper()
	p.want("set", p.cache.Set(p.ctx, key, []byte(value), time.Second), nil)
	time.Sleep(2 * time.Second)
	stats, err := p.cache.Stats(p.ctx)
	if err != nil || stats.Items == 0 {
		p.t.Fatalf("the expired item is gone from memory (%v), so that this proves nothing", err)
	}
}

func bytesOf(values ...string) map[string][]byte {
	m := map[string][]byte{}
	for i := 0; i < len(values); i += 2 {
		m[values[i]] = []byte(values[i+1])
	}
	return m
}

func TestExamplesOfTheSeeds(t *testing.T) {
	const ttl = 100 * time.Second
	v := []byte("v")
	for name, example := range map[string]func(p python){
		"add": func(p python) {
			p.want("first", p.done(p.cache.Add(p.ctx, "k", v, ttl)), true)
			p.want("second", p.done(p.cache.Add(p.ctx, "k", v, ttl)), false)
		},
		"add_multi": func(p python) {
			p.want("first", p.failed(p.cache.AddMulti(p.ctx, bytesOf("k", "v"), ttl)), []string(nil))
			p.want("second", p.failed(p.cache.AddMulti(p.ctx, bytesOf("k", "v"), ttl)), []string{"k"})
		},
		"decr": func(p python) {
			_, err := p.cache.Decr(p.ctx, "k", 1)
			p.want("absent", p.done(err), false)
			n, err := p.cache.DecrFrom(p.ctx, "k", 1, 10, 0)
			p.want("with an initial value", n, uint64(9))
			p.want("error", err, nil)
			n, err = p.cache.Decr(p.ctx, "k", 1)
			p.want("present", n, uint64(8))
			p.want("error", err, nil)
		},
		"delete": func(p python) {
			p.want("absent", p.done(p.cache.Delete(p.ctx, "k")), false)
			p.want("set", p.done(p.cache.Set(p.ctx, "k", v, ttl)), true)
			p.want("present", p.done(p.cache.Delete(p.ctx, "k")), true)
			p.expired("k", "v")
			p.want("expired", p.done(p.cache.Delete(p.ctx, "k")), false)
		},
		"delete_multi": func(p python) {
			p.want("absent", p.cache.DeleteMulti(p.ctx, []string{"k1", "k2", "k3"}), nil)
			p.want("set", p.failed(p.cache.SetMulti(p.ctx, bytesOf("k1", "1", "k2", "2"), ttl)), []string(nil))
			p.want("present", p.cache.DeleteMulti(p.ctx, []string{"k1", "k2"}), nil)
			p.want("after", p.getMulti("k1", "k2"), map[string]string{})
			p.expired("k", "v")
			p.want("expired", p.getMulti("k"), map[string]string{})
		},
		"flush_all": func(p python) {
			p.want("set", p.failed(p.cache.SetMulti(p.ctx, bytesOf("k1", "1", "k2", "2"), ttl)), []string(nil))
			p.want("flush", p.cache.Flush(p.ctx), nil)
			p.want("after", p.getMulti("k1", "k2"), map[string]string{})
		},
		"get": func(p python) {
			p.want("absent", p.get("k"), none)
			p.want("set", p.done(p.cache.Set(p.ctx, "k", v, ttl)), true)
			p.want("present", p.get("k"), "v")
			p.expired("k", "v")
			p.want("expired", p.get("k"), none)
		},
		"get_multi": func(p python) {
			p.want("absent", p.getMulti("k1", "k2", "k3"), map[string]string{})
			p.want("set", p.done(p.cache.Set(p.ctx, "k1", []byte("v1"), ttl)), true)
			p.want("set", p.done(p.cache.Set(p.ctx, "k2", []byte("v2"), ttl)), true)
			p.want("present", p.getMulti("k1", "k2"), map[string]string{"k1": "v1", "k2": "v2"})
			p.expired("k", "v")
			p.want("expired", p.getMulti("k"), map[string]string{})
		},
		"incr": func(p python) {
			_, err := p.cache.Incr(p.ctx, "k", 1)
			p.want("absent", p.done(err), false)
			n, err := p.cache.IncrFrom(p.ctx, "k", 1, 0, 0)
			p.want("with an initial value", n, uint64(1))
			p.want("error", err, nil)
			n, err = p.cache.Incr(p.ctx, "k", 1)
			p.want("present", n, uint64(2))
			p.want("error", err, nil)
			p.expired("k", "1")
			_, err = p.cache.Incr(p.ctx, "k", 1)
			p.want("expired", p.done(err), false)
		},
		"replace": func(p python) {
			p.want("absent", p.done(p.cache.Replace(p.ctx, "k", v, ttl)), false)
			p.want("add", p.done(p.cache.Add(p.ctx, "k", v, ttl)), true)
			p.want("present", p.done(p.cache.Replace(p.ctx, "k", v, ttl)), true)
			p.expired("k", "v") // where the seeds store it and report success
			p.want("expired", p.done(p.cache.Replace(p.ctx, "k", v, ttl)), false)
		},
		"replace_multi": func(p python) {
			p.want("absent", p.failed(p.cache.ReplaceMulti(p.ctx, bytesOf("k", "v"), ttl)), []string{"k"})
			p.want("add", p.failed(p.cache.AddMulti(p.ctx, bytesOf("k", "v"), ttl)), []string(nil))
			p.want("present", p.failed(p.cache.ReplaceMulti(p.ctx, bytesOf("k", "v"), ttl)), []string(nil))
		},
		"set": func(p python) { p.want("set", p.done(p.cache.Set(p.ctx, "k", v, ttl)), true) },
		"set_multi": func(p python) {
			p.want("set", p.failed(p.cache.SetMulti(p.ctx, bytesOf("k1", "1", "k2", "2"), ttl)), []string(nil))
		},
		"store over an expired item": func(p python) {
			p.expired("k", "old")
			p.want("store", p.done(p.cache.Add(p.ctx, "k", v, ttl)), true)
			p.want("get", p.get("k"), "v")
			p.expired("k", "old")
			p.want("store_multi", p.failed(p.cache.AddMulti(p.ctx, bytesOf("k", "v"), ttl)), []string(nil))
			p.want("get", p.get("k"), "v")
		},
		"a store sweeps the bucket that is due": func(p python) {
			p.expired("x", "v")
			time.Sleep(15 * time.Second) // the default interval
			p.want("store", p.done(p.cache.Set(p.ctx, "k", v, ttl)), true)
			stats, err := p.cache.Stats(p.ctx)
			p.want("stats", stats, core.Stats{Items: 1, Bytes: stats.Bytes, Expirations: 1})
			p.want("error", err, nil)

			p.expired("y", "v")
			time.Sleep(15 * time.Second)
			p.want("store_multi", p.failed(p.cache.SetMulti(p.ctx, bytesOf("k", "v"), ttl)), []string(nil))
			stats, err = p.cache.Stats(p.ctx)
			p.want("stats", stats, core.Stats{Items: 1, Bytes: stats.Bytes, Expirations: 2})
			p.want("error", err, nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { example(newPython(t)) })
		})
	}
}
