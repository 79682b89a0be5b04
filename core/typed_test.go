package core_test

import (
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
)

// userCodecs are a codec that encodes users, and Shared, which does not.
var userCodecs = map[string]core.Codec[user]{
	"JSON":   jsonCodec[user]{},
	"shared": core.Shared[user](),
}

// eachTyped runs test with each of userCodecs, with and without a prefix, and with a backend
// without multi verbs.
func eachTyped(t *testing.T, test func(t *testing.T, users *core.Typed[user])) {
	for name, codec := range userCodecs {
		for prefix, suffix := range map[string]string{"": "", "p:": " with a prefix"} {
			t.Run(name+suffix, func(t *testing.T) {
				opts := &core.Options{Prefix: prefix, DefaultTTL: time.Hour}
				test(t, must(core.NewTyped(open(t, newFullBackend(), opts), codec)))
			})
		}
	}
	t.Run("JSON without multi verbs", func(t *testing.T) {
		b := newFullBackend()
		c := open(t, withTTLReader{b.backend, b}, &core.Options{DefaultTTL: time.Hour})
		test(t, must(core.NewTyped(c, core.Codec[user](jsonCodec[user]{}))))
	})
}

// wantUser fails the test unless key holds want.
func wantUser(t *testing.T, users *core.Typed[user], key string, want user) {
	t.Helper()
	if got, err := users.Get(t.Context(), key); got != want || err != nil {
		t.Errorf("Get %q = %+v, %v; want %+v", key, got, err, want)
	}
}

var ann, bob = user{"Ann", 40}, user{"Bob", 30}

func TestTypedVerbsKeepTheContract(t *testing.T) {
	eachTyped(t, func(t *testing.T, users *core.Typed[user]) {
		ctx := t.Context()
		if got, err := users.Get(ctx, "u"); got != (user{}) || err != core.ErrMiss {
			t.Errorf("Get = %+v, %v; want a miss", got, err)
		}
		item, err := users.GetItem(ctx, "u")
		if item != (core.TypedItem[user]{}) || err != core.ErrMiss {
			t.Errorf("GetItem = %+v, %v; want a miss", item, err)
		}
		if ok, err := users.Exists(ctx, "u"); ok || err != nil {
			t.Errorf("Exists = %t, %v; want false", ok, err)
		}
		for _, err := range []error{
			users.Replace(ctx, "u", ann, 0),
			users.Delete(ctx, "u"),
			users.Touch(ctx, "u", 0),
		} {
			if err != core.ErrMiss {
				t.Errorf("error is %v, want a miss", err)
			}
		}
		wantErr(t, users.Add(ctx, "u", ann, 0), nil)
		wantErr(t, users.Add(ctx, "u", bob, 0), core.ErrExists)
		wantUser(t, users, "u", ann)
		wantErr(t, users.Replace(ctx, "u", bob, 0), nil)
		wantUser(t, users, "u", bob)
		wantErr(t, users.Set(ctx, "u", ann, 0), nil)
		wantUser(t, users, "u", ann)
		if ok, err := users.Exists(ctx, "u"); !ok || err != nil {
			t.Errorf("Exists = %t, %v; want true", ok, err)
		}
		wantErr(t, users.Delete(ctx, "u"), nil)
		_, err = users.Get(ctx, "u")
		wantErr(t, err, core.ErrMiss)
	})
}

func TestTypedMultiVerbsKeepTheContract(t *testing.T) {
	eachTyped(t, func(t *testing.T, users *core.Typed[user]) {
		ctx := t.Context()
		wantErr(t, users.SetMulti(ctx, map[string]user{"a": ann, "zero": {}}, 0), nil)
		err := users.AddMulti(ctx, map[string]user{"a": bob, "b": bob}, 0)
		wantFailed(t, err, map[string]error{"a": core.ErrExists})
		err = users.ReplaceMulti(ctx, map[string]user{"b": ann, "c": ann}, 0)
		wantFailed(t, err, map[string]error{"c": core.ErrMiss})
		got, err := users.GetMulti(ctx, []string{"a", "b", "a", "c", "zero"})
		wantErr(t, err, nil)
		if want := map[string]user{"a": ann, "b": ann, "zero": {}}; !maps.Equal(got, want) {
			t.Errorf("GetMulti = %+v, want %+v", got, want)
		}
		got, err = users.GetMulti(ctx, []string{"", "a"})
		wantFailed(t, err, map[string]error{"": core.ErrInvalidKey})
		if len(got) != 1 || got["a"] != ann {
			t.Errorf("GetMulti = %+v, want the value of a alone", got)
		}
		err = users.SetMulti(ctx, map[string]user{"": ann, "d": ann}, 0)
		wantFailed(t, err, map[string]error{"": core.ErrInvalidKey})
		wantUser(t, users, "d", ann)
		err = users.SetMulti(ctx, map[string]user{"d": bob}, -1)
		wantFailed(t, err, map[string]error{"d": core.ErrInvalidTTL})
		wantErr(t, users.DeleteMulti(ctx, []string{"a", "b", "c"}), nil)
		got, err = users.GetMulti(ctx, []string{"a", "b", "c"})
		if got == nil || len(got) != 0 || err != nil {
			t.Errorf("GetMulti = %v, %v; want an empty map that is not nil", got, err)
		}
	})
}

func TestTypedItemIsReplacedAndDeletedByItsToken(t *testing.T) {
	eachTyped(t, func(t *testing.T, users *core.Typed[user]) {
		ctx := t.Context()
		wantErr(t, users.Set(ctx, "u", ann, time.Minute), nil)
		item, err := users.GetItem(ctx, "u")
		wantErr(t, err, nil)
		if item.Key != "u" || item.Value != ann || item.TTL != 0 || item.Token == nil {
			t.Errorf("GetItem = %+v, want %+v under u with a token and without a TTL", item, ann)
		}
		stale := item
		item.Value = bob
		wantErr(t, users.CompareAndSwap(ctx, item), nil)
		wantUser(t, users, "u", bob)
		wantErr(t, users.CompareAndSwap(ctx, stale), core.ErrConflict)
		wantErr(t, users.CompareAndDelete(ctx, stale), core.ErrConflict)
		wantErr(t, users.CompareAndSwap(ctx, core.TypedItem[user]{Key: "u"}), core.ErrConflict)
		wantUser(t, users, "u", bob)
		item, err = users.GetItem(ctx, "u")
		wantErr(t, err, nil)
		wantErr(t, users.CompareAndDelete(ctx, item), nil)
		wantErr(t, users.CompareAndDelete(ctx, item), core.ErrMiss)
		wantErr(t, users.CompareAndSwap(ctx, item), core.ErrMiss)
	})
}

func TestTypedKeepsTimesToLive(t *testing.T) {
	for name, codec := range userCodecs {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				c := open(t, newFullBackend(), &core.Options{DefaultTTL: time.Hour})
				users := must(core.NewTyped(c, codec))
				wantTTL := func(want time.Duration) {
					t.Helper()
					if got, err := users.TTL(ctx, "u"); got != want || err != nil {
						t.Errorf("TTL = %v, %v; want %v", got, err, want)
					}
				}
				wantErr(t, users.Set(ctx, "u", ann, 0), nil)
				wantTTL(time.Hour)
				wantErr(t, users.SetMulti(ctx, map[string]user{"u": ann}, time.Minute), nil)
				wantTTL(time.Minute)
				wantErr(t, users.Touch(ctx, "u", 0), nil)
				wantTTL(time.Hour)
				item, err := users.GetItem(ctx, "u")
				wantErr(t, err, nil)
				item.TTL = time.Second
				wantErr(t, users.CompareAndSwap(ctx, item), nil)
				wantTTL(time.Second)
				<-time.After(time.Second)
				_, err = users.Get(ctx, "u")
				wantErr(t, err, core.ErrMiss)
			})
		})
	}
}
