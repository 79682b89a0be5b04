package core_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/cachewire/cachewire/core"
)

// toStrings converts values to strings.
func toStrings(values map[string][]byte) map[string]string {
	got := make(map[string]string, len(values))
	for key, value := range values {
		got[key] = string(value)
	}
	return got
}

func TestGetMultiLeavesOutAbsentKeys(t *testing.T) {
	eachBackend(t, func(t *testing.T, b core.Backend, _ *backend) {
		c := open(t, b, nil)
		put(t, c, "a", "1")
		put(t, c, "empty", "")
		got, err := c.GetMulti(t.Context(), []string{"a", "absent", "empty"})
		wantErr(t, err, nil)
		if want := map[string]string{"a": "1", "empty": ""}; !maps.Equal(toStrings(got), want) {
			t.Errorf("GetMulti = %q, want %q", got, want)
		}
	})
}

func TestGetMultiReadsADuplicateKeyOnce(t *testing.T) {
	for _, distinct := range []int{1, 3, 16, 17, 1000} {
		t.Run(fmt.Sprint(distinct), func(t *testing.T) {
			eachBackend(t, func(t *testing.T, b core.Backend, base *backend) {
				c := open(t, b, nil)
				values := map[string][]byte{}
				var keys []string
				for i := range distinct {
					key := fmt.Sprint("k", i)
					values[key] = []byte(key)
					keys = append(keys, key, key)
				}
				keys = append(keys, keys...)
				given := slices.Clone(keys)
				wantErr(t, c.SetMulti(t.Context(), values, 0), nil)
				base.takeCalls()
				got, err := c.GetMulti(t.Context(), keys)
				wantErr(t, err, nil)
				if !reflect.DeepEqual(got, values) {
					t.Errorf("GetMulti returned %d values, want %d", len(got), distinct)
				}
				if read := calledKeys(base); !slices.Equal(read, slices.Sorted(maps.Keys(values))) {
					t.Errorf("the backend was called with the keys %.500q", read)
				}
				if !slices.Equal(keys, given) {
					t.Error("GetMulti changed the caller's slice")
				}
			})
		})
	}
}

// calledKeys returns the keys with which b was called since the last takeCalls, sorted.
func calledKeys(b *backend) []string {
	var keys []string
	for _, call := range b.takeCalls() {
		keys = append(keys, call.keys...)
	}
	slices.Sort(keys)
	return keys
}

func TestDeleteMultiDeletesADuplicateKeyOnceAndIgnoresAbsentKeys(t *testing.T) {
	eachBackend(t, func(t *testing.T, b core.Backend, base *backend) {
		c := open(t, b, nil)
		put(t, c, "a", "1")
		put(t, c, "b", "2")
		put(t, c, "stays", "3")
		base.takeCalls()
		wantErr(t, c.DeleteMulti(t.Context(), []string{"a", "absent", "b", "a"}), nil)
		deleted := calledKeys(base)
		if want := []string{"a", "absent", "b"}; !slices.Equal(deleted, want) {
			t.Errorf("the backend was called with the keys %q, want %q", deleted, want)
		}
		if got := base.keys(); !slices.Equal(got, []string{"stays"}) {
			t.Errorf("DeleteMulti left the keys %q, want stays", got)
		}
	})
}

// abcNew has the value new for the keys a, b and c.
var abcNew = map[string][]byte{"a": []byte("new"), "b": []byte("new"), "c": []byte("new")}

func TestAddMultiReportsEachPresentKey(t *testing.T) {
	eachBackend(t, func(t *testing.T, b core.Backend, _ *backend) {
		c := open(t, b, nil)
		put(t, c, "a", "old")
		put(t, c, "b", "old")
		err := c.AddMulti(t.Context(), abcNew, 0)
		wantFailed(t, err, map[string]error{"a": core.ErrExists, "b": core.ErrExists})
		wantValue(t, c, "a", "old")
		wantValue(t, c, "b", "old")
		wantValue(t, c, "c", "new")
	})
}

func TestReplaceMultiReportsEachAbsentKey(t *testing.T) {
	eachBackend(t, func(t *testing.T, b core.Backend, base *backend) {
		c := open(t, b, nil)
		put(t, c, "a", "old")
		err := c.ReplaceMulti(t.Context(), abcNew, 0)
		wantFailed(t, err, map[string]error{"b": core.ErrMiss, "c": core.ErrMiss})
		wantValue(t, c, "a", "new")
		if got := base.keys(); !slices.Equal(got, []string{"a"}) {
			t.Errorf("the backend has the keys %q, want a", got)
		}
	})
}

func TestStoreMultiRefusesADuplicateKeyAndStoresTheOthers(t *testing.T) {
	eachBackend(t, func(t *testing.T, b core.Backend, base *backend) {
		c := open(t, b, nil)
		err := c.StoreMulti(t.Context(), core.Set, []core.Item{
			{Key: "twice", Value: []byte("1")},
			{Key: "once", Value: []byte("2")},
			{Key: "twice", Value: []byte("3")},
		})
		wantFailed(t, err, map[string]error{"twice": core.ErrInvalidKey})
		if got := base.keys(); !slices.Equal(got, []string{"once"}) {
			t.Errorf("the backend has the keys %q, want once", got)
		}
	})
}

func TestStoreMultiKeepsTheFlagsOfEachItem(t *testing.T) {
	eachBackend(t, func(t *testing.T, b core.Backend, _ *backend) {
		c := open(t, b, nil)
		items := []core.Item{{Key: "a", Flags: core.FlagText}, {Key: "b", Flags: 1 << 31}}
		given := slices.Clone(items)
		wantErr(t, c.StoreMulti(t.Context(), core.Set, items), nil)
		for _, want := range given {
			if got, err := c.GetItem(t.Context(), want.Key); err != nil || got.Flags != want.Flags {
				t.Errorf("flags of %s are %d, %v; want %d", want.Key, got.Flags, err, want.Flags)
			}
		}
		if !reflect.DeepEqual(items, given) {
			t.Error("StoreMulti changed the caller's items")
		}
	})
}

func TestStoreMultiComparesTheTokenOfEachItem(t *testing.T) {
	eachBackend(t, func(t *testing.T, b core.Backend, _ *backend) {
		c := open(t, b, nil)
		var items []core.Item
		for _, key := range []string{"unchanged", "changed", "deleted", "no token"} {
			put(t, c, key, "old")
			item, err := c.GetItem(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			item.Value = []byte("new")
			items = append(items, item)
		}
		put(t, c, "changed", "other")
		wantErr(t, c.Delete(t.Context(), "deleted"), nil)
		items[3].Token = nil
		err := c.StoreMulti(t.Context(), core.CompareAndSwap, items)
		wantFailed(t, err, map[string]error{
			"changed":  core.ErrConflict,
			"deleted":  core.ErrMiss,
			"no token": core.ErrConflict,
		})
		wantValue(t, c, "unchanged", "new")
		wantValue(t, c, "changed", "other")
		wantValue(t, c, "no token", "old")
	})
}

func TestMultiVerbsServeTheOtherKeysIfSomeFail(t *testing.T) {
	b := newBackend()
	b.before = func(_ context.Context, _, key string) error {
		if strings.HasPrefix(key, "bad") {
			return io.ErrClosedPipe
		}
		return nil
	}
	c := open(t, b, nil)
	want := map[string]error{"bad1": io.ErrClosedPipe, "bad2": io.ErrClosedPipe}
	keys := []string{"bad1", "a", "bad2", "b", "absent"}

	values := map[string][]byte{}
	for _, key := range keys[:4] {
		values[key] = []byte("v")
	}
	wantFailed(t, c.SetMulti(t.Context(), values, 0), want)
	got, err := c.GetMulti(t.Context(), keys)
	wantFailed(t, err, want)
	if want := map[string]string{"a": "v", "b": "v"}; !maps.Equal(toStrings(got), want) {
		t.Errorf("GetMulti = %q, want %q", got, want)
	}
	wantFailed(t, c.DeleteMulti(t.Context(), keys), want)
	if left := b.keys(); len(left) != 0 {
		t.Errorf("DeleteMulti left the keys %q, want none", left)
	}
}

// A caller that appends to a value must not write to the memory of the backend.
func TestCapacityOfAValueIsItsLength(t *testing.T) {
	eachBackend(t, func(t *testing.T, b core.Backend, _ *backend) {
		c := open(t, b, nil)
		put(t, c, "k", "value")
		value, _ := c.Get(t.Context(), "k")
		item, _ := c.GetItem(t.Context(), "k")
		values, _ := c.GetMulti(t.Context(), []string{"k"})
		for _, got := range [][]byte{value, item.Value, values["k"]} {
			if len(got) != 5 || cap(got) != 5 {
				t.Errorf("value has length %d and capacity %d, want 5 and 5",
					len(got), cap(got))
			}
		}
	})
}

func TestMultiVerbsWithADoneContextFailEachKeyWithItsError(t *testing.T) {
	done, cancel := context.WithCancelCause(context.Background())
	cancel(errors.New("cause"))
	eachBackend(t, func(t *testing.T, b core.Backend, base *backend) {
		c := open(t, b, nil)
		base.takeCalls()
		want := map[string]error{
			"a": context.Canceled, "b": context.Canceled, "": core.ErrInvalidKey,
		}
		values, err := c.GetMulti(done, []string{"a", "", "b"})
		if values == nil || len(values) != 0 {
			t.Errorf("GetMulti = %v, want an empty map that is not nil", values)
		}
		wantFailed(t, err, want)
		wantFailed(t, c.SetMulti(done, map[string][]byte{"a": nil, "": nil, "b": nil}, 0), want)
		wantFailed(t, c.DeleteMulti(done, []string{"a", "", "b"}), want)
		wantNoCalls(t, base)
	})
}
