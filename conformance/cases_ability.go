package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cachewire/cachewire/core"
)

// abilityCases are for the optional interfaces: what is there must work.
var abilityCases = []testCase{
	{"traits", "Traits of a cache that keeps what it is given have no negative number, and KeepsNothing is not set.", func(e *env) {
		t := e.cache.Traits()
		if t.Resolution < 0 || t.MaxTTL < 0 || t.MaxValue < 0 || t.KeepsNothing {
			e.errorf("Traits: %+v", t)
		}
	}},
	{"ability-value", "Get of a core.ValueGetter returns the value, or the error, that GetItem returns.", func(e *env) {
		g, ok := e.backend.(core.ValueGetter)
		if !ok {
			e.decline("core.ValueGetter")
			return
		}
		e.set("bytes", "v")
		e.set("empty", "")
		e.set("number", "41")
		_, err := e.cache.Incr(e.ctx, "number", 1)
		e.must("Incr", err)
		answers := func(key, want string, wantErr error) {
			value, err := g.Get(e.ctx, e.full(key))
			e.want("Get of "+key, err, wantErr)
			if got := strings.TrimRight(string(value), " "); got != want {
				e.errorf("Get of %s: %s, want %s", key, show(got), show(want))
			}
		}
		answers("bytes", "v", nil)
		answers("empty", "", nil)
		answers("number", "42", nil)
		answers("absent", "", core.ErrMiss)
		if shared, err := core.NewTyped(e.cache, core.Shared[*int]()); err == nil {
			e.must("Set of a shared value", shared.Set(e.ctx, "shared", new(int), 0))
			answers("shared", "", core.ErrCodec)
		}
	}},
	{"ability-multiget", "GetItems of a core.MultiGetter returns the items that are present among its keys, each once and no others, with tokens that work.", func(e *env) {
		g, ok := e.backend.(core.MultiGetter)
		if !ok {
			e.decline("core.MultiGetter")
			return
		}
		e.set("a", "1")
		e.set("b", "2")
		e.set("unasked", "3")
		items, err := g.GetItems(e.ctx, []string{e.full("a"), e.full("absent"), e.full("b")})
		e.must("GetItems", err)
		var keys []string
		for _, item := range items {
			keys = append(keys, item.Key)
		}
		slices.Sort(keys)
		if want := []string{e.full("a"), e.full("b")}; !slices.Equal(keys, want) {
			e.fatalf("GetItems: items of %q, want those of %q", keys, want)
		}
		for _, item := range items {
			item.Value = []byte("new")
			e.must("Store of an item from GetItems, by its token", e.backend.Store(e.ctx, core.CompareAndSwap, item))
			for _, mode := range []core.Mode{core.CompareAndSwap, core.CompareAndDelete} {
				e.want("Store of an item from GetItems, by a token that is old", e.backend.Store(e.ctx, mode, item), core.ErrConflict)
			}
		}
		e.holds("a", "new")
		e.holds("b", "new")

		shared, err := core.NewTyped(e.cache, core.Shared[*int]())
		if err != nil {
			return
		}
		e.must("Set of a shared value", shared.Set(e.ctx, "shared", new(int), 0))
		got, err := e.cache.GetMulti(e.ctx, []string{"a", "shared", "absent"})
		e.failsFor("GetMulti of bytes and a shared value", err, map[string]error{"shared": core.ErrCodec})
		e.sameValues("GetMulti of bytes and a shared value", got, map[string]string{"a": "new"})
	}},
	{"ability-ttl", "TTL of a core.TTLReader is what is left: never more than was given, never 0 for a life that ends, 0 for one that does not, ErrMiss for an absent key.", func(e *env) {
		if _, ok := e.backend.(core.TTLReader); !ok {
			_, err := e.cache.TTL(e.ctx, "k")
			e.want("TTL", err, errUnsupported)
			e.decline("core.TTLReader")
			return
		}
		if limit := e.cache.Traits().MaxTTL; limit > 0 && limit < 3*time.Hour {
			e.decline("times to live of more than an hour, by Traits.MaxTTL")
			return
		}
		left := func(key string, least, most time.Duration) {
			if ttl, err := e.cache.TTL(e.ctx, key); err != nil || ttl < least || ttl > most {
				e.errorf("TTL of %s: %v and error %v, want %v to %v", show(key), ttl, err, least, most)
			}
		}
		res := e.resolution()
		start := time.Now()
		e.must("Set", e.cache.Set(e.ctx, "hour", []byte("1"), time.Hour))
		e.must("Set", e.cache.Set(e.ctx, "short", []byte("v"), 500*time.Millisecond))
		e.set("ever", "v")
		left("hour", time.Hour-time.Since(start)-res, time.Hour+res)
		left("ever", core.Forever, core.Forever)
		_, err := e.cache.TTL(e.ctx, "absent")
		e.want("TTL of an absent key", err, core.ErrMiss)
		time.Sleep(200 * time.Millisecond)
		if ttl, err := e.cache.TTL(e.ctx, "short"); time.Since(start) < 500*time.Millisecond && (err != nil || ttl <= 0 || ttl > 300*time.Millisecond+res) {
			e.errorf("TTL after 200 of 500 ms: %v and error %v", ttl, err)
		}
		_, err = e.cache.Incr(e.ctx, "hour", 1)
		e.must("Incr", err)
		left("hour", time.Hour-time.Since(start)-res, time.Hour+res-200*time.Millisecond)
		e.must("Touch", e.cache.Touch(e.ctx, "hour", 2*time.Hour))
		left("hour", time.Hour+time.Minute, 2*time.Hour+res)
		e.must("Replace", e.cache.Replace(e.ctx, "hour", []byte("v"), time.Minute))
		left("hour", 30*time.Second, time.Minute+res)
		item := e.item("hour")
		item.TTL = time.Hour
		e.must("CompareAndSwap", e.cache.CompareAndSwap(e.ctx, item))
		left("hour", time.Hour-time.Minute, time.Hour+res)
		e.must("Touch for ever", e.cache.Touch(e.ctx, "hour", 0))
		left("hour", core.Forever, core.Forever)
		e.must("Set", e.cache.Set(e.ctx, "hour", []byte("v"), time.Hour))
		e.must("Set for ever", e.cache.Set(e.ctx, "hour", []byte("v"), 0))
		left("hour", core.Forever, core.Forever)
		time.Sleep(300*time.Millisecond + res)
		_, err = e.cache.TTL(e.ctx, "short")
		e.want("TTL of an item whose time is over", err, core.ErrMiss)
	}},
	{"ability-ping", "Ping of a core.Pinger that can be reached is nil.", func(e *env) {
		if _, ok := e.backend.(core.Pinger); !ok {
			e.want("Ping", e.cache.Ping(e.ctx), errUnsupported)
			e.decline("core.Pinger")
			return
		}
		e.want("Ping", e.cache.Ping(e.ctx), nil)
	}},
	{"ability-stats", "Stats of a core.StatsReader follow what happens; a figure that is not kept stays 0.", func(e *env) {
		if _, ok := e.backend.(core.StatsReader); !ok {
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
		grew := func(what string, before, after, by uint64) {
			if (before != 0 || after != 0) && after-before != by {
				e.errorf("%s: from %d to %d, want %d more", what, before, after, by)
			}
		}
		grew("Items", before.Items, after.Items, 10)
		grew("Hits", before.Hits, after.Hits, 3)
		grew("Misses", before.Misses, after.Misses, 1)
		grew("Evictions", before.Evictions, after.Evictions, 0)
		if after.Items != 0 && after.Bytes != 0 && after.Bytes <= before.Bytes {
			e.errorf("Bytes: from %d to %d while items were stored", before.Bytes, after.Bytes)
		}
		e.set("k1", "again")
		e.must("Delete", e.cache.Delete(e.ctx, "k2"))
		_, err = e.cache.GetMulti(e.ctx, []string{"k1", "k3", "absent", "k2"})
		e.must("GetMulti", err)
		last, err := e.cache.Stats(e.ctx)
		e.must("Stats", err)
		if after.Items != 0 && last.Items != after.Items-1 {
			e.errorf("Items: from %d to %d, want one less", after.Items, last.Items)
		}
		grew("Hits, by GetMulti,", after.Hits, last.Hits, 2)
		grew("Misses, by GetMulti,", after.Misses, last.Misses, 2)
		grew("Evictions, by Delete,", after.Evictions, last.Evictions, 0)
	}},
	{"ability-keys", "Keys of a core.KeyLister yields every key that begins with the prefix and is there, no other, and lets its loop call the backend or end.", func(e *env) {
		l, ok := e.backend.(core.KeyLister)
		if !ok {
			e.decline("core.KeyLister")
			return
		}
		list := func(prefix string) []string {
			var keys []string
			for key, err := range l.Keys(e.ctx, e.full(prefix)) {
				e.must("Keys", err)
				keys = append(keys, key)
			}
			slices.Sort(keys)
			return slices.Compact(keys)
		}
		same := func(prefix string, want ...string) {
			for i, key := range want {
				want[i] = e.full(key)
			}
			slices.Sort(want)
			if got := list(prefix); !slices.Equal(got, want) {
				e.errorf("Keys with prefix %s: %q, want %q", show(e.full(prefix)), got, want)
			}
		}
		for _, key := range []string{"a", "ab", "abc", "b", "a*", "\x00"} {
			e.set(key, "v")
		}
		e.expire("abgone")
		same("ab", "ab", "abc")
		same("a*", "a*")
		same("z")
		same("", "a", "ab", "abc", "b", "a*", "\x00")
		odd := []string{"o_b", "oxb", "O_b", "o%", "o?", "o[b]", "o\\", "o\r\n", "o\xff", "o" + strings.Repeat("k", 300)}
		for _, key := range odd {
			e.set(key, "v")
		}
		for _, prefix := range odd {
			same(prefix, prefix)
		}
		e.must("DeleteMulti", e.cache.DeleteMulti(e.ctx, odd))
		for key, err := range l.Keys(e.ctx, e.full("")) {
			e.must("Keys", err)
			e.must("Delete in the loop", e.backend.Delete(e.ctx, key))
			break
		}
		if n := len(list("")); n != 5 {
			e.errorf("Keys after one was deleted: %d, want 5", n)
		}
		ctx, cancel := context.WithCancel(e.ctx)
		cancel()
		var last error
		for _, err := range l.Keys(ctx, e.full("")) {
			last = err
		}
		e.want("Keys under a context that is done", last, context.Canceled)
	}},
	{"ability-shared", "A core.SharedStorer keeps Go values as they are, on every mode's condition, and tells them from bytes.", func(e *env) {
		type value struct{ n int }
		shared, err := core.NewTyped(e.cache, core.Shared[*value]())
		if _, ok := e.backend.(core.SharedStorer); !ok {
			e.want("NewTyped with core.Shared", err, errUnsupported)
			e.decline("core.SharedStorer")
			return
		}
		e.must("NewTyped with core.Shared", err)
		v := &value{1}
		is := func(key string, want *value) {
			if got, err := shared.Get(e.ctx, key); got != want || err != nil {
				e.errorf("Get %s through core.Shared: %p and error %v, want %p and none", show(key), got, err, want)
			}
		}
		_, err = shared.Get(e.ctx, "k")
		e.want("Get of an absent key", err, core.ErrMiss)
		e.want("Replace of an absent key", shared.Replace(e.ctx, "k", v, 0), core.ErrMiss)
		e.must("Add", shared.Add(e.ctx, "k", v, 0))
		is("k", v)
		e.want("Add of a present key", shared.Add(e.ctx, "k", &value{2}, 0), core.ErrExists)
		is("k", v)
		item, err := shared.GetItem(e.ctx, "k")
		e.must("GetItem", err)
		e.must("Set of the same value", shared.Set(e.ctx, "k", v, 0))
		item.Value = &value{3}
		e.want("CompareAndSwap of what changed", shared.CompareAndSwap(e.ctx, item), core.ErrConflict)
		is("k", v)
		item, err = shared.GetItem(e.ctx, "k")
		e.must("GetItem", err)
		item.Value = &value{4}
		e.must("CompareAndSwap", shared.CompareAndSwap(e.ctx, item))
		is("k", item.Value)

		_, err = e.cache.Get(e.ctx, "k")
		e.want("Get of a shared value as bytes", err, core.ErrCodec)
		_, err = e.cache.Incr(e.ctx, "k", 1)
		e.want("Incr of a shared value", err, core.ErrNotNumber)
		e.set("k", "bytes")
		e.holds("k", "bytes")
		_, err = shared.Get(e.ctx, "k")
		e.want("Get of bytes as a shared value", err, core.ErrCodec)
		e.must("Set over bytes", shared.Set(e.ctx, "k", v, 0))
		is("k", v)
		item, err = shared.GetItem(e.ctx, "k")
		e.must("GetItem", err)
		e.must("CompareAndDelete", shared.CompareAndDelete(e.ctx, item))
		e.lacks("k")

		e.want("CompareAndSwap of an absent key", shared.CompareAndSwap(e.ctx, item), core.ErrMiss)
		e.lacks("k")
		e.must("Set of nil", shared.Set(e.ctx, "k", nil, 0))
		is("k", nil)
		e.want("Add of bytes over a shared value", e.cache.Add(e.ctx, "k", nil, 0), core.ErrExists)
		e.set("bytes", "v")
		e.want("Add of a shared value over bytes", shared.Add(e.ctx, "bytes", v, 0), core.ErrExists)
		e.must("Set", shared.Set(e.ctx, "k", v, 0))
		e.must("Touch", e.cache.Touch(e.ctx, "k", longTTL))
		is("k", v)
		if e.canFlush() {
			e.must("Flush", e.cache.Flush(e.ctx))
			_, err = shared.Get(e.ctx, "k")
			e.want("Get of a shared value after Flush", err, core.ErrMiss)
		}

		const ttl = 200 * time.Millisecond
		e.must("Set", shared.Set(e.ctx, "replace", v, 0))
		e.live([]lifetime{
			e.born("Set through core.Shared", "set", ttl, func() error { return shared.Set(e.ctx, "set", v, ttl) }),
			e.born("Add through core.Shared", "add", ttl, func() error { return shared.Add(e.ctx, "add", v, ttl) }),
			e.born("Replace through core.Shared", "replace", ttl, func() error { return shared.Replace(e.ctx, "replace", v, ttl) }),
		})
	}},
	{"ability-unsupported", "A method of core.Backend is never errors.ErrUnsupported: only the optional interfaces can be declined.", func(e *env) {
		e.set("k", "1")
		ctx, b, key := e.ctx, e.backend, e.full("k")
		item, err := b.GetItem(ctx, key)
		_, incr := b.Incr(ctx, key, 1)
		_, decr := b.Decr(ctx, key, 1)
		results := map[string]error{"Get": err, "Incr": incr, "Decr": decr,
			"Touch": b.Touch(ctx, key, longTTL), "Delete": b.Delete(ctx, key), "Flush": b.Flush(ctx)}
		for mode := core.Set; mode <= core.CompareAndDelete; mode++ {
			results[fmt.Sprint("Store with ", mode)] = b.Store(ctx, mode, core.Item{Key: key, Value: []byte("v"), Token: item.Token})
		}
		for what, err := range results {
			if errors.Is(err, errUnsupported) {
				e.errorf("%s: error is %v", what, err)
			}
		}
	}},
}
