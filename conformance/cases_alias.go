package conformance

import (
	"bytes"
	"errors"
	"runtime"
	"strings"
	"sync/atomic"

	"github.com/cachewire/cachewire/core"
)

// ignore answers err, but nil in the place of target.
func ignore(err, target error) error {
	if errors.Is(err, target) {
		return nil
	}
	return err
}

var aliasCases = []testCase{
	{"alias-stored", "A store keeps no reference to the caller's bytes, nor writes to them or behind them.", func(e *env) {
		for _, size := range []int{4, e.size(64 << 10)} {
			mine, other := strings.Repeat("m", size), strings.Repeat("X", size)
			backing := make([]byte, 2*size)
			buf := backing[:size]
			swapped := func(key string) core.Item {
				e.set(key, "old")
				item := e.item(key)
				item.Value = buf
				return item
			}
			stores := map[string]func(key string) error{
				"set":      func(key string) error { return e.cache.Set(e.ctx, key, buf, 0) },
				"add":      func(key string) error { return e.cache.Add(e.ctx, key, buf, longTTL) },
				"replace":  func(key string) error { e.set(key, "old"); return e.cache.Replace(e.ctx, key, buf, 0) },
				"cas":      func(key string) error { return e.cache.CompareAndSwap(e.ctx, swapped(key)) },
				"setmulti": func(key string) error { return e.cache.SetMulti(e.ctx, map[string][]byte{key: buf}, 0) },
				"addmulti": func(key string) error { return e.cache.AddMulti(e.ctx, map[string][]byte{key: buf}, 0) },
				"replacemulti": func(key string) error {
					e.set(key, "old")
					return e.cache.ReplaceMulti(e.ctx, map[string][]byte{key: buf}, 0)
				},
				"casmulti": func(key string) error {
					return e.cache.StoreMulti(e.ctx, core.CompareAndSwap, []core.Item{swapped(key)})
				},
			}
			for key, store := range stores {
				key = numbered(key, size)
				copy(buf, mine)
				e.must(key, store(key))
				if string(buf) != mine || bytes.Count(backing[size:], []byte{0}) != size {
					e.errorf("%s wrote to the caller's bytes, or behind them", key)
				}
				copy(buf, other)
				e.holds(key, mine)
			}
		}
	}},
	{"alias-read", "What Get returned never changes, whatever becomes of the key.", func(e *env) {
		changes := map[string]func(key, other string) error{
			"set":         func(key, other string) error { return e.cache.Set(e.ctx, key, []byte(other), 0) },
			"set shorter": func(key, other string) error { return e.cache.Set(e.ctx, key, []byte(other)[:len(other)/2], 0) },
			"replace":     func(key, other string) error { return e.cache.Replace(e.ctx, key, []byte(other), 0) },
			"cas":         func(key, other string) error { return e.cache.CompareAndSwap(e.ctx, swap(e.item(key), other)) },
			"touch":       func(key, _ string) error { return e.cache.Touch(e.ctx, key, longTTL) },
			"incr": func(key, _ string) error {
				_, err := e.cache.Incr(e.ctx, key, 1)
				return ignore(err, core.ErrNotNumber)
			},
			"decr": func(key, _ string) error {
				_, err := e.cache.Decr(e.ctx, key, 1)
				return ignore(err, core.ErrNotNumber)
			},
			"setmulti": func(key, other string) error {
				return e.cache.SetMulti(e.ctx, map[string][]byte{key: []byte(other)}, 0)
			},
			"delete and add": func(key, other string) error {
				e.must("Delete", e.cache.Delete(e.ctx, key))
				return e.cache.Add(e.ctx, key, []byte(other), 0)
			},
			"deletemulti and set": func(key, other string) error {
				e.must("DeleteMulti", e.cache.DeleteMulti(e.ctx, []string{key}))
				return e.cache.Set(e.ctx, key, []byte(other), 0)
			},
			"compareanddelete and set": func(key, other string) error {
				e.must("CompareAndDelete", e.cache.CompareAndDelete(e.ctx, e.item(key)))
				return e.cache.Set(e.ctx, key, []byte(other), 0)
			},
			"flush and set": func(key, other string) error {
				e.must("Flush", ignore(e.cache.Flush(e.ctx), errUnsupported))
				return e.cache.Set(e.ctx, key, []byte(other), 0)
			},
		}
		for _, value := range []string{"1000000", strings.Repeat("v", e.size(64<<10))} {
			other := strings.Repeat("X", len(value))
			for key, change := range changes {
				e.set(key, value)
				got, err := e.cache.Get(e.ctx, key)
				e.must("Get", err)
				item := e.item(key)
				many, err := e.cache.GetMulti(e.ctx, []string{key})
				e.must("GetMulti", err)
				for range 3 { // a counter may be kept in another form after the first
					e.must(key, change(key, other))
					if string(got) != value || string(item.Value) != value || string(many[key]) != value {
						e.fatalf("after %s, what Get, GetItem and GetMulti had returned is %s, %s and %s, want %s", key, show(string(got)), show(string(item.Value)), show(string(many[key])), show(value))
					}
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
		)
		size := e.size(1000)
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
			// Fake time stands still while somebody reads, so there is an end.
			for n := 0; writing.Load() > 0 && !(e.fakeTime && n > 50*rounds); n++ {
				runtime.Gosched()
				got, err := e.cache.Get(e.ctx, "k")
				e.must("Get", err)
				if len(got) != size || !isAll(got, got[0], size) {
					e.fatalf("Get beside Set: a value that nobody stored: %s", show(string(got)))
				}
			}
		})
	}},
}
