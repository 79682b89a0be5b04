package conformance

import (
	"time"

	"github.com/cachewire/cachewire/core"
)

var storeCases = []testCase{
	{"set-absent", "Set stores under an absent key.", func(e *env) {
		e.set("k", "v")
		e.holds("k", "v")
	}},
	{"set-present", "Set replaces what was there, whether it gets longer or shorter.", func(e *env) {
		for _, value := range []string{"first", "a longer second", "3rd", "", "5"} {
			e.set("k", value)
			e.holds("k", value)
		}
	}},
	{"set-apart", "A verb touches no key but its own.", func(e *env) {
		e.set("a", "1")
		e.set("b", "2")
		e.set("a", "3")
		e.must("Delete", e.cache.Delete(e.ctx, "a"))
		e.holds("b", "2")
		e.lacks("a")
	}},
	{"add-absent", "Add stores under an absent key.", func(e *env) {
		e.must("Add", e.cache.Add(e.ctx, "k", []byte("v"), 0))
		e.holds("k", "v")
	}},
	{"add-present", "Add of a key that is present is ErrExists, and what is there stays untouched.", func(e *env) {
		e.must("Store", e.cache.Store(e.ctx, core.Set, core.Item{Key: "k", Value: []byte("old"), Flags: core.FlagText}))
		before := e.item("k")
		e.want("Add", e.cache.Add(e.ctx, "k", []byte("new"), 0), core.ErrExists)
		after := e.item("k")
		if string(after.Value) != "old" || after.Flags != before.Flags {
			e.errorf("after the refused Add: value %s, flags %#x; want \"old\" and %#x", show(string(after.Value)), after.Flags, before.Flags)
		}
	}},
	{"add-deleted", "Add stores under a key that was deleted.", func(e *env) {
		e.set("k", "old")
		e.must("Delete", e.cache.Delete(e.ctx, "k"))
		e.must("Add", e.cache.Add(e.ctx, "k", []byte("new"), 0))
		e.holds("k", "new")
	}},
	{"replace-absent", "Replace of an absent key is ErrMiss, and nothing is stored.", func(e *env) {
		e.want("Replace", e.cache.Replace(e.ctx, "k", []byte("v"), 0), core.ErrMiss)
		e.lacks("k")
	}},
	{"replace-present", "Replace replaces what is there.", func(e *env) {
		e.set("k", "old")
		e.must("Replace", e.cache.Replace(e.ctx, "k", []byte("new"), 0))
		e.holds("k", "new")
	}},
	{"delete-absent", "Delete of an absent key is ErrMiss.", func(e *env) {
		e.want("Delete", e.cache.Delete(e.ctx, "k"), core.ErrMiss)
	}},
	{"delete-present", "Delete deletes, and tells the truth: the key is gone, and gone for a second Delete.", func(e *env) {
		e.set("k", "v")
		e.must("Delete", e.cache.Delete(e.ctx, "k"))
		e.lacks("k")
		e.want("second Delete", e.cache.Delete(e.ctx, "k"), core.ErrMiss)
	}},
	{"touch-absent", "Touch of an absent key is ErrMiss, and nothing is stored.", func(e *env) {
		e.want("Touch", e.cache.Touch(e.ctx, "k", 0), core.ErrMiss)
		e.lacks("k")
	}},
	{"touch-present", "Touch leaves value and flags as they are.", func(e *env) {
		e.must("Store", e.cache.Store(e.ctx, core.Set, core.Item{Key: "k", Value: []byte("v"), Flags: core.FlagText}))
		before := e.item("k")
		e.must("Touch", e.cache.Touch(e.ctx, "k", 0))
		if after := e.item("k"); string(after.Value) != "v" || after.Flags != before.Flags {
			e.errorf("after Touch: value %s, flags %#x; want \"v\" and %#x", show(string(after.Value)), after.Flags, before.Flags)
		}
	}},
	{"flush-all", "Flush deletes every item, of every kind.", func(e *env) {
		if !e.canFlush() {
			return
		}
		values := map[string]string{}
		for i := range 3000 { // more than a prefix's Flush deletes in one go
			values[numbered("k", i)] = "v"
		}
		e.must("SetMulti", e.cache.SetMulti(e.ctx, bytesOf(values), 0))
		e.must("SetMulti with a time to live", e.cache.SetMulti(e.ctx, bytesOf(map[string]string{"t": "v"}), longTTL))
		_, err := e.cache.IncrFrom(e.ctx, "n", 1, 0, 0)
		e.must("IncrFrom", err)
		values["t"], values["n"] = "v", "1"
		e.must("Flush", e.cache.Flush(e.ctx))
		left, err := e.cache.GetMulti(e.ctx, keysOf(values))
		e.must("GetMulti", err)
		e.sameValues("GetMulti after Flush", left, nil)
	}},
	{"flush-again", "After Flush the cache is empty and works, and an empty one can be flushed.", func(e *env) {
		if !e.canFlush() {
			return
		}
		e.must("Flush of an empty cache", e.cache.Flush(e.ctx))
		e.set("k", "old")
		e.must("Flush", e.cache.Flush(e.ctx))
		e.must("Add", e.cache.Add(e.ctx, "k", []byte("new"), 0))
		time.Sleep(e.resolution() + 100*time.Millisecond) // a Flush that lingers would take it along
		e.holds("k", "new")
	}},
	{"prefix-apart", "Two prefixes of which none begins the other are apart in every verb, Flush included.", func(e *env) {
		left, err := e.cache.WithPrefix("left:")
		e.must("WithPrefix", err)
		right, err := e.cache.WithPrefix("right:")
		e.must("WithPrefix", err)
		e.must("Set", left.Set(e.ctx, "k", []byte("l"), 0))
		if _, err := right.Get(e.ctx, "k"); err != core.ErrMiss {
			e.errorf("Get through another prefix: error is %v, want %v", err, core.ErrMiss)
		}
		e.must("Add through another prefix", right.Add(e.ctx, "k", []byte("r"), 0))
		e.holds("left:k", "l")
		e.holds("right:k", "r")
		got, err := left.GetMulti(e.ctx, []string{"k"})
		e.must("GetMulti", err)
		e.sameValues("GetMulti through a prefix", got, map[string]string{"k": "l"})
		if _, ok := e.backend.(core.KeyLister); !ok {
			e.want("Flush through a prefix, of a backend that cannot list keys", left.Flush(e.ctx), errUnsupported)
			e.holds("left:k", "l")
			return
		}
		e.must("Flush", left.Flush(e.ctx))
		e.lacks("left:k")
		e.holds("right:k", "r")
	}},
}

// canFlush tells whether the case's Cache can be flushed: without a prefix it
// must be.
func (e *env) canFlush() bool {
	if _, ok := e.backend.(core.KeyLister); !ok && e.prefix != "" {
		e.decline("Flush through a prefix: core.KeyLister")
		return false
	}
	return true
}
