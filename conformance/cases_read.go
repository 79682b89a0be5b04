package conformance

import "github.com/cachewire/cachewire/core"

var readCases = []testCase{
	{"get-absent", "Get of an absent key is ErrMiss, and not found by any other read.", func(e *env) {
		e.set("present", "v")
		e.lacks("absent")
		if _, err := e.cache.GetItem(e.ctx, "absent"); err != core.ErrMiss {
			e.errorf("GetItem: error is %v, want %v", err, core.ErrMiss)
		}
		if there, err := e.cache.Exists(e.ctx, "absent"); there || err != nil {
			e.errorf("Exists: %v and error %v, want false and none", there, err)
		}
	}},
	{"get-present", "Get answers the bytes that were stored, however often it is asked.", func(e *env) {
		e.set("k", "value")
		e.holds("k", "value")
		e.holds("k", "value")
		if there, err := e.cache.Exists(e.ctx, "k"); !there || err != nil {
			e.errorf("Exists: %v and error %v, want true and none", there, err)
		}
	}},
	{"getitem-token", "GetItem answers the key, the value and a token.", func(e *env) {
		e.set("k", "value")
		item := e.item("k")
		if item.Key != "k" || string(item.Value) != "value" || item.Token == nil {
			e.errorf("GetItem: key %s, value %s, token %v; want \"k\", \"value\" and a token", show(item.Key), show(string(item.Value)), item.Token)
		}
	}},
	{"flags", "All 32 bits of the flags are kept, and a store replaces them, unless Traits.NoFlags is set.", func(e *env) {
		if e.cache.Traits().NoFlags {
			e.decline("Item.Flags, by Traits.NoFlags")
			return
		}
		for _, flags := range []uint32{core.FlagText, core.FlagInt | core.FlagZlib, 1<<32 - 1, 0} {
			e.must("Store", e.cache.Store(e.ctx, core.Set, core.Item{Key: "k", Value: []byte("v"), Flags: flags}))
			if got := e.item("k").Flags; got != flags {
				e.errorf("GetItem after Store with flags %#x: %#x", flags, got)
			}
		}
	}},
}
