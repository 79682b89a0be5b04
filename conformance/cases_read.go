package conformance

import "github.com/cachewire/cachewire/core"

var readCases = []testCase{
	{
		id:   "get-absent",
		rule: "Get and GetItem of an absent key return ErrMiss, and Exists returns false.",
		run: func(e *env) {
			e.set("present", "v")
			e.wantMiss("absent")
			if _, err := e.cache.GetItem(e.ctx, "absent"); err != core.ErrMiss {
				e.errorf("GetItem: error is %v, want %v", err, core.ErrMiss)
			}
			if present, err := e.cache.Exists(e.ctx, "absent"); present || err != nil {
				e.errorf("Exists: %v and error %v, want false and no error", present, err)
			}
		},
	},
	{
		id:   "get-present",
		rule: "Get returns the bytes that were stored, each time it is called.",
		run: func(e *env) {
			e.set("k", "value")
			e.wantValue("k", "value")
			e.wantValue("k", "value")
			if present, err := e.cache.Exists(e.ctx, "k"); !present || err != nil {
				e.errorf("Exists: %v and error %v, want true and no error", present, err)
			}
		},
	},
	{
		id:   "getitem-token",
		rule: "GetItem returns the key, the value and a token.",
		run: func(e *env) {
			e.set("k", "value")
			item := e.item("k")
			if item.Key != "k" || string(item.Value) != "value" || item.Token == nil {
				e.errorf("GetItem: key %s, value %s, token %v; want \"k\", \"value\" and a token",
					quote(item.Key), quote(string(item.Value)), item.Token)
			}
		},
	},
	{
		id: "flags",
		rule: "Store keeps all 32 bits of the flags and replaces those of the old item, " +
			"unless Traits.NoFlags is set.",
		run: func(e *env) {
			if e.cache.Traits().NoFlags {
				e.decline("Item.Flags, by Traits.NoFlags")
				return
			}
			for _, flags := range []uint32{
				core.FlagText, core.FlagInt | core.FlagZlib, 1<<32 - 1, 0,
			} {
				e.must("Store", e.cache.Store(e.ctx, core.Set,
					core.Item{Key: "k", Value: []byte("v"), Flags: flags}))
				if got, want := e.item("k").Flags, e.readFlags(flags); got != want {
					e.errorf("GetItem after Store with flags %#x: %#x, want %#x", flags, got, want)
				}
			}
		},
	},
	{
		id: "flags-verbs",
		rule: "Every store replaces the flags, and Incr, Decr and Touch keep them, " +
			"unless Traits.NoFlags is set.",
		run: func(e *env) {
			if e.cache.Traits().NoFlags {
				e.decline("Item.Flags, by Traits.NoFlags")
				return
			}
			const before, after = core.FlagText, 1<<30 | core.FlagZlib
			multi := func(mode core.Mode) func(item core.Item) error {
				return func(item core.Item) error {
					return e.cache.StoreMulti(e.ctx, mode, []core.Item{item})
				}
			}
			single := func(mode core.Mode) func(item core.Item) error {
				return func(item core.Item) error { return e.cache.Store(e.ctx, mode, item) }
			}
			for _, c := range []struct {
				what  string
				verb  func(item core.Item) error
				flags uint32
			}{
				{"Set", single(core.Set), after},
				{"Replace", single(core.Replace), after},
				{"CompareAndSwap", single(core.CompareAndSwap), after},
				{"StoreMulti with Set", multi(core.Set), after},
				{"StoreMulti with Replace", multi(core.Replace), after},
				{"StoreMulti with CompareAndSwap", multi(core.CompareAndSwap), after},
				{"StoreMulti with Add", func(item core.Item) error {
					e.must("Delete", e.cache.Delete(e.ctx, item.Key))
					return multi(core.Add)(item)
				}, after},
				{"Set without flags", func(item core.Item) error {
					return e.cache.Set(e.ctx, item.Key, item.Value, 0)
				}, 0},
				{"Replace without flags", func(item core.Item) error {
					return e.cache.Replace(e.ctx, item.Key, item.Value, 0)
				}, 0},
				{"CompareAndSwap without flags", func(item core.Item) error {
					item.Flags = 0
					return e.cache.CompareAndSwap(e.ctx, item)
				}, 0},
				{"Incr", func(item core.Item) error {
					_, err := e.cache.Incr(e.ctx, item.Key, 1)
					return err
				}, before},
				{"Decr", func(item core.Item) error {
					_, err := e.cache.Decr(e.ctx, item.Key, 1)
					return err
				}, before},
				{"Touch", func(item core.Item) error {
					return e.cache.Touch(e.ctx, item.Key, longTTL)
				}, before},
			} {
				e.must("Store", e.cache.Store(e.ctx, core.Set,
					core.Item{Key: "k", Value: []byte("1"), Flags: before}))
				item := e.item("k")
				item.Flags = after
				e.must(c.what, c.verb(item))
				if got, want := e.item("k").Flags, e.readFlags(c.flags); got != want {
					e.errorf("flags after %s: %#x, want %#x", c.what, got, want)
				}
			}
		},
	},
}
