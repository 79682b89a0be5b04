package conformance

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/cachewire/cachewire/core"
)

// abilityCases check the optional interfaces: those that the backend implements must work.
var abilityCases = []testCase{
	{
		id: "traits",
		rule: "The Traits of a cache that keeps items have no negative number, and KeepsNothing " +
			"is false.",
		run: func(e *env) {
			t := e.cache.Traits()
			if t.Resolution < 0 || t.MaxTTL < 0 || t.MaxValue < 0 || t.KeepsNothing {
				e.errorf("Traits: %+v, want no negative number and no KeepsNothing", t)
			}
		},
	},
	{
		id:   "ability-value",
		rule: "Get of a core.ValueGetter returns the value, or the error, that GetItem returns.",
		run: func(e *env) {
			g, ok := core.Ability[core.ValueGetter](e.backend)
			if !ok {
				e.decline("core.ValueGetter")
				return
			}
			e.set("bytes", "v")
			e.set("empty", "")
			e.set("number", "41")
			_, err := e.cache.Incr(e.ctx, "number", 1)
			e.must("Incr", err)
			wantGet := func(key, want string, wantErr error) {
				value, err := g.Get(e.ctx, e.fullKey(key))
				e.want("Get of "+key, err, wantErr)
				if got := strings.TrimRight(string(value), " "); got != want {
					e.errorf("Get of %s: %s, want %s", key, quote(got), quote(want))
				}
			}
			wantGet("bytes", "v", nil)
			wantGet("empty", "", nil)
			wantGet("number", "42", nil)
			wantGet("absent", "", core.ErrMiss)
			if shared, err := core.NewTyped(e.cache, core.Shared[*int]()); err == nil {
				e.must("Set of a shared value", shared.Set(e.ctx, "shared", new(int), 0))
				wantGet("shared", "", core.ErrCodec)
			}
		},
	},
	{
		id: "ability-multiget",
		rule: "GetItems of a core.MultiGetter returns the items that are present, each once, and " +
			"no others. Their tokens work.",
		run: func(e *env) {
			g, ok := core.Ability[core.MultiGetter](e.backend)
			if !ok {
				e.decline("core.MultiGetter")
				return
			}
			e.set("a", "1")
			e.set("b", "2")
			e.set("other", "3")
			items, err := g.GetItems(e.ctx,
				[]string{e.fullKey("a"), e.fullKey("absent"), e.fullKey("b")})
			e.must("GetItems", err)
			var keys []string
			for _, item := range items {
				keys = append(keys, item.Key)
			}
			slices.Sort(keys)
			if want := []string{e.fullKey("a"), e.fullKey("b")}; !slices.Equal(keys, want) {
				e.fatalf("GetItems: items of %q, want those of %q", keys, want)
			}
			for _, item := range items {
				item.Value = []byte("new")
				e.must("Store of an item from GetItems, with its token",
					e.backend.Store(e.ctx, core.CompareAndSwap, item))
				for _, mode := range []core.Mode{core.CompareAndSwap, core.CompareAndDelete} {
					e.want("Store of an item from GetItems, with an old token",
						e.backend.Store(e.ctx, mode, item), core.ErrConflict)
				}
			}
			e.wantValue("a", "new")
			e.wantValue("b", "new")

			shared, err := core.NewTyped(e.cache, core.Shared[*int]())
			if err != nil {
				return
			}
			e.must("Set of a shared value", shared.Set(e.ctx, "shared", new(int), 0))
			got, err := e.cache.GetMulti(e.ctx, []string{"a", "shared", "absent"})
			e.wantFailures("GetMulti of bytes and a shared value", err,
				map[string]error{"shared": core.ErrCodec})
			e.wantValues("GetMulti of bytes and a shared value", got, map[string]string{"a": "new"})
		},
	},
	{
		id: "ability-ttl",
		rule: "TTL of a core.TTLReader returns how long the item has left to live: at most its " +
			"time to live, more than 0 if it expires, 0 if it never expires. It returns ErrMiss " +
			"for an absent key.",
		run: func(e *env) {
			if _, ok := core.Ability[core.TTLReader](e.backend); !ok {
				_, err := e.cache.TTL(e.ctx, "k")
				e.want("TTL", err, errUnsupported)
				e.decline("core.TTLReader")
				return
			}
			if limit := e.cache.Traits().MaxTTL; limit > 0 && limit < 3*time.Hour {
				e.decline("times to live of more than an hour, by Traits.MaxTTL")
				return
			}
			e.storeAndCheckLeft("Set", "hour", time.Hour, func() error {
				return e.cache.Set(e.ctx, "hour", []byte("1"), time.Hour)
			})
			e.storeAndCheckLeft("Set", "forever", core.Forever, func() error {
				return e.cache.Set(e.ctx, "forever", []byte("v"), core.Forever)
			})
			_, err := e.cache.TTL(e.ctx, "absent")
			e.want("TTL of an absent key", err, core.ErrMiss)
			var short lifetime
			ttl := e.withShortTTL(
				500*time.Millisecond,
				func(round string, ttl time.Duration) error {
					short = e.timeStore("Set", round, ttl, func() error {
						return e.cache.Set(e.ctx, round, []byte("v"), ttl)
					})
					time.Sleep(ttl / 2)
					left, err := e.cache.TTL(e.ctx, round)
					if err == nil && (left <= 0 || left > ttl/2+e.resolution()) {
						err = fmt.Errorf("TTL after half of %v: %v", ttl, left)
					}
					return err
				},
			)
			time.Sleep(ttl/2 + e.resolution())
			expired := eventually(!e.fakeTime, func() bool {
				_, err = e.cache.TTL(e.ctx, short.key)
				return errors.Is(err, core.ErrMiss)
			})
			if !expired {
				e.errorf("TTL of an expired item: error is %v, want %v", err, core.ErrMiss)
			}
		},
	},
	{
		id: "ability-itemttl",
		rule: "GetItemTTL and GetItemsTTL of a core.ItemTTLReader return what GetItem and " +
			"GetItems return, with the time that each item has left to live.",
		run: checkItemTTL,
	},
	{
		id: "ability-counter",
		rule: "IncrFrom and DecrFrom of a core.CounterStarter start an absent counter at initial " +
			"plus or minus delta, with the flag of an integer and the time to live, and change a " +
			"present one as Incr and Decr do.",
		run: func(e *env) {
			s, ok := core.Ability[core.CounterStarter](e.backend)
			if !ok {
				e.decline("core.CounterStarter")
				return
			}
			for _, c := range []struct {
				what, present  string // the value before; "" if the key is absent
				down           bool
				delta, initial uint64
				want           uint64
			}{
				{"IncrFrom", "", false, 5, 10, 15},
				{"DecrFrom", "", true, 4, 10, 6},
				{"DecrFrom", "", true, 11, 10, 0},
				{"IncrFrom", "", false, 2, math.MaxUint64, 1},
				{"IncrFrom", "7", false, 3, 1000, 10},
				{"DecrFrom", "7", true, 3, 1000, 4},
				{"DecrFrom", "7", true, 8, 1000, 0},
				{"IncrFrom", "9223372036854775807", false, 1, 0, 1 << 63},
				{"IncrFrom", "18446744073709551615", false, 1, 0, 0},
			} {
				key := fmt.Sprintf("%s of %q by %d from %d", c.what, c.present, c.delta, c.initial)
				const ttl = 2 * time.Hour
				start := func() error {
					call := s.IncrFrom
					if c.down {
						call = s.DecrFrom
					}
					n, err := call(e.ctx, e.fullKey(key), c.delta, c.initial, ttl)
					e.wantNumber(key, n, err, c.want)
					return err
				}
				if c.present == "" {
					e.storeAndCheckLeft(key, key, ttl, start)
					got, want := e.item(key).Flags, e.readFlags(core.FlagInt)
					if got != want && !e.cache.Traits().NoFlags {
						e.errorf("flags after %s: %#x, want %#x", key, got, want)
					}
				} else {
					e.set(key, c.present)
					e.must(key, start())
					if _, ok := core.Ability[core.TTLReader](e.backend); ok {
						left, err := e.cache.TTL(e.ctx, key)
						if err != nil || left != core.Forever {
							e.errorf("TTL after %s: %v and error %v, want core.Forever",
								key, left, err)
						}
					}
				}
				e.wantCount(key, c.want)
			}
			e.set("text", "abc")
			_, err := s.IncrFrom(e.ctx, e.fullKey("text"), 1, 1, 0)
			e.want("IncrFrom of text", err, core.ErrNotNumber)
			e.wantValue("text", "abc")
		},
	},
	{
		id:   "ability-ping",
		rule: "Ping of a core.Pinger that can be reached returns nil.",
		run: func(e *env) {
			if _, ok := core.Ability[core.Pinger](e.backend); !ok {
				e.want("Ping", e.cache.Ping(e.ctx), errUnsupported)
				e.decline("core.Pinger")
				return
			}
			e.want("Ping", e.cache.Ping(e.ctx), nil)
		},
	},
	{
		id: "ability-stats",
		rule: "Stats of a core.StatsReader count what the verbs did. A figure that the backend " +
			"does not have stays 0.",
		run: func(e *env) {
			if _, ok := core.Ability[core.StatsReader](e.backend); !ok {
				_, err := e.cache.Stats(e.ctx)
				e.want("Stats", err, errUnsupported)
				e.decline("core.StatsReader")
				return
			}
			before, err := e.cache.Stats(e.ctx)
			e.must("Stats", err)
			for i := range 10 {
				e.set(numbered("k", i), "v")
			}
			for range 3 {
				_, err := e.cache.Get(e.ctx, "k1")
				e.must("Get", err)
			}
			_, err = e.cache.Get(e.ctx, "absent")
			e.want("Get of an absent key", err, core.ErrMiss)
			after, err := e.cache.Stats(e.ctx)
			e.must("Stats", err)
			wantGrowth := func(what string, before, after, by uint64) {
				if (before != 0 || after != 0) && after-before != by {
					e.errorf("%s: grew from %d to %d, want %d more", what, before, after, by)
				}
			}
			wantGrowth("Items", before.Items, after.Items, 10)
			wantGrowth("Hits", before.Hits, after.Hits, 3)
			wantGrowth("Misses", before.Misses, after.Misses, 1)
			wantGrowth("Evictions", before.Evictions, after.Evictions, 0)
			if after.Items != 0 && after.Bytes != 0 && after.Bytes <= before.Bytes {
				e.errorf("Bytes: from %d to %d after 10 stores, want more",
					before.Bytes, after.Bytes)
			}
			e.set("k1", "again")
			e.must("Delete", e.cache.Delete(e.ctx, "k2"))
			_, err = e.cache.GetMulti(e.ctx, []string{"k1", "k3", "absent", "k2"})
			e.must("GetMulti", err)
			last, err := e.cache.Stats(e.ctx)
			e.must("Stats", err)
			if after.Items != 0 && last.Items != after.Items-1 {
				e.errorf("Items: from %d to %d after Delete, want one less",
					after.Items, last.Items)
			}
			wantGrowth("Hits after GetMulti", after.Hits, last.Hits, 2)
			wantGrowth("Misses after GetMulti", after.Misses, last.Misses, 2)
			wantGrowth("Evictions after Delete", after.Evictions, last.Evictions, 0)
		},
	},
	{
		id: "ability-keys",
		rule: "Keys of a core.KeyLister yields every key that begins with the prefix and is " +
			"present, and no other. Its loop may call the backend, and may end early.",
		run: func(e *env) {
			l, ok := core.Ability[core.KeyLister](e.backend)
			if !ok {
				e.decline("core.KeyLister")
				return
			}
			list := func(prefix string) []string {
				var keys []string
				for key, err := range l.Keys(e.ctx, e.fullKey(prefix)) {
					e.must("Keys", err)
					keys = append(keys, key)
				}
				slices.Sort(keys)
				return slices.Compact(keys)
			}
			wantKeys := func(prefix string, want ...string) {
				for i, key := range want {
					want[i] = e.fullKey(key)
				}
				slices.Sort(want)
				if got := list(prefix); !slices.Equal(got, want) {
					e.errorf("Keys with prefix %s: %q, want %q",
						quote(e.fullKey(prefix)), got, want)
				}
			}
			for _, key := range []string{"a", "ab", "abc", "b", "a*", "\x00"} {
				e.set(key, "v")
			}
			e.storeExpired("abexpired")
			wantKeys("ab", "ab", "abc")
			wantKeys("a*", "a*")
			wantKeys("z")
			wantKeys("", "a", "ab", "abc", "b", "a*", "\x00")
			unusual := []string{
				"o_b", "oxb", "O_b", "o%", "o?", "o[b]", "o\\", "o\r\n", "o\xff",
				"o" + strings.Repeat("k", 300),
			}
			for _, key := range unusual {
				e.set(key, "v")
			}
			for _, prefix := range unusual {
				wantKeys(prefix, prefix)
			}
			e.must("DeleteMulti", e.cache.DeleteMulti(e.ctx, unusual))
			for key, err := range l.Keys(e.ctx, e.fullKey("")) {
				e.must("Keys", err)
				e.must("Delete in the loop", e.backend.Delete(e.ctx, key))
				break
			}
			if n := len(list("")); n != 5 {
				e.errorf("%d keys after one was deleted, want 5", n)
			}
			ctx, cancel := context.WithCancel(e.ctx)
			cancel()
			var last error
			for _, err := range l.Keys(ctx, e.fullKey("")) {
				last = err
			}
			e.want("Keys under a context that is done", last, context.Canceled)
		},
	},
	{
		id: "ability-shared",
		rule: "A core.SharedStorer keeps Go values as they are, obeys the condition of every " +
			"mode, and distinguishes Go values from bytes.",
		run: func(e *env) {
			type value struct{ n int }
			shared, err := core.NewTyped(e.cache, core.Shared[*value]())
			if _, ok := core.Ability[core.SharedStorer](e.backend); !ok {
				e.want("NewTyped with core.Shared", err, errUnsupported)
				e.decline("core.SharedStorer")
				return
			}
			e.must("NewTyped with core.Shared", err)
			v := &value{1}
			wantShared := func(key string, want *value) {
				if got, err := shared.Get(e.ctx, key); got != want || err != nil {
					e.errorf("Get %s through core.Shared: %p and error %v, want %p and no error",
						quote(key), got, err, want)
				}
			}
			_, err = shared.Get(e.ctx, "k")
			e.want("Get of an absent key", err, core.ErrMiss)
			e.want("Replace of an absent key", shared.Replace(e.ctx, "k", v, 0), core.ErrMiss)
			e.must("Add", shared.Add(e.ctx, "k", v, 0))
			wantShared("k", v)
			e.want("Add of a present key", shared.Add(e.ctx, "k", &value{2}, 0), core.ErrExists)
			wantShared("k", v)
			item, err := shared.GetItem(e.ctx, "k")
			e.must("GetItem", err)
			e.must("Set of the same value", shared.Set(e.ctx, "k", v, 0))
			item.Value = &value{3}
			e.want("CompareAndSwap of an item that has changed",
				shared.CompareAndSwap(e.ctx, item), core.ErrConflict)
			wantShared("k", v)
			item, err = shared.GetItem(e.ctx, "k")
			e.must("GetItem", err)
			item.Value = &value{4}
			e.must("CompareAndSwap", shared.CompareAndSwap(e.ctx, item))
			wantShared("k", item.Value)

			_, err = e.cache.Get(e.ctx, "k")
			e.want("Get of a shared value as bytes", err, core.ErrCodec)
			_, err = e.cache.Incr(e.ctx, "k", 1)
			e.want("Incr of a shared value", err, core.ErrNotNumber)
			e.set("k", "bytes")
			e.wantValue("k", "bytes")
			_, err = shared.Get(e.ctx, "k")
			e.want("Get of bytes as a shared value", err, core.ErrCodec)
			e.must("Set over bytes", shared.Set(e.ctx, "k", v, 0))
			wantShared("k", v)
			item, err = shared.GetItem(e.ctx, "k")
			e.must("GetItem", err)
			e.must("CompareAndDelete", shared.CompareAndDelete(e.ctx, item))
			e.wantMiss("k")

			e.want("CompareAndSwap of an absent key",
				shared.CompareAndSwap(e.ctx, item), core.ErrMiss)
			e.wantMiss("k")
			e.must("Set of nil", shared.Set(e.ctx, "k", nil, 0))
			wantShared("k", nil)
			e.want("Add of bytes over a shared value",
				e.cache.Add(e.ctx, "k", nil, 0), core.ErrExists)
			e.set("bytes", "v")
			e.want("Add of a shared value over bytes",
				shared.Add(e.ctx, "bytes", v, 0), core.ErrExists)
			e.must("Set", shared.Set(e.ctx, "k", v, 0))
			e.must("Touch", e.cache.Touch(e.ctx, "k", longTTL))
			wantShared("k", v)
			if e.canFlush() {
				e.must("Flush", e.cache.Flush(e.ctx))
				_, err = shared.Get(e.ctx, "k")
				e.want("Get of a shared value after Flush", err, core.ErrMiss)
			}

			const ttl = 200 * time.Millisecond
			e.must("Set", shared.Set(e.ctx, "replace", v, 0))
			e.checkLifetimes([]lifetime{
				e.timeStore("Set through core.Shared", "set", ttl, func() error {
					return shared.Set(e.ctx, "set", v, ttl)
				}),
				e.timeStore("Add through core.Shared", "add", ttl, func() error {
					return shared.Add(e.ctx, "add", v, ttl)
				}),
				e.timeStore("Replace through core.Shared", "replace", ttl, func() error {
					return shared.Replace(e.ctx, "replace", v, ttl)
				}),
			})
		},
	},
	{
		id: "ability-unsupported",
		rule: "No method of core.Backend returns errors.ErrUnsupported: a backend can decline " +
			"only the optional interfaces.",
		run: func(e *env) {
			e.set("k", "1")
			ctx, b, key := e.ctx, e.backend, e.fullKey("k")
			item, err := b.GetItem(ctx, key)
			_, incr := b.Incr(ctx, key, 1)
			_, decr := b.Decr(ctx, key, 1)
			results := map[string]error{
				"GetItem": err,
				"Incr":    incr,
				"Decr":    decr,
				"Touch":   b.Touch(ctx, key, longTTL),
				"Delete":  b.Delete(ctx, key),
				"Flush":   b.Flush(ctx),
			}
			for mode := core.Set; mode <= core.CompareAndDelete; mode++ {
				results[fmt.Sprint("Store with ", mode)] = b.Store(ctx, mode,
					core.Item{Key: key, Value: []byte("v"), Token: item.Token})
			}
			for what, err := range results {
				if errors.Is(err, errUnsupported) {
					e.errorf("%s: error is %v, want any other or no error", what, err)
				}
			}
		},
	},
}
