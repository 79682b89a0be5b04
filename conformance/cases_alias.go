package conformance

import (
	"bytes"
	"sync/atomic"
)

var aliasCases = []testCase{
	{"alias-stored", "A store keeps no reference to the caller's bytes.", func(e *env) {
		buf := []byte("mine")
		stores := map[string]func(key string) error{
			"set":     func(key string) error { return e.cache.Set(e.ctx, key, buf, 0) },
			"add":     func(key string) error { return e.cache.Add(e.ctx, key, buf, longTTL) },
			"replace": func(key string) error { e.set(key, "old"); return e.cache.Replace(e.ctx, key, buf, 0) },
			"cas": func(key string) error {
				e.set(key, "old")
				item := e.item(key)
				item.Value = buf
				return e.cache.CompareAndSwap(e.ctx, item)
			},
			"setmulti": func(key string) error { return e.cache.SetMulti(e.ctx, map[string][]byte{key: buf}, 0) },
			"addmulti": func(key string) error { return e.cache.AddMulti(e.ctx, map[string][]byte{key: buf}, 0) },
		}
		for key, store := range stores {
			copy(buf, "mine")
			e.must(key, store(key))
			copy(buf, "XXXX")
			e.holds(key, "mine")
		}
	}},
	{"alias-read", "What Get returned never changes, whatever becomes of the key.", func(e *env) {
		const value = "1000000"
		changes := map[string]func(key string) error{
			"set":         func(key string) error { return e.cache.Set(e.ctx, key, []byte("XXXXXXX"), 0) },
			"set shorter": func(key string) error { return e.cache.Set(e.ctx, key, []byte("XXX"), 0) },
			"replace":     func(key string) error { return e.cache.Replace(e.ctx, key, []byte("XXXXXXX"), 0) },
			"cas":         func(key string) error { return e.cache.CompareAndSwap(e.ctx, swap(e.item(key), "XXXXXXX")) },
			"incr":        func(key string) error { _, err := e.cache.Incr(e.ctx, key, 1); return err },
			"decr":        func(key string) error { _, err := e.cache.Decr(e.ctx, key, 1); return err },
			"touch":       func(key string) error { return e.cache.Touch(e.ctx, key, longTTL) },
			"setmulti": func(key string) error {
				return e.cache.SetMulti(e.ctx, map[string][]byte{key: []byte("XXXXXXX")}, 0)
			},
			"delete and add": func(key string) error {
				e.must("Delete", e.cache.Delete(e.ctx, key))
				return e.cache.Add(e.ctx, key, []byte("XXXXXXX"), 0)
			},
		}
		for key, change := range changes {
			e.set(key, value)
			got, err := e.cache.Get(e.ctx, key)
			e.must("Get", err)
			many, err := e.cache.GetMulti(e.ctx, []string{key})
			e.must("GetMulti", err)
			for range 3 { // a counter may be kept in another form after the first
				e.must(key, change(key))
				if string(got) != value || string(many[key]) != value {
					e.fatalf("after %s, what Get and GetMulti had returned is %q and %q, want %q", key, got, many[key], value)
				}
			}
		}
	}},
	{"alias-append", "Appending to what Get returned does not reach the cache.", func(e *env) {
		e.set("k", "value")
		got, err := e.cache.Get(e.ctx, "k")
		e.must("Get", err)
		_ = append(got, "XXX"...)
		many, err := e.cache.GetMulti(e.ctx, []string{"k"})
		e.must("GetMulti", err)
		_ = append(many["k"], "YYY"...)
		e.holds("k", "value")
		if cap(got) != len(got) || cap(many["k"]) != len(many["k"]) {
			e.errorf("capacity %d and %d of values of length %d, want the same", cap(got), cap(many["k"]), len(got))
		}
	}},
	{"alias-race", "Readers see whole values while writers reuse their buffers.", func(e *env) {
		const (
			workers = 4
			rounds  = 200
			size    = 1000
		)
		e.set("k", string(bytes.Repeat([]byte{'a'}, size)))
		var writing atomic.Int32
		writing.Store(workers)
		e.goAll(2*workers, func(i int) {
			if i < workers { // a writer
				defer writing.Add(-1)
				buf := make([]byte, size)
				for round := range rounds {
					c := byte('a' + (i*rounds+round)%26)
					for j := range buf {
						buf[j] = c
					}
					e.must("Set", e.cache.Set(e.ctx, "k", buf, 0))
				}
				return
			}
			for writing.Load() > 0 {
				got, err := e.cache.Get(e.ctx, "k")
				e.must("Get", err)
				if len(got) != size || !isAll(got, got[0], size) {
					e.fatalf("Get beside Set: a value that nobody stored: %s", show(string(got)))
				}
			}
		})
	}},
}
