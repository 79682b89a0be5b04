package conformance

import (
	"errors"

	"github.com/cachewire/cachewire/core"
)

// nullCases check a cache that keeps nothing.
var nullCases = []testCase{
	{
		id:   "null-read",
		rule: "Every read misses, even right after a store.",
		run: func(e *env) {
			e.set("k", "v")
			e.wantMiss("k")
			_, err := e.cache.GetItem(e.ctx, "k")
			e.want("GetItem", err, core.ErrMiss)
			if present, err := e.cache.Exists(e.ctx, "k"); present || err != nil {
				e.errorf("Exists: %v and error %v, want false and no error", present, err)
			}
			_, err = e.cache.Count(e.ctx, "k")
			e.want("Count", err, core.ErrMiss)
			got, err := e.cache.GetMulti(e.ctx, []string{"k", "l"})
			e.want("GetMulti", err, nil)
			e.wantValues("GetMulti", got, nil)
			got, err = e.cache.GetMulti(e.ctx, nil)
			e.want("GetMulti of no keys", err, nil)
			e.wantValues("GetMulti of no keys", got, nil)
			if _, err := e.cache.TTL(e.ctx, "k"); !errors.Is(err, errUnsupported) {
				e.want("TTL", err, core.ErrMiss)
			}
		},
	},
	{
		id: "null-store",
		rule: "Every store succeeds, including Add of a key that was just added, and Replace " +
			"of an absent key.",
		run: func(e *env) {
			v := []byte("v")
			for range 2 {
				e.want("Set", e.cache.Set(e.ctx, "k", v, longTTL), nil)
				e.want("Add", e.cache.Add(e.ctx, "k", v, 0), nil)
				e.want("Replace", e.cache.Replace(e.ctx, "k", v, 0), nil)
				item := core.Item{Key: "k", Value: v, Token: new(int)}
				e.want("CompareAndSwap", e.cache.CompareAndSwap(e.ctx, item), nil)
				e.want("CompareAndDelete", e.cache.CompareAndDelete(e.ctx, item), nil)
				values := map[string][]byte{"k": v, "l": v}
				for _, values := range []map[string][]byte{values, nil} {
					e.want("SetMulti", e.cache.SetMulti(e.ctx, values, 0), nil)
					e.want("AddMulti", e.cache.AddMulti(e.ctx, values, 0), nil)
					e.want("ReplaceMulti", e.cache.ReplaceMulti(e.ctx, values, 0), nil)
				}
			}
			e.wantMiss("k")
		},
	},
	{
		id:   "null-delete",
		rule: "Delete, DeleteMulti, Touch and Flush succeed.",
		run: func(e *env) {
			e.want("Delete", e.cache.Delete(e.ctx, "k"), nil)
			e.want("DeleteMulti", e.cache.DeleteMulti(e.ctx, []string{"k", "l"}), nil)
			e.want("DeleteMulti of no keys", e.cache.DeleteMulti(e.ctx, nil), nil)
			e.want("Touch", e.cache.Touch(e.ctx, "k", longTTL), nil)
			e.want("Flush", e.cache.Flush(e.ctx), nil)
		},
	},
	{
		id:   "null-count",
		rule: "Incr, Decr, IncrFrom and DecrFrom always return ErrMiss.",
		run: func(e *env) {
			for range 2 {
				_, err := e.cache.Incr(e.ctx, "n", 1)
				e.want("Incr", err, core.ErrMiss)
				_, err = e.cache.Decr(e.ctx, "n", 1)
				e.want("Decr", err, core.ErrMiss)
				_, err = e.cache.IncrFrom(e.ctx, "n", 1, 10, 0)
				e.want("IncrFrom", err, core.ErrMiss)
				_, err = e.cache.DecrFrom(e.ctx, "n", 1, 10, 0)
				e.want("DecrFrom", err, core.ErrMiss)
			}
		},
	},
}
