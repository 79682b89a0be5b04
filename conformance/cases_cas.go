package conformance

import (
	"time"

	"github.com/cachewire/cachewire/core"
)

// swap answers item as CompareAndSwap takes it to store value for ever.
func swap(item core.Item, value string) core.Item {
	item.Value = []byte(value)
	return item
}

var casCases = []testCase{
	{"cas-same", "CompareAndSwap replaces an item that did not change since its token was read, flags included.", func(e *env) {
		e.set("k", "old")
		item := swap(e.item("k"), "new")
		item.Flags = core.FlagText
		e.must("CompareAndSwap", e.cache.CompareAndSwap(e.ctx, item))
		e.holds("k", "new")
		if got := e.item("k").Flags; got != core.FlagText && !e.cache.Traits().NoFlags {
			e.errorf("flags after CompareAndSwap: %#x, want %#x", got, core.FlagText)
		}
	}},
	{"cas-changed", "CompareAndSwap of an item that changed is ErrConflict, and what is there stays.", func(e *env) {
		e.set("k", "old")
		item := e.item("k")
		e.set("k", "other")
		e.want("CompareAndSwap", e.cache.CompareAndSwap(e.ctx, swap(item, "new")), core.ErrConflict)
		e.holds("k", "other")
	}},
	{"cas-same-bytes", "Every store changes the token, even where it stores the same bytes.", func(e *env) {
		for _, value := range []string{"same", ""} {
			e.set("k", value)
			item := e.item("k")
			e.set("k", value)
			e.want("CompareAndSwap after Set", e.cache.CompareAndSwap(e.ctx, swap(item, "new")), core.ErrConflict)
			item = e.item("k")
			e.must("Replace", e.cache.Replace(e.ctx, "k", []byte(value), 0))
			e.want("CompareAndSwap after Replace", e.cache.CompareAndSwap(e.ctx, swap(item, "new")), core.ErrConflict)
			item = e.item("k")
			e.must("SetMulti", e.cache.SetMulti(e.ctx, bytesOf(map[string]string{"k": value}), 0))
			e.want("CompareAndSwap after SetMulti", e.cache.CompareAndSwap(e.ctx, swap(item, "new")), core.ErrConflict)
			item = e.item("k")
			e.must("CompareAndSwap", e.cache.CompareAndSwap(e.ctx, swap(item, value)))
			e.want("CompareAndSwap after CompareAndSwap", e.cache.CompareAndSwap(e.ctx, swap(item, "new")), core.ErrConflict)
			e.holds("k", value)
		}
	}},
	{"cas-gone", "CompareAndSwap of an absent key is ErrMiss, and nothing is stored.", func(e *env) {
		e.set("k", "old")
		item := e.item("k")
		e.must("Delete", e.cache.Delete(e.ctx, "k"))
		e.want("CompareAndSwap", e.cache.CompareAndSwap(e.ctx, swap(item, "new")), core.ErrMiss)
		e.lacks("k")
	}},
	{"cas-again-there", "An item that was deleted and stored again has another token.", func(e *env) {
		e.set("k", "same")
		item := e.item("k")
		e.must("Delete", e.cache.Delete(e.ctx, "k"))
		e.must("Add", e.cache.Add(e.ctx, "k", []byte("same"), 0))
		e.want("CompareAndSwap", e.cache.CompareAndSwap(e.ctx, swap(item, "new")), core.ErrConflict)
		e.holds("k", "same")

		e.must("Set", e.cache.Set(e.ctx, "short", []byte("same"), 100*time.Millisecond))
		if item, err := e.cache.GetItem(e.ctx, "short"); err == nil { // on a slow machine its time may be over
			time.Sleep(100*time.Millisecond + e.resolution())
			e.must("Add", e.cache.Add(e.ctx, "short", []byte("same"), 0))
			e.want("CompareAndSwap after the item's end", e.cache.CompareAndSwap(e.ctx, swap(item, "new")), core.ErrConflict)
		}

		if e.prefix != "" {
			return
		}
		item = e.item("k")
		e.must("Flush", e.cache.Flush(e.ctx))
		e.set("k", "same")
		e.want("CompareAndSwap after Flush", e.cache.CompareAndSwap(e.ctx, swap(item, "new")), core.ErrConflict)
		e.holds("k", "same")
	}},
	{"cas-twice", "A token is good for one CompareAndSwap.", func(e *env) {
		e.set("k", "old")
		item := e.item("k")
		e.must("CompareAndSwap", e.cache.CompareAndSwap(e.ctx, swap(item, "first")))
		e.want("second CompareAndSwap", e.cache.CompareAndSwap(e.ctx, swap(item, "second")), core.ErrConflict)
		e.holds("k", "first")
	}},
	{"cas-read", "Reading an item does not change its token.", func(e *env) {
		e.set("k", "old")
		item := e.item("k")
		e.holds("k", "old")
		e.item("k")
		_, err := e.cache.GetMulti(e.ctx, []string{"k"})
		e.must("GetMulti", err)
		e.must("CompareAndSwap", e.cache.CompareAndSwap(e.ctx, swap(item, "new")))
		e.holds("k", "new")
	}},
	{"cas-refused", "A store that was refused does not change the token.", func(e *env) {
		e.set("k", "old")
		item := e.item("k")
		e.want("Add", e.cache.Add(e.ctx, "k", []byte("added"), 0), core.ErrExists)
		_, err := e.cache.Incr(e.ctx, "k", 1)
		e.want("Incr", err, core.ErrNotNumber)
		e.must("CompareAndSwap", e.cache.CompareAndSwap(e.ctx, swap(item, "new")))
		e.holds("k", "new")
	}},
	{"cas-counter", "Incr and Decr change the token, and a counter can be swapped.", func(e *env) {
		e.set("n", "0")
		_, err := e.cache.Decr(e.ctx, "n", 1)
		e.must("Decr", err)
		floor := e.item("n")
		_, err = e.cache.Decr(e.ctx, "n", 1)
		e.must("Decr of 0", err)
		e.want("CompareAndSwap after Decr of 0", e.cache.CompareAndSwap(e.ctx, swap(floor, "5")), core.ErrConflict)
		for what, move := range map[string]func() (uint64, error){
			"Incr":      func() (uint64, error) { return e.cache.Incr(e.ctx, "n", 1) },
			"Decr":      func() (uint64, error) { return e.cache.Decr(e.ctx, "n", 1) },
			"Incr by 0": func() (uint64, error) { return e.cache.Incr(e.ctx, "n", 0) },
		} {
			e.set("n", "10")
			_, err := e.cache.Incr(e.ctx, "n", 1) // a counter by now, however it is kept
			e.must("Incr", err)
			item := e.item("n")
			_, err = move()
			e.must(what, err)
			e.want("CompareAndSwap after "+what, e.cache.CompareAndSwap(e.ctx, swap(item, "5")), core.ErrConflict)
			e.must("CompareAndSwap of a counter", e.cache.CompareAndSwap(e.ctx, swap(e.item("n"), "5")))
			e.counts("n", 5)
		}
	}},
	{"cas-nil", "A nil token is ErrConflict for both compare verbs, present key or not.", func(e *env) {
		e.set("k", "old")
		for _, key := range []string{"k", "absent"} {
			e.want("CompareAndSwap", e.cache.CompareAndSwap(e.ctx, core.Item{Key: key, Value: []byte("new")}), core.ErrConflict)
			e.want("CompareAndDelete", e.cache.CompareAndDelete(e.ctx, core.Item{Key: key}), core.ErrConflict)
		}
		e.holds("k", "old")
		e.lacks("absent")
	}},
	{"cas-foreign", "A token that the backend did not make is ErrConflict for both compare verbs, of whatever type it is.", func(e *env) {
		e.set("k", "old")
		var number uint64
		for _, token := range []any{struct{}{}, &struct{ x int }{}, 0, uint64(0), &number, "token", []byte{1}, map[string]int{}, func() {}} {
			item := core.Item{Key: "k", Value: []byte("new"), Token: token}
			e.want("CompareAndSwap", e.cache.CompareAndSwap(e.ctx, item), core.ErrConflict)
			e.want("CompareAndDelete", e.cache.CompareAndDelete(e.ctx, item), core.ErrConflict)
		}
		e.holds("k", "old")
	}},
	{"cad-same", "CompareAndDelete deletes an item that did not change, and an Add right behind it stores.", func(e *env) {
		e.set("k", "old")
		e.must("CompareAndDelete", e.cache.CompareAndDelete(e.ctx, e.item("k")))
		e.must("Add", e.cache.Add(e.ctx, "k", []byte("new"), 0))
		e.holds("k", "new")
		e.must("CompareAndDelete", e.cache.CompareAndDelete(e.ctx, e.item("k")))
		e.lacks("k")
	}},
	{"cad-changed", "CompareAndDelete of an item that changed is ErrConflict, and what is there stays.", func(e *env) {
		e.set("k", "old")
		item := e.item("k")
		e.set("k", "old")
		e.want("CompareAndDelete", e.cache.CompareAndDelete(e.ctx, item), core.ErrConflict)
		e.holds("k", "old")
	}},
	{"cad-gone", "CompareAndDelete of an absent key is ErrMiss, for the token of an item that was deleted, too.", func(e *env) {
		e.set("k", "old")
		item := e.item("k")
		e.must("CompareAndDelete", e.cache.CompareAndDelete(e.ctx, item))
		e.want("second CompareAndDelete", e.cache.CompareAndDelete(e.ctx, item), core.ErrMiss)
		e.lacks("k")
	}},
}
