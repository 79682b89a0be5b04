package conformance

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/cachewire/cachewire/core"
)

// lister returns the backend as a core.KeyLister, or nil after it has declined the case.
func (e *env) lister() core.KeyLister {
	l, ok := core.Ability[core.KeyLister](e.backend)
	if !ok {
		e.decline("core.KeyLister")
	}
	return l
}

// storeToList stores n items whose keys begin with prefix, and returns their keys. Every
// second item has a time to live.
func (e *env) storeToList(prefix string, n int) []string {
	items := make([]core.Item, n)
	keys := make([]string, n)
	for i := range items {
		keys[i] = fmt.Sprintf("%s%05d", prefix, i)
		items[i] = core.Item{Key: keys[i], Value: []byte("v")}
		if i%2 == 0 {
			items[i].TTL = longTTL
		}
	}
	for batch := range slices.Chunk(items, 2000) {
		e.must("StoreMulti", e.cache.StoreMulti(e.ctx, core.Set, batch))
	}
	return keys
}

// checkListed checks that got has each key of want at least once, and no other key that is
// not in mayBe.
func (e *env) checkListed(got, want, mayBe []string) {
	listed := map[string]bool{}
	for _, key := range got {
		listed[key] = true
	}
	missing := 0
	for _, key := range want {
		if !listed[e.fullKey(key)] {
			missing++
		}
		delete(listed, e.fullKey(key))
	}
	for _, key := range mayBe {
		delete(listed, e.fullKey(key))
	}
	if missing > 0 {
		e.errorf("Keys left out %d of %d keys", missing, len(want))
	}
	for key := range listed {
		e.errorf("Keys yielded %s, which does not begin with the prefix or is absent", quote(key))
	}
}

// listCases are for backends that list their keys.
var listCases = []testCase{
	{
		id: "list-many",
		rule: "Keys yields each of 12,000 keys with the prefix at least once, with and without a " +
			"time to live, and no other. Flush through the prefix deletes them and no other.",
		run: func(e *env) {
			l := e.lister()
			if l == nil {
				return
			}
			keys, others := e.storeToList("list:", 12_000), e.storeToList("other:", 300)
			var got []string
			for key, err := range l.Keys(e.ctx, e.fullKey("list:")) {
				e.must("Keys", err)
				got = append(got, key)
			}
			e.checkListed(got, keys, nil)
			list, err := e.cache.WithPrefix("list:")
			e.must("WithPrefix", err)
			e.must("Flush", list.Flush(e.ctx))
			left, err := e.cache.GetMulti(e.ctx, append(keys, others...))
			e.must("GetMulti", err)
			want := map[string]string{}
			for _, key := range others {
				want[key] = "v"
			}
			e.wantValues("GetMulti after Flush through the prefix", left, want)
		},
	},
	{
		id: "list-delete",
		rule: "The loop over Keys may delete the keys that it gets. Keys yields every key that " +
			"is not deleted, and afterwards the deleted keys are absent.",
		run: func(e *env) {
			l := e.lister()
			if l == nil {
				return
			}
			keys := e.storeToList("list:", 3000)
			var got []string
			deleted := map[string]bool{}
			for key, err := range l.Keys(e.ctx, e.fullKey("list:")) {
				e.must("Keys", err)
				got = append(got, key)
				if last := key[len(key)-1]; last%2 == 0 && !deleted[key] {
					e.must("Delete in the loop", e.backend.Delete(e.ctx, key))
					deleted[key] = true
				}
			}
			e.checkListed(got, keys, nil)
			for key, err := range l.Keys(e.ctx, e.fullKey("list:")) {
				e.must("Keys", err)
				if deleted[key] {
					e.fatalf("Keys yielded %s after it was deleted", quote(key))
				}
			}
		},
	},
	{
		id: "list-cancel",
		rule: "If the context of Keys is done, the iteration ends with the error of the context, " +
			"in time.",
		run: func(e *env) {
			l := e.lister()
			if l == nil {
				return
			}
			e.storeToList("list:", 5000)
			ctx, cancel := context.WithCancel(e.ctx)
			defer cancel()
			var last error
			n := 0
			var elapsed func() time.Duration
			for _, err := range l.Keys(ctx, e.fullKey("list:")) {
				last = err
				if n++; n == 10 {
					cancel()
					elapsed = e.clock.start()
				}
			}
			if elapsed == nil {
				e.fatalf("Keys yielded %d keys, want 5000", n)
			}
			e.wantInTime("Keys", elapsed())
			// A page of keys that was read before may still be yielded.
			if last != nil || n < 5000 {
				e.want("Keys that was cancelled after 10 keys", last, context.Canceled)
			}
		},
	},
	{
		id: "list-expired",
		rule: "Keys yields no key that expired before the iteration began, even if there are " +
			"many keys.",
		run: func(e *env) {
			l := e.lister()
			if l == nil {
				return
			}
			keys := e.storeToList("list:", 200)
			var expired []string
			for i := range 200 {
				expired = append(expired, numbered("list:expired", i))
			}
			e.storeExpired(expired...)
			var got []string
			for key, err := range l.Keys(e.ctx, e.fullKey("list:")) {
				e.must("Keys", err)
				got = append(got, key)
			}
			e.checkListed(got, keys, nil)
		},
	},
}
