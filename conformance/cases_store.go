package conformance

import (
	"time"

	"github.com/cachewire/cachewire/core"
)

var storeCases = []testCase{
	{
		id:   "set-absent",
		rule: "Set stores under an absent key.",
		run: func(e *env) {
			e.set("k", "v")
			e.wantValue("k", "v")
		},
	},
	{
		id:   "set-present",
		rule: "Set replaces an item that is present, with a longer or a shorter value.",
		run: func(e *env) {
			for _, value := range []string{"first", "a longer second", "3rd", "", "5"} {
				e.set("k", value)
				e.wantValue("k", value)
			}
		},
	},
	{
		id:   "set-other-keys",
		rule: "A verb changes no key but its own.",
		run: func(e *env) {
			e.set("a", "1")
			e.set("b", "2")
			e.set("a", "3")
			e.must("Delete", e.cache.Delete(e.ctx, "a"))
			e.wantValue("b", "2")
			e.wantMiss("a")
		},
	},
	{
		id:   "add-absent",
		rule: "Add stores under an absent key.",
		run: func(e *env) {
			e.must("Add", e.cache.Add(e.ctx, "k", []byte("v"), 0))
			e.wantValue("k", "v")
		},
	},
	{
		id:   "add-present",
		rule: "Add of a key that is present returns ErrExists, and the item stays as it is.",
		run: func(e *env) {
			e.must("Store", e.cache.Store(e.ctx, core.Set,
				core.Item{Key: "k", Value: []byte("old"), Flags: core.FlagText}))
			before := e.item("k")
			e.want("Add", e.cache.Add(e.ctx, "k", []byte("new"), 0), core.ErrExists)
			after := e.item("k")
			if string(after.Value) != "old" || after.Flags != before.Flags {
				e.errorf("after the refused Add: value %s, flags %#x; want \"old\" and %#x",
					quote(string(after.Value)), after.Flags, before.Flags)
			}
		},
	},
	{
		id:   "add-deleted",
		rule: "Add stores under a key that was deleted.",
		run: func(e *env) {
			e.set("k", "old")
			e.must("Delete", e.cache.Delete(e.ctx, "k"))
			e.must("Add", e.cache.Add(e.ctx, "k", []byte("new"), 0))
			e.wantValue("k", "new")
		},
	},
	{
		id:   "replace-absent",
		rule: "Replace of an absent key returns ErrMiss, and stores nothing.",
		run: func(e *env) {
			e.want("Replace", e.cache.Replace(e.ctx, "k", []byte("v"), 0), core.ErrMiss)
			e.wantMiss("k")
		},
	},
	{
		id:   "replace-present",
		rule: "Replace replaces an item that is present.",
		run: func(e *env) {
			e.set("k", "old")
			e.must("Replace", e.cache.Replace(e.ctx, "k", []byte("new"), 0))
			e.wantValue("k", "new")
		},
	},
	{
		id:   "delete-absent",
		rule: "Delete of an absent key returns ErrMiss.",
		run: func(e *env) {
			e.want("Delete", e.cache.Delete(e.ctx, "k"), core.ErrMiss)
		},
	},
	{
		id:   "delete-present",
		rule: "Delete deletes the item: a read and a second Delete return ErrMiss.",
		run: func(e *env) {
			e.set("k", "v")
			e.must("Delete", e.cache.Delete(e.ctx, "k"))
			e.wantMiss("k")
			e.want("second Delete", e.cache.Delete(e.ctx, "k"), core.ErrMiss)
		},
	},
	{
		id:   "touch-absent",
		rule: "Touch of an absent key returns ErrMiss, and stores nothing.",
		run: func(e *env) {
			e.want("Touch", e.cache.Touch(e.ctx, "k", 0), core.ErrMiss)
			e.wantMiss("k")
		},
	},
	{
		id:   "touch-present",
		rule: "Touch keeps the value and the flags.",
		run: func(e *env) {
			e.must("Store", e.cache.Store(e.ctx, core.Set,
				core.Item{Key: "k", Value: []byte("v"), Flags: core.FlagText}))
			before := e.item("k")
			e.must("Touch", e.cache.Touch(e.ctx, "k", 0))
			if after := e.item("k"); string(after.Value) != "v" || after.Flags != before.Flags {
				e.errorf("after Touch: value %s, flags %#x; want \"v\" and %#x",
					quote(string(after.Value)), after.Flags, before.Flags)
			}
		},
	},
	{
		id:   "flush-all",
		rule: "Flush deletes all items, including counters and those with a time to live.",
		run: func(e *env) {
			if !e.canFlush() {
				return
			}
			values := map[string]string{}
			for i := range 3000 { // more than one DeleteMulti of Flush with a prefix deletes
				values[numbered("k", i)] = "v"
			}
			e.must("SetMulti", e.cache.SetMulti(e.ctx, bytesOf(values), 0))
			e.must("SetMulti with a time to live",
				e.cache.SetMulti(e.ctx, bytesOf(map[string]string{"t": "v"}), longTTL))
			_, err := e.cache.IncrFrom(e.ctx, "n", 1, 0, 0)
			e.must("IncrFrom", err)
			values["t"], values["n"] = "v", "1"
			e.must("Flush", e.cache.Flush(e.ctx))
			left, err := e.cache.GetMulti(e.ctx, keysOf(values))
			e.must("GetMulti", err)
			e.wantValues("GetMulti after Flush", left, nil)
		},
	},
	{
		id:   "flush-again",
		rule: "Flush of an empty cache succeeds. After Flush, Add stores an item, which stays.",
		run: func(e *env) {
			if !e.canFlush() {
				return
			}
			e.must("Flush of an empty cache", e.cache.Flush(e.ctx))
			e.set("k", "old")
			e.must("Flush", e.cache.Flush(e.ctx))
			e.must("Add", e.cache.Add(e.ctx, "k", []byte("new"), 0))
			// A Flush that has not ended would delete the new item, too.
			time.Sleep(e.resolution() + 100*time.Millisecond)
			e.wantValue("k", "new")
		},
	},
	{
		id: "prefix-isolation",
		rule: "If neither of two prefixes begins with the other, no verb through one affects " +
			"the items of the other, not even Flush.",
		run: func(e *env) {
			left, err := e.cache.WithPrefix("left:")
			e.must("WithPrefix", err)
			right, err := e.cache.WithPrefix("right:")
			e.must("WithPrefix", err)
			e.must("Set", left.Set(e.ctx, "k", []byte("l"), 0))
			if _, err := right.Get(e.ctx, "k"); err != core.ErrMiss {
				e.errorf("Get through another prefix: error is %v, want %v", err, core.ErrMiss)
			}
			e.must("Add through another prefix", right.Add(e.ctx, "k", []byte("r"), 0))
			e.wantValue("left:k", "l")
			e.wantValue("right:k", "r")
			got, err := left.GetMulti(e.ctx, []string{"k"})
			e.must("GetMulti", err)
			e.wantValues("GetMulti through a prefix", got, map[string]string{"k": "l"})
			if _, ok := core.Ability[core.KeyLister](e.backend); !ok {
				e.want("Flush through a prefix, of a backend that cannot list keys",
					left.Flush(e.ctx), errUnsupported)
				e.wantValue("left:k", "l")
				return
			}
			e.must("Flush", left.Flush(e.ctx))
			e.wantMiss("left:k")
			e.wantValue("right:k", "r")
		},
	},
}

// canFlush reports whether the Cache of the case can be flushed. If it has no prefix, it can.
func (e *env) canFlush() bool {
	if _, ok := core.Ability[core.KeyLister](e.backend); !ok && e.prefix != "" {
		e.decline("Flush through a prefix: core.KeyLister")
		return false
	}
	return true
}
