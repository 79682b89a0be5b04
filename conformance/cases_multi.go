package conformance

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cachewire/cachewire/core"
)

var errUnsupported = errors.ErrUnsupported

// longTTL is longer than any case takes.
const longTTL = time.Hour

func numbered(prefix string, i int) string { return fmt.Sprintf("%s%d", prefix, i) }

func keysOf(values map[string]string) []string { return slices.Sorted(maps.Keys(values)) }

var multiCases = []testCase{
	{"getmulti-all", "GetMulti answers every key that is present, with its own value.", func(e *env) {
		want := map[string]string{"a": "1", "b": "", "c": "3", "d": "44"}
		for key, value := range want {
			e.set(key, value)
		}
		got, err := e.cache.GetMulti(e.ctx, keysOf(want))
		e.want("GetMulti", err, nil)
		e.sameValues("GetMulti", got, want)
	}},
	{"getmulti-some", "GetMulti leaves absent keys out of the map, and a miss is no error.", func(e *env) {
		e.set("a", "1")
		e.set("c", "3")
		got, err := e.cache.GetMulti(e.ctx, []string{"a", "b", "c", "d"})
		e.want("GetMulti", err, nil)
		e.sameValues("GetMulti", got, map[string]string{"a": "1", "c": "3"})
		got, err = e.cache.GetMulti(e.ctx, []string{"b", "d"})
		e.want("GetMulti of absent keys", err, nil)
		e.sameValues("GetMulti of absent keys", got, nil)
	}},
	{"getmulti-twice", "A key given twice to GetMulti or DeleteMulti counts once.", func(e *env) {
		e.set("a", "1")
		got, err := e.cache.GetMulti(e.ctx, []string{"a", "b", "a", "b", "a"})
		e.want("GetMulti", err, nil)
		e.sameValues("GetMulti", got, map[string]string{"a": "1"})
		e.want("DeleteMulti", e.cache.DeleteMulti(e.ctx, []string{"a", "a"}), nil)
		e.lacks("a")
	}},
	{"getmulti-tokens", "GetMulti answers each item with a token, which is good for a compare verb until the item changes.", func(e *env) {
		keys := []string{"swap", "delete", "changed", "other"}
		for _, key := range keys {
			e.set(key, "old")
		}
		items, err := e.cache.GetItems(e.ctx, keys)
		e.want("GetItems", err, nil)
		e.set("changed", "new")
		e.want("CompareAndSwap", e.cache.CompareAndSwap(e.ctx, swap(items["swap"], "new")), nil)
		e.holds("swap", "new")
		e.failsFor("StoreMulti with CompareAndDelete",
			e.cache.StoreMulti(e.ctx, core.CompareAndDelete, []core.Item{items["delete"], items["changed"]}),
			map[string]error{"changed": core.ErrConflict})
		e.lacks("delete")
		e.holds("changed", "new")
		e.holds("other", "old")
	}},
	{"getmulti-flags", "GetMulti of a core.Typed sees the flags of each item.", func(e *env) {
		if e.cache.Traits().NoFlags {
			e.decline("Item.Flags, by Traits.NoFlags")
			return
		}
		items := []core.Item{
			{Key: "a", Value: []byte("1"), Flags: core.FlagText},
			{Key: "b", Value: []byte("2"), Flags: 1 << 31},
			{Key: "c", Value: []byte("3")},
		}
		e.must("StoreMulti", e.cache.StoreMulti(e.ctx, core.Set, items))
		typed, err := core.NewTyped(e.cache, flagsCodec{})
		e.must("NewTyped", err)
		got, err := typed.GetMulti(e.ctx, []string{"a", "b", "c"})
		e.must("GetMulti", err)
		for _, item := range items {
			if got[item.Key] != item.Flags {
				e.errorf("flags of %s: %#x, want %#x", show(item.Key), got[item.Key], item.Flags)
			}
		}
	}},
	{"setmulti", "SetMulti stores every value, over what was there or not.", func(e *env) {
		e.set("a", "old")
		want := map[string]string{"a": "1", "b": "2", "c": ""}
		e.want("SetMulti", e.cache.SetMulti(e.ctx, bytesOf(want), 0), nil)
		for key, value := range want {
			e.holds(key, value)
		}
	}},
	{"addmulti", "AddMulti stores what is absent; each key that is present is ErrExists and untouched.", func(e *env) {
		e.set("a", "old")
		e.set("c", "old")
		err := e.cache.AddMulti(e.ctx, bytesOf(map[string]string{"a": "new", "b": "new", "c": "new", "d": "new"}), 0)
		e.failsFor("AddMulti", err, map[string]error{"a": core.ErrExists, "c": core.ErrExists})
		for key, value := range map[string]string{"a": "old", "b": "new", "c": "old", "d": "new"} {
			e.holds(key, value)
		}
	}},
	{"replacemulti", "ReplaceMulti replaces what is present; each key that is absent is ErrMiss and stays so.", func(e *env) {
		e.set("a", "old")
		e.set("c", "old")
		err := e.cache.ReplaceMulti(e.ctx, bytesOf(map[string]string{"a": "new", "b": "new", "c": "new", "d": "new"}), 0)
		e.failsFor("ReplaceMulti", err, map[string]error{"b": core.ErrMiss, "d": core.ErrMiss})
		e.holds("a", "new")
		e.holds("c", "new")
		e.lacks("b")
		e.lacks("d")
	}},
	{"storemulti-cas", "StoreMulti with CompareAndSwap decides each item by its own token.", func(e *env) {
		for _, key := range []string{"same", "changed", "gone"} {
			e.set(key, "old")
		}
		items := []core.Item{e.item("same"), e.item("changed"), e.item("gone")}
		e.set("changed", "other")
		e.must("Delete", e.cache.Delete(e.ctx, "gone"))
		for i := range items {
			items[i].Value = []byte("new")
		}
		err := e.cache.StoreMulti(e.ctx, core.CompareAndSwap, items)
		e.failsFor("StoreMulti", err, map[string]error{"changed": core.ErrConflict, "gone": core.ErrMiss})
		e.holds("same", "new")
		e.holds("changed", "other")
		e.lacks("gone")
	}},
	{"deletemulti", "DeleteMulti deletes what is there, and absent keys are no error.", func(e *env) {
		e.set("a", "1")
		e.set("b", "2")
		e.set("kept", "3")
		e.want("DeleteMulti", e.cache.DeleteMulti(e.ctx, []string{"a", "absent", "b"}), nil)
		e.lacks("a")
		e.lacks("b")
		e.holds("kept", "3")
		e.want("DeleteMulti of absent keys", e.cache.DeleteMulti(e.ctx, []string{"a", "absent"}), nil)
		for n := 2; n < 40; n++ {
			var keys []string
			for i := range n {
				keys = append(keys, numbered("k", i))
				e.set(keys[i], "v")
			}
			e.want("DeleteMulti", e.cache.DeleteMulti(e.ctx, keys), nil)
			got, err := e.cache.GetMulti(e.ctx, keys)
			e.want("GetMulti", err, nil)
			e.sameValues("GetMulti after DeleteMulti", got, nil)
		}
	}},
	{"multi-large", "A multi verb takes and answers values that are large together.", func(e *env) {
		size := e.size(64 << 10)
		want := map[string]string{}
		for i := range 100 {
			want[numbered("k", i)] = strings.Repeat(string(rune('a'+i%26)), size)
		}
		e.want("SetMulti", e.cache.SetMulti(e.ctx, bytesOf(want), longTTL), nil)
		got, err := e.cache.GetMulti(e.ctx, keysOf(want))
		e.want("GetMulti", err, nil)
		e.sameValues("GetMulti", got, want)
	}},
	{"storemulti-cad", "StoreMulti with CompareAndDelete deletes by token.", func(e *env) {
		e.set("same", "v")
		e.set("changed", "v")
		items := []core.Item{e.item("same"), e.item("changed")}
		e.set("changed", "v")
		e.failsFor("StoreMulti", e.cache.StoreMulti(e.ctx, core.CompareAndDelete, items), map[string]error{"changed": core.ErrConflict})
		e.lacks("same")
		e.holds("changed", "v")
	}},
	{"multi-none", "A multi verb with no keys does nothing, without error.", func(e *env) {
		e.set("k", "v")
		got, err := e.cache.GetMulti(e.ctx, nil)
		e.want("GetMulti", err, nil)
		e.sameValues("GetMulti", got, nil)
		e.want("SetMulti", e.cache.SetMulti(e.ctx, nil, 0), nil)
		e.want("AddMulti", e.cache.AddMulti(e.ctx, nil, 0), nil)
		e.want("ReplaceMulti", e.cache.ReplaceMulti(e.ctx, nil, 0), nil)
		e.want("StoreMulti", e.cache.StoreMulti(e.ctx, core.CompareAndSwap, nil), nil)
		e.want("DeleteMulti", e.cache.DeleteMulti(e.ctx, nil), nil)
		e.holds("k", "v")
	}},
	{"multi-many", "Ten thousand keys can be stored, read and deleted in one call, and none is lost or mixed up.", func(e *env) {
		const n = 10000
		want := make(map[string]string, n)
		for i := range n {
			want[numbered("key-", i)] = numbered("value-", i*7)
		}
		keys := keysOf(want)
		e.want("SetMulti", e.cache.SetMulti(e.ctx, bytesOf(want), longTTL), nil)
		got, err := e.cache.GetMulti(e.ctx, keys)
		e.want("GetMulti", err, nil)
		e.sameValues("GetMulti", got, want)
		e.want("DeleteMulti", e.cache.DeleteMulti(e.ctx, keys[:n-1]), nil)
		got, err = e.cache.GetMulti(e.ctx, keys)
		e.want("GetMulti", err, nil)
		e.sameValues("GetMulti after DeleteMulti of all but one", got, map[string]string{keys[n-1]: want[keys[n-1]]})
	}},
	{"multi-illegal", "An illegal key in a multi verb is ErrInvalidKey, and the others are done.", func(e *env) {
		long := string(make([]byte, core.MaxKeyLen+1))
		illegal := map[string]error{"": core.ErrInvalidKey, long: core.ErrInvalidKey}
		e.failsFor("SetMulti", e.cache.SetMulti(e.ctx, bytesOf(map[string]string{"k": "v", "": "v", long: "v"}), 0), illegal)
		got, err := e.cache.GetMulti(e.ctx, []string{"", "k", long})
		e.failsFor("GetMulti", err, illegal)
		e.sameValues("GetMulti", got, map[string]string{"k": "v"})
		e.failsFor("DeleteMulti", e.cache.DeleteMulti(e.ctx, []string{long, "k", ""}), illegal)
		e.lacks("k")
	}},
}

// A flagsCodec decodes an item to its flags.
type flagsCodec struct{}

func (flagsCodec) Append(dst []byte, flags uint32) ([]byte, uint32, error) { return dst, flags, nil }

func (flagsCodec) Decode(_ []byte, flags uint32) (uint32, error) { return flags, nil }
