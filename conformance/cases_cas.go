package conformance

import (
	"errors"
	"fmt"
	"time"

	"github.com/cachewire/cachewire/core"
)

// withValue returns item with value, for CompareAndSwap.
func withValue(item core.Item, value string) core.Item {
	item.Value = []byte(value)
	return item
}

var casCases = []testCase{
	{
		id: "cas-same",
		rule: "CompareAndSwap replaces an item, including its flags, if it has not changed " +
			"since its token was read.",
		run: func(e *env) {
			e.set("k", "old")
			item := withValue(e.item("k"), "new")
			item.Flags = core.FlagText
			e.must("CompareAndSwap", e.cache.CompareAndSwap(e.ctx, item))
			e.wantValue("k", "new")
			got, want := e.item("k").Flags, e.readFlags(core.FlagText)
			if got != want && !e.cache.Traits().NoFlags {
				e.errorf("flags after CompareAndSwap: %#x, want %#x", got, want)
			}
		},
	},
	{
		id: "cas-changed",
		rule: "CompareAndSwap of an item that has changed returns ErrConflict, and the item " +
			"stays as it is.",
		run: func(e *env) {
			e.set("k", "old")
			item := e.item("k")
			e.set("k", "other")
			e.want("CompareAndSwap",
				e.cache.CompareAndSwap(e.ctx, withValue(item, "new")), core.ErrConflict)
			e.wantValue("k", "other")
		},
	},
	{
		id: "cas-same-bytes",
		rule: "Every store changes the token, even if it stores the same bytes, unless " +
			"Traits.ByValue is set.",
		run: func(e *env) {
			if e.declineStates() {
				return
			}
			for _, value := range []string{"same", ""} {
				e.set("k", value)
				item := e.item("k")
				e.set("k", value)
				e.want("CompareAndSwap after Set",
					e.cache.CompareAndSwap(e.ctx, withValue(item, "new")), core.ErrConflict)
				item = e.item("k")
				e.must("Replace", e.cache.Replace(e.ctx, "k", []byte(value), 0))
				e.want("CompareAndSwap after Replace",
					e.cache.CompareAndSwap(e.ctx, withValue(item, "new")), core.ErrConflict)
				item = e.item("k")
				e.must("SetMulti",
					e.cache.SetMulti(e.ctx, bytesOf(map[string]string{"k": value}), 0))
				e.want("CompareAndSwap after SetMulti",
					e.cache.CompareAndSwap(e.ctx, withValue(item, "new")), core.ErrConflict)
				item = e.item("k")
				e.must("CompareAndSwap", e.cache.CompareAndSwap(e.ctx, withValue(item, value)))
				e.want("CompareAndSwap after CompareAndSwap",
					e.cache.CompareAndSwap(e.ctx, withValue(item, "new")), core.ErrConflict)
				e.wantValue("k", value)
			}
		},
	},
	{
		id:   "cas-absent",
		rule: "CompareAndSwap of an absent key returns ErrMiss, and stores nothing.",
		run: func(e *env) {
			e.set("k", "old")
			item := e.item("k")
			e.must("Delete", e.cache.Delete(e.ctx, "k"))
			e.want("CompareAndSwap",
				e.cache.CompareAndSwap(e.ctx, withValue(item, "new")), core.ErrMiss)
			e.wantMiss("k")
		},
	},
	{
		id: "cas-stored-again",
		rule: "An item that was deleted or has expired gets another token if it is stored again, " +
			"unless Traits.ByValue is set.",
		run: func(e *env) {
			if e.declineStates() {
				return
			}
			e.set("k", "same")
			item := e.item("k")
			e.must("Delete", e.cache.Delete(e.ctx, "k"))
			e.must("Add", e.cache.Add(e.ctx, "k", []byte("same"), 0))
			e.want("CompareAndSwap",
				e.cache.CompareAndSwap(e.ctx, withValue(item, "new")), core.ErrConflict)
			e.wantValue("k", "same")

			e.must("Set", e.cache.Set(e.ctx, "short", []byte("same"), 100*time.Millisecond))
			item, err := e.cache.GetItem(e.ctx, "short")
			if err == nil { // on a slow machine the item may have expired
				time.Sleep(100*time.Millisecond + e.resolution())
				e.must("Add", e.cache.Add(e.ctx, "short", []byte("same"), 0))
				e.want("CompareAndSwap after the item expired",
					e.cache.CompareAndSwap(e.ctx, withValue(item, "new")), core.ErrConflict)
			}

			if e.prefix != "" {
				return
			}
			item = e.item("k")
			e.must("Flush", e.cache.Flush(e.ctx))
			e.set("k", "same")
			e.want("CompareAndSwap after Flush",
				e.cache.CompareAndSwap(e.ctx, withValue(item, "new")), core.ErrConflict)
			e.wantValue("k", "same")
		},
	},
	{
		id:   "cas-twice",
		rule: "CompareAndSwap accepts a token only once.",
		run: func(e *env) {
			e.set("k", "old")
			item := e.item("k")
			e.must("CompareAndSwap", e.cache.CompareAndSwap(e.ctx, withValue(item, "first")))
			e.want("second CompareAndSwap",
				e.cache.CompareAndSwap(e.ctx, withValue(item, "second")), core.ErrConflict)
			e.wantValue("k", "first")
		},
	},
	{
		id:   "cas-read",
		rule: "Reading an item does not change its token.",
		run: func(e *env) {
			e.set("k", "old")
			item := e.item("k")
			e.wantValue("k", "old")
			e.item("k")
			_, err := e.cache.GetMulti(e.ctx, []string{"k"})
			e.must("GetMulti", err)
			e.must("CompareAndSwap", e.cache.CompareAndSwap(e.ctx, withValue(item, "new")))
			e.wantValue("k", "new")
		},
	},
	{
		id:   "cas-refused",
		rule: "A verb that is refused does not change the token.",
		run: func(e *env) {
			e.set("k", "old")
			item := e.item("k")
			e.want("Add", e.cache.Add(e.ctx, "k", []byte("added"), 0), core.ErrExists)
			_, err := e.cache.Incr(e.ctx, "k", 1)
			e.want("Incr", err, core.ErrNotNumber)
			e.must("CompareAndSwap", e.cache.CompareAndSwap(e.ctx, withValue(item, "new")))
			e.wantValue("k", "new")
		},
	},
	{
		id:   "cas-counter",
		rule: "Incr and Decr change the token, and CompareAndSwap can replace a counter.",
		run: func(e *env) {
			byValue := e.declineStates()
			e.set("n", "0")
			_, err := e.cache.Decr(e.ctx, "n", 1)
			e.must("Decr", err)
			floor := e.item("n")
			_, err = e.cache.Decr(e.ctx, "n", 1)
			e.must("Decr of 0", err)
			if !byValue {
				e.want("CompareAndSwap after Decr of 0",
					e.cache.CompareAndSwap(e.ctx, withValue(floor, "5")), core.ErrConflict)
			}
			for what, move := range map[string]func() (uint64, error){
				"Incr":      func() (uint64, error) { return e.cache.Incr(e.ctx, "n", 1) },
				"Decr":      func() (uint64, error) { return e.cache.Decr(e.ctx, "n", 1) },
				"Incr by 0": func() (uint64, error) { return e.cache.Incr(e.ctx, "n", 0) },
			} {
				if byValue && what == "Incr by 0" {
					continue
				}
				e.set("n", "10")
				// A backend may keep counters in another form after the first Incr.
				_, err := e.cache.Incr(e.ctx, "n", 1)
				e.must("Incr", err)
				item := e.item("n")
				_, err = move()
				e.must(what, err)
				e.want("CompareAndSwap after "+what,
					e.cache.CompareAndSwap(e.ctx, withValue(item, "5")), core.ErrConflict)
				e.must("CompareAndSwap of a counter",
					e.cache.CompareAndSwap(e.ctx, withValue(e.item("n"), "5")))
				e.wantCount("n", 5)
			}
		},
	},
	{
		id: "cas-nil",
		rule: "For a nil token, both compare verbs return ErrConflict, whether or not the key " +
			"is present.",
		run: func(e *env) {
			e.set("k", "old")
			for _, key := range []string{"k", "absent"} {
				item := core.Item{Key: key, Value: []byte("new")}
				e.want("CompareAndSwap", e.cache.CompareAndSwap(e.ctx, item), core.ErrConflict)
				item = core.Item{Key: key}
				e.want("CompareAndDelete", e.cache.CompareAndDelete(e.ctx, item), core.ErrConflict)
			}
			e.wantValue("k", "old")
			e.wantMiss("absent")
		},
	},
	{
		id: "cas-foreign",
		rule: "For a token that the backend did not make, whatever its type, both compare verbs " +
			"return ErrConflict.",
		run: func(e *env) {
			e.set("k", "old")
			var number uint64
			for _, token := range []any{
				struct{}{}, &struct{ x int }{}, 0, uint64(0), &number,
				"token", []byte{1}, map[string]int{}, func() {},
			} {
				item := core.Item{Key: "k", Value: []byte("new"), Token: token}
				e.want("CompareAndSwap", e.cache.CompareAndSwap(e.ctx, item), core.ErrConflict)
				e.want("CompareAndDelete", e.cache.CompareAndDelete(e.ctx, item), core.ErrConflict)
			}
			e.wantValue("k", "old")
		},
	},
	{
		id: "cas-other-key",
		rule: "A token belongs to its key: both compare verbs return ErrConflict for the token " +
			"of another key, even if both items were stored in the same way.",
		run: func(e *env) {
			values := map[string]string{"a": "same", "b": "same"}
			stores := []func() error{
				func() error { return e.cache.SetMulti(e.ctx, bytesOf(values), 0) },
				func() error {
					return errors.Join(e.cache.Set(e.ctx, "a", []byte("same"), 0),
						e.cache.Set(e.ctx, "b", []byte("same"), 0))
				},
				func() error {
					return errors.Join(e.cache.Set(e.ctx, "b", []byte("1"), 0),
						e.cache.Set(e.ctx, "a", []byte("1"), 0))
				},
			}
			for _, store := range stores {
				e.must("a store", store())
				a, b := e.item("a"), e.item("b")
				a.Token, b.Token = b.Token, a.Token
				a.TTL = longTTL
				e.want("CompareAndSwap", e.cache.CompareAndSwap(e.ctx, withValue(a, "new")),
					core.ErrConflict)
				e.want("CompareAndDelete", e.cache.CompareAndDelete(e.ctx, b), core.ErrConflict)
				e.wantValue("a", string(a.Value))
				e.wantValue("b", string(b.Value))
			}
		},
	},
	{
		id: "cas-other-backend",
		rule: "A token belongs to its backend: both compare verbs return ErrConflict for the " +
			"token of another backend of the same kind, even if the same verbs were called on " +
			"both.",
		plainOnly:   true,
		twoBackends: true,
		run: func(e *env) {
			for _, b := range []core.Backend{e.backend, e.other} {
				for range 3 {
					e.must("Store", b.Store(e.ctx, core.Set,
						core.Item{Key: "k", Value: []byte("same")}))
				}
			}
			foreign, err := e.other.GetItem(e.ctx, "k")
			e.must("GetItem", err)
			foreign.Key, foreign.TTL = "k", 0
			for _, mode := range []core.Mode{core.CompareAndSwap, core.CompareAndDelete} {
				foreign.Value = []byte("new")
				e.want(mode.String()+" with a token of another backend",
					e.backend.Store(e.ctx, mode, foreign), core.ErrConflict)
				e.wantValue("k", "same")
			}
		},
	},
	{
		id: "cas-many-changes",
		rule: "CompareAndSwap of an item that has changed 256 or 65,536 times returns " +
			"ErrConflict: no token is used again, unless Traits.ByValue is set.",
		plainOnly: true,
		run: func(e *env) {
			if e.declineStates() {
				return
			}
			const workers = 32
			change := func(n int, verb func() error) {
				e.inParallel(workers, func(w int) {
					for i := w; i < n; i += workers {
						e.must("a change", verb())
					}
				})
			}
			for what, verb := range map[string]func() error{
				"Set": func() error { return e.cache.Set(e.ctx, "k", []byte("1"), 0) },
				"Incr": func() error {
					_, err := e.cache.Incr(e.ctx, "k", 1)
					return err
				},
			} {
				for _, n := range []int{256, 65_536} {
					e.set("k", "1")
					e.must(what, verb())
					item := e.item("k")
					start := time.Now()
					if change(256, verb); n > 256 {
						const limit = 20 * time.Second
						if each := time.Since(start) / 256; each*time.Duration(n) > limit {
							e.decline(fmt.Sprintf("65,536 changes by %s: one takes %v", what, each))
							continue
						}
						change(n-256, verb)
					}
					e.want(fmt.Sprintf("CompareAndSwap after %d changes by %s", n, what),
						e.cache.CompareAndSwap(e.ctx, withValue(item, "new")), core.ErrConflict)
				}
			}
		},
	},
	{
		id: "cad-same",
		rule: "CompareAndDelete deletes an item that has not changed, and an Add right after it " +
			"succeeds.",
		run: func(e *env) {
			e.set("k", "old")
			e.must("CompareAndDelete", e.cache.CompareAndDelete(e.ctx, e.item("k")))
			e.must("Add", e.cache.Add(e.ctx, "k", []byte("new"), 0))
			e.wantValue("k", "new")
			e.must("CompareAndDelete", e.cache.CompareAndDelete(e.ctx, e.item("k")))
			e.wantMiss("k")
		},
	},
	{
		id: "cad-changed",
		rule: "CompareAndDelete of an item that has changed returns ErrConflict, and the item " +
			"stays as it is.",
		run: func(e *env) {
			e.set("k", "old")
			item := e.item("k")
			again := e.changedBack("old")
			e.set("k", again)
			e.want("CompareAndDelete", e.cache.CompareAndDelete(e.ctx, item), core.ErrConflict)
			e.wantValue("k", again)
		},
	},
	{
		id: "cad-absent",
		rule: "CompareAndDelete of an absent key returns ErrMiss, even with the token of an " +
			"item that was deleted.",
		run: func(e *env) {
			e.set("k", "old")
			item := e.item("k")
			e.must("CompareAndDelete", e.cache.CompareAndDelete(e.ctx, item))
			e.want("second CompareAndDelete", e.cache.CompareAndDelete(e.ctx, item), core.ErrMiss)
			e.wantMiss("k")
		},
	},
}
