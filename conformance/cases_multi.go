package conformance

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/cachewire/cachewire/core"
)

var errUnsupported = errors.ErrUnsupported

// longTTL is a time to live that is longer than any case takes.
const longTTL = time.Hour

func numbered(prefix string, i int) string { return fmt.Sprintf("%s%d", prefix, i) }

func keysOf(values map[string]string) []string { return slices.Sorted(maps.Keys(values)) }

var multiCases = []testCase{
	{
		id:   "getmulti-all",
		rule: "GetMulti returns every key that is present, with its own value.",
		run: func(e *env) {
			want := map[string]string{"a": "1", "b": "", "c": "3", "d": "44"}
			for key, value := range want {
				e.set(key, value)
			}
			got, err := e.cache.GetMulti(e.ctx, keysOf(want))
			e.want("GetMulti", err, nil)
			e.wantValues("GetMulti", got, want)
		},
	},
	{
		id:   "getmulti-some",
		rule: "GetMulti leaves absent keys out of the map, and a miss is not an error.",
		run: func(e *env) {
			e.set("a", "1")
			e.set("c", "3")
			got, err := e.cache.GetMulti(e.ctx, []string{"a", "b", "c", "d"})
			e.want("GetMulti", err, nil)
			e.wantValues("GetMulti", got, map[string]string{"a": "1", "c": "3"})
			got, err = e.cache.GetMulti(e.ctx, []string{"b", "d"})
			e.want("GetMulti of absent keys", err, nil)
			e.wantValues("GetMulti of absent keys", got, nil)
		},
	},
	{
		id:   "getmulti-twice",
		rule: "GetMulti and DeleteMulti accept a key that is given twice, and treat it as one.",
		run: func(e *env) {
			e.set("a", "1")
			got, err := e.cache.GetMulti(e.ctx, []string{"a", "b", "a", "b", "a"})
			e.want("GetMulti", err, nil)
			e.wantValues("GetMulti", got, map[string]string{"a": "1"})
			e.want("DeleteMulti", e.cache.DeleteMulti(e.ctx, []string{"a", "a"}), nil)
			e.wantMiss("a")
		},
	},
	{
		id: "getmulti-tokens",
		rule: "GetItems returns each item with a token, which the compare verbs accept until " +
			"the item changes.",
		run: func(e *env) {
			keys := []string{"swap", "delete", "changed", "other"}
			for _, key := range keys {
				e.set(key, "old")
			}
			items, err := e.cache.GetItems(e.ctx, keys)
			e.want("GetItems", err, nil)
			e.set("changed", "new")
			e.want("CompareAndSwap",
				e.cache.CompareAndSwap(e.ctx, withValue(items["swap"], "new")), nil)
			e.wantValue("swap", "new")
			e.wantFailures("StoreMulti with CompareAndDelete",
				e.cache.StoreMulti(e.ctx, core.CompareAndDelete,
					[]core.Item{items["delete"], items["changed"]}),
				map[string]error{"changed": core.ErrConflict})
			e.wantMiss("delete")
			e.wantValue("changed", "new")
			e.wantValue("other", "old")
		},
	},
	{
		id:   "getmulti-flags",
		rule: "GetMulti of a core.Typed passes the flags of each item to the codec.",
		run: func(e *env) {
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
				if want := e.readFlags(item.Flags); got[item.Key] != want {
					e.errorf("flags of %s: %#x, want %#x", quote(item.Key), got[item.Key], want)
				}
			}
		},
	},
	{
		id:   "setmulti",
		rule: "SetMulti stores every value, whether or not its key is present.",
		run: func(e *env) {
			e.set("a", "old")
			want := map[string]string{"a": "1", "b": "2", "c": ""}
			e.want("SetMulti", e.cache.SetMulti(e.ctx, bytesOf(want), 0), nil)
			for key, value := range want {
				e.wantValue(key, value)
			}
		},
	},
	{
		id: "addmulti",
		rule: "AddMulti stores the values whose keys are absent. For each other key it returns " +
			"ErrExists, and the item stays as it is.",
		run: func(e *env) {
			e.set("a", "old")
			e.set("c", "old")
			values := map[string]string{"a": "new", "b": "new", "c": "new", "d": "new"}
			e.wantFailures("AddMulti", e.cache.AddMulti(e.ctx, bytesOf(values), 0),
				map[string]error{"a": core.ErrExists, "c": core.ErrExists})
			e.wantValue("a", "old")
			e.wantValue("b", "new")
			e.wantValue("c", "old")
			e.wantValue("d", "new")
		},
	},
	{
		id: "replacemulti",
		rule: "ReplaceMulti replaces the items that are present. For each other key it returns " +
			"ErrMiss, and stores nothing.",
		run: func(e *env) {
			e.set("a", "old")
			e.set("c", "old")
			values := map[string]string{"a": "new", "b": "new", "c": "new", "d": "new"}
			e.wantFailures("ReplaceMulti", e.cache.ReplaceMulti(e.ctx, bytesOf(values), 0),
				map[string]error{"b": core.ErrMiss, "d": core.ErrMiss})
			e.wantValue("a", "new")
			e.wantValue("c", "new")
			e.wantMiss("b")
			e.wantMiss("d")
		},
	},
	{
		id:   "storemulti-cas",
		rule: "StoreMulti with CompareAndSwap checks the token of each item separately.",
		run: func(e *env) {
			for _, key := range []string{"same", "changed", "deleted"} {
				e.set(key, "old")
			}
			items := []core.Item{e.item("same"), e.item("changed"), e.item("deleted")}
			e.set("changed", "other")
			e.must("Delete", e.cache.Delete(e.ctx, "deleted"))
			for i := range items {
				items[i].Value = []byte("new")
			}
			err := e.cache.StoreMulti(e.ctx, core.CompareAndSwap, items)
			e.wantFailures("StoreMulti", err,
				map[string]error{"changed": core.ErrConflict, "deleted": core.ErrMiss})
			e.wantValue("same", "new")
			e.wantValue("changed", "other")
			e.wantMiss("deleted")
		},
	},
	{
		id:   "deletemulti",
		rule: "DeleteMulti deletes the items that are present. An absent key is not an error.",
		run: func(e *env) {
			e.set("a", "1")
			e.set("b", "2")
			e.set("kept", "3")
			e.want("DeleteMulti", e.cache.DeleteMulti(e.ctx, []string{"a", "absent", "b"}), nil)
			e.wantMiss("a")
			e.wantMiss("b")
			e.wantValue("kept", "3")
			e.want("DeleteMulti of absent keys",
				e.cache.DeleteMulti(e.ctx, []string{"a", "absent"}), nil)
			for n := 2; n < 40; n++ {
				var keys []string
				for i := range n {
					keys = append(keys, numbered("k", i))
					e.set(keys[i], "v")
				}
				e.want("DeleteMulti", e.cache.DeleteMulti(e.ctx, keys), nil)
				got, err := e.cache.GetMulti(e.ctx, keys)
				e.want("GetMulti", err, nil)
				e.wantValues("GetMulti after DeleteMulti", got, nil)
			}
		},
	},
	{
		id:   "storemulti-cad",
		rule: "StoreMulti with CompareAndDelete deletes only the items that have not changed.",
		run: func(e *env) {
			e.set("same", "v")
			e.set("changed", "v")
			items := []core.Item{e.item("same"), e.item("changed")}
			again := e.changedBack("v")
			e.set("changed", again)
			e.wantFailures("StoreMulti",
				e.cache.StoreMulti(e.ctx, core.CompareAndDelete, items),
				map[string]error{"changed": core.ErrConflict})
			e.wantMiss("same")
			e.wantValue("changed", again)
		},
	},
	{
		id:   "multi-none",
		rule: "A multi verb without keys does nothing and returns no error.",
		run: func(e *env) {
			e.set("k", "v")
			got, err := e.cache.GetMulti(e.ctx, nil)
			e.want("GetMulti", err, nil)
			e.wantValues("GetMulti", got, nil)
			e.want("SetMulti", e.cache.SetMulti(e.ctx, nil, 0), nil)
			e.want("AddMulti", e.cache.AddMulti(e.ctx, nil, 0), nil)
			e.want("ReplaceMulti", e.cache.ReplaceMulti(e.ctx, nil, 0), nil)
			e.want("StoreMulti", e.cache.StoreMulti(e.ctx, core.CompareAndSwap, nil), nil)
			e.want("DeleteMulti", e.cache.DeleteMulti(e.ctx, nil), nil)
			e.wantValue("k", "v")
		},
	},
	{
		id:   "multi-illegal",
		rule: "A multi verb returns ErrInvalidKey for an invalid key, and handles the others.",
		run: func(e *env) {
			long := string(make([]byte, core.MaxKeyLen+1))
			invalid := map[string]error{"": core.ErrInvalidKey, long: core.ErrInvalidKey}
			values := bytesOf(map[string]string{"k": "v", "": "v", long: "v"})
			e.wantFailures("SetMulti", e.cache.SetMulti(e.ctx, values, 0), invalid)
			got, err := e.cache.GetMulti(e.ctx, []string{"", "k", long})
			e.wantFailures("GetMulti", err, invalid)
			e.wantValues("GetMulti", got, map[string]string{"k": "v"})
			e.wantFailures("DeleteMulti",
				e.cache.DeleteMulti(e.ctx, []string{long, "k", ""}), invalid)
			e.wantMiss("k")
		},
	},
}

// A flagsCodec decodes an item to its flags.
type flagsCodec struct{}

func (flagsCodec) Append(dst []byte, flags uint32) ([]byte, uint32, error) {
	return dst, flags, nil
}

func (flagsCodec) Decode(_ []byte, flags uint32) (uint32, error) { return flags, nil }
