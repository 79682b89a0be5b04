package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"

	"github.com/cachewire/cachewire/core"
)

// ignore returns err, or nil if err is target.
func ignore(err, target error) error {
	if errors.Is(err, target) {
		return nil
	}
	return err
}

var aliasCases = []testCase{
	{
		id: "alias-stored",
		rule: "A store keeps no reference to the caller's bytes, and writes neither to them nor " +
			"to the memory after them.",
		run: func(e *env) {
			for _, size := range []int{4, e.limitSize(64 << 10)} {
				value, other := strings.Repeat("m", size), strings.Repeat("X", size)
				backing := make([]byte, 2*size)
				buf := backing[:size]
				itemToSwap := func(key string) core.Item {
					e.set(key, "old")
					item := e.item(key)
					item.Value = buf
					return item
				}
				stores := map[string]func(key string) error{
					"set": func(key string) error {
						return e.cache.Set(e.ctx, key, buf, 0)
					},
					"add": func(key string) error {
						return e.cache.Add(e.ctx, key, buf, longTTL)
					},
					"replace": func(key string) error {
						e.set(key, "old")
						return e.cache.Replace(e.ctx, key, buf, 0)
					},
					"cas": func(key string) error {
						return e.cache.CompareAndSwap(e.ctx, itemToSwap(key))
					},
					"setmulti": func(key string) error {
						return e.cache.SetMulti(e.ctx, map[string][]byte{key: buf}, 0)
					},
					"addmulti": func(key string) error {
						return e.cache.AddMulti(e.ctx, map[string][]byte{key: buf}, 0)
					},
					"replacemulti": func(key string) error {
						e.set(key, "old")
						return e.cache.ReplaceMulti(e.ctx, map[string][]byte{key: buf}, 0)
					},
					"casmulti": func(key string) error {
						return e.cache.StoreMulti(e.ctx, core.CompareAndSwap,
							[]core.Item{itemToSwap(key)})
					},
				}
				for key, store := range stores {
					key = numbered(key, size)
					copy(buf, value)
					e.must(key, store(key))
					if string(buf) != value || bytes.Count(backing[size:], []byte{0}) != size {
						e.errorf("%s wrote to the caller's bytes or after them", key)
					}
					copy(buf, other)
					if got, err := e.cache.Get(e.ctx, key); err != nil || string(got) != value {
						e.errorf(
							"Get after %s, and after the caller wrote to its bytes: %s and "+
								"error %v, want %s",
							key,
							quote(string(got)),
							err,
							quote(value),
						)
					}
				}
			}
		},
	},
	{
		id:   "alias-read",
		rule: "A value that a read returned never changes, whatever happens to the key.",
		run: func(e *env) {
			changes := map[string]func(key, other string) error{
				"set": func(key, other string) error {
					return e.cache.Set(e.ctx, key, []byte(other), 0)
				},
				"set shorter": func(key, other string) error {
					return e.cache.Set(e.ctx, key, []byte(other)[:len(other)/2], 0)
				},
				"replace": func(key, other string) error {
					return e.cache.Replace(e.ctx, key, []byte(other), 0)
				},
				"cas": func(key, other string) error {
					return e.cache.CompareAndSwap(e.ctx, withValue(e.item(key), other))
				},
				"touch": func(key, _ string) error {
					return e.cache.Touch(e.ctx, key, longTTL)
				},
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
			for _, value := range []string{"1000000", strings.Repeat("v", e.limitSize(64<<10))} {
				other := strings.Repeat("X", len(value))
				for key, change := range changes {
					e.set(key, value)
					got, err := e.cache.Get(e.ctx, key)
					e.must("Get", err)
					item := e.item(key)
					values, err := e.cache.GetMulti(e.ctx, []string{key})
					e.must("GetMulti", err)
					for range 3 { // after the first change, a counter may be kept in another form
						e.must(key, change(key, other))
						if string(got) != value || string(item.Value) != value ||
							string(values[key]) != value {

							e.fatalf("after %s, the values that Get, GetItem and GetMulti had "+
								"returned are %s, %s and %s, want %s",
								key, quote(string(got)), quote(string(item.Value)),
								quote(string(values[key])), quote(value))
						}
					}
				}
			}
		},
	},
	{
		id: "alias-buffer",
		rule: "A value that Get, GetItem or GetMulti returned stays as it is while the same " +
			"connection, or the same buffer, is used for the next reads and stores of other keys.",
		run: func(e *env) {
			for _, size := range []int{10, 1000, e.limitSize(20_000), e.limitSize(200_000)} {
				keys := make([]string, 5)
				values := map[string][]byte{}
				for i := range keys {
					keys[i] = fmt.Sprintf("%d of %d bytes", i, size)
					values[keys[i]] = valueOf(keys[i], size)
				}
				e.must("SetMulti", e.cache.SetMulti(e.ctx, values, 0))
				returned := map[string][]byte{}
				for verb, read := range map[string]func(key string) ([]byte, error){
					"Get": func(key string) ([]byte, error) { return e.cache.Get(e.ctx, key) },
					"GetItem": func(key string) ([]byte, error) {
						item, err := e.cache.GetItem(e.ctx, key)
						return item.Value, err
					},
					"GetMulti": func(key string) ([]byte, error) {
						got, err := e.cache.GetMulti(e.ctx, []string{key, keys[4], "absent"})
						return got[key], err
					},
				} {
					got, err := read(keys[0])
					e.must(verb, err)
					returned[verb] = got
				}
				for next, call := range map[string]func() error{
					"Get": func() error { _, err := e.cache.Get(e.ctx, keys[1]); return err },
					"GetItem": func() error {
						_, err := e.cache.GetItem(e.ctx, keys[2])
						return err
					},
					"GetMulti": func() error {
						_, err := e.cache.GetMulti(e.ctx, keys[1:])
						return err
					},
					"Set": func() error {
						return e.cache.Set(e.ctx, keys[3], valueOf("set", size), 0)
					},
					"SetMulti": func() error {
						return e.cache.SetMulti(e.ctx, map[string][]byte{
							keys[2]: valueOf("multi", size), keys[3]: valueOf("more", size),
						}, 0)
					},
					"Delete and Add": func() error {
						return errors.Join(e.cache.Delete(e.ctx, keys[4]),
							e.cache.Add(e.ctx, keys[4], valueOf("added", size), 0))
					},
				} {
					e.must(next, call())
					for verb, got := range returned {
						if d := difference(got, values[keys[0]]); d != "" {
							e.errorf(
								"after %s of another key, the value that %s had returned has %s",
								next,
								verb,
								d,
							)
							returned[verb] = bytes.Clone(values[keys[0]])
						}
					}
				}
			}
		},
	},
	{
		id:   "alias-append",
		rule: "Appending to a value that Get or GetMulti returned does not change the cache.",
		run: func(e *env) {
			e.set("k", "value")
			got, err := e.cache.Get(e.ctx, "k")
			e.must("Get", err)
			_ = append(got, "XXX"...)
			values, err := e.cache.GetMulti(e.ctx, []string{"k"})
			e.must("GetMulti", err)
			_ = append(values["k"], "YYY"...)
			e.wantValue("k", "value")
			if cap(got) != len(got) || cap(values["k"]) != len(values["k"]) {
				e.errorf("capacities of values of length %d are %d and %d, want the length",
					len(got), cap(got), cap(values["k"]))
			}
		},
	},
	{
		id:   "alias-race",
		rule: "Readers get whole values while writers reuse their buffers.",
		run: func(e *env) {
			const (
				workers = 4
				rounds  = 200
			)
			size := e.limitSize(1000)
			e.set("k", string(bytes.Repeat([]byte{'a'}, size)))
			var writing atomic.Int32
			writing.Store(workers)
			e.inParallel(2*workers, func(i int) {
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
				// Fake time does not pass while a reader runs. The number of reads is
				// limited, so that a writer that waits for time to pass does not wait
				// forever.
				for n := 0; writing.Load() > 0 && !(e.fakeTime && n > 50*rounds); n++ {
					runtime.Gosched()
					got, err := e.cache.Get(e.ctx, "k")
					e.must("Get", err)
					if len(got) != size || !consistsOf(got, got[0], size) {
						e.fatalf("Get during Set returned %s, which was never stored",
							quote(string(got)))
					}
				}
			})
		},
	},
}
