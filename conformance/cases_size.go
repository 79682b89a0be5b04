package conformance

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/cachewire/cachewire/core"
)

// valueOf returns n bytes that depend on name and on their position. So a test sees if a
// part of a value is lost, moved or mixed up with another value.
func valueOf(name string, n int) []byte {
	seed := uint64(len(name))
	for _, c := range []byte(name) {
		seed = seed*31 + uint64(c)
	}
	r := rand.NewPCG(seed, uint64(n))
	b := make([]byte, 0, n+8)
	for len(b) < n {
		b = binary.LittleEndian.AppendUint64(b, r.Uint64())
	}
	return b[:n:n]
}

// difference describes how got differs from want, or returns "".
func difference(got, want []byte) string {
	if bytes.Equal(got, want) {
		return ""
	}
	at := 0
	for at < min(len(got), len(want)) && got[at] == want[at] {
		at++
	}
	return fmt.Sprintf("%d bytes, which differ from the %d that were stored at byte %d",
		len(got), len(want), at)
}

// wantBytes checks that key is present with value, which may be long.
func (e *env) wantBytes(key string, value []byte) {
	for _, r := range e.readers() {
		got, err := r.read(key)
		if err != nil {
			e.errorf("%s %s: error is %v, want %d bytes", r.verb, quote(key), err, len(value))
		} else if d := difference(got, value); d != "" {
			e.errorf("%s %s: value has %s", r.verb, quote(key), d)
		}
	}
}

// checkBatch stores n items by one call of each multi verb, and checks the value, flags,
// token and error of every item.
func (e *env) checkBatch(n int) {
	items := make([]core.Item, n)
	keys := make([]string, n)
	for i := range items {
		keys[i] = fmt.Sprintf("batch of %d: %d", n, i)
		items[i] = core.Item{Key: keys[i], Value: valueOf(keys[i], 8+i%50), TTL: longTTL}
		if !e.cache.Traits().NoFlags {
			items[i].Flags = uint32(i + 1)
		}
	}
	e.wantFailures("StoreMulti with Set", e.cache.StoreMulti(e.ctx, core.Set, items), nil)
	read := e.wantItems(keys, items)

	// Every third item changes, and every fourth is deleted.
	var changed []core.Item
	var deleted []string
	conflict := map[string]error{}
	for i, item := range items {
		switch {
		case i%4 == 0:
			deleted = append(deleted, item.Key)
			conflict[item.Key] = core.ErrMiss
		case i%3 == 0:
			item.Value = slices.Concat(item.Value, []byte("changed"))
			items[i] = item
			changed = append(changed, item)
			conflict[item.Key] = core.ErrConflict
		}
	}
	e.wantFailures("StoreMulti with Replace", e.cache.StoreMulti(e.ctx, core.Replace, changed), nil)
	e.wantFailures("DeleteMulti", e.cache.DeleteMulti(e.ctx, deleted), nil)

	swaps := make([]core.Item, n)
	for i := range items {
		swaps[i] = read[keys[i]]
		swaps[i].Value, swaps[i].TTL = valueOf("swapped "+keys[i], 20), longTTL
		if conflict[keys[i]] == nil {
			items[i].Value = swaps[i].Value
		}
	}
	e.wantFailures("StoreMulti with CompareAndSwap",
		e.cache.StoreMulti(e.ctx, core.CompareAndSwap, swaps), conflict)

	exists := map[string]error{}
	for i, key := range keys {
		if i%4 != 0 {
			exists[key] = core.ErrExists
		} else {
			items[i].Value = []byte("added")
		}
		swaps[i] = core.Item{Key: key, Value: []byte("added"), Flags: items[i].Flags, TTL: longTTL}
	}
	e.wantFailures("StoreMulti with Add", e.cache.StoreMulti(e.ctx, core.Add, swaps), exists)
	read = e.wantItems(keys, items)

	cads := make([]core.Item, n)
	for i, key := range keys {
		cads[i] = read[key]
	}
	e.wantFailures("StoreMulti with CompareAndDelete of all but one",
		e.cache.StoreMulti(e.ctx, core.CompareAndDelete, cads[1:]), nil)
	e.wantItems(keys, items[:1])
	e.wantFailures("DeleteMulti", e.cache.DeleteMulti(e.ctx, keys), nil)
	e.wantItems(keys, nil)
}

// wantItems checks that GetItems of keys returns exactly want, and returns the items.
func (e *env) wantItems(keys []string, want []core.Item) map[string]core.Item {
	got, err := e.cache.GetItems(e.ctx, keys)
	e.wantFailures("GetItems", err, nil)
	for _, w := range want {
		item, ok := got[w.Key]
		switch {
		case !ok:
			e.errorf("GetItems of %d keys: %s is left out", len(keys), quote(w.Key))
		case !bytes.Equal(item.Value, w.Value):
			e.errorf("GetItems of %d keys: value of %s has %s",
				len(keys), quote(w.Key), difference(item.Value, w.Value))
		case item.Flags != e.readFlags(w.Flags):
			e.errorf("GetItems of %d keys: flags of %s are %#x, want %#x",
				len(keys), quote(w.Key), item.Flags, e.readFlags(w.Flags))
		}
	}
	if len(got) > len(want) {
		e.errorf("GetItems of %d keys: %d items, want %d", len(keys), len(got), len(want))
	}
	return got
}

var sizeCases = []testCase{
	{
		id: "multi-many",
		rule: "One call reads or changes 101 or 1,001 items; each has its own value, flags and " +
			"token, and its own error.",
		run: func(e *env) {
			e.checkBatch(101)
			e.checkBatch(1001)
		},
	},
	{
		id:        "multi-huge",
		rule:      "One call reads or changes 40,000 items; none is lost or mixed up.",
		plainOnly: true,
		run: func(e *env) {
			const limit = 30 * time.Second
			start := time.Now()
			e.checkBatch(1000)
			if took := 40 * time.Since(start); took > limit {
				e.decline(
					"batches of 40,000 keys, which would take " + took.Round(time.Second).String(),
				)
				return
			}
			start = time.Now()
			e.checkBatch(40_000)
			e.note("9 calls for 40,000 keys took %v", time.Since(start).Round(time.Millisecond))
		},
	},
	{
		id: "multi-large",
		rule: "Multi verbs store and return values that are large in total: 100 of 64 KiB, and " +
			"20 of 300 kB.",
		run: func(e *env) {
			for n, size := range map[int]int{100: 64 << 10, 20: 300_000} {
				size = e.limitSize(size)
				values := map[string][]byte{}
				for i := range n {
					key := fmt.Sprintf("%d of %d", i, n)
					values[key] = valueOf(key, size)
				}
				e.want("SetMulti", e.cache.SetMulti(e.ctx, values, longTTL), nil)
				keys := make([]string, 0, n)
				for key := range values {
					keys = append(keys, key)
				}
				got, err := e.cache.GetMulti(e.ctx, keys)
				e.want("GetMulti", err, nil)
				for key, value := range values {
					if d := difference(got[key], value); d != "" {
						e.errorf("GetMulti of %d values of %d bytes: the value of %s has %s",
							n, size, quote(key), d)
					}
				}
			}
		},
	},
	{
		id: "value-lengths",
		rule: "Values of every length up to 1 MiB less 1,000 bytes, or up to Traits.MaxValue, " +
			"are returned whole. Longer values, up to 5 MiB, are returned whole unless the store " +
			"returned ErrTooLarge.",
		run: func(e *env) {
			most := e.limitSize(5 << 20)
			for _, n := range []int{
				1, 2, 7, 8, 9, 63, 64, 65, 255, 256, 1023, 1024, 4096, 8191, 10_000, 65535, 65536,
				1 << 18, 300_000, 1<<20 - 1000, 1 << 20, 3 << 20, most,
			} {
				if n > most {
					continue
				}
				value := valueOf("", n)
				err := e.cache.Set(e.ctx, "k", value, 0)
				if n >= 1<<20 && errors.Is(err, core.ErrTooLarge) {
					continue
				}
				e.must(fmt.Sprintf("Set of %d bytes", n), err)
				e.wantBytes("k", value)
			}
		},
	},
}
