package core_test

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"testing"

	"github.com/cachewire/cachewire/core"
)

func TestTypedStoresTheCodecsBytesAndFlags(t *testing.T) {
	c := open(t, newBackend(), nil)
	users := must(core.NewTyped(c, jsonCodec[user]{}))
	if users.Cache() != c {
		t.Error("Cache is not the Cache underneath")
	}
	if users.Codec() != core.Codec[user](jsonCodec[user]{}) {
		t.Error("Codec is not the codec")
	}
	wantErr(t, users.Set(t.Context(), "one", ann, 0), nil)
	wantErr(t, users.SetMulti(t.Context(), map[string]user{"many": ann, "more": bob}, 0), nil)
	for key, want := range map[string]string{"one": `{"Name":"Ann","Age":40}`, "many": `{"Name":"Ann","Age":40}`, "more": `{"Name":"Bob","Age":30}`} {
		item, err := c.GetItem(t.Context(), key)
		if err != nil || string(item.Value) != want || item.Flags != core.FlagText {
			t.Errorf("%s is %q with flags %d, %v; want %q with %d", key, item.Value, item.Flags, err, want, core.FlagText)
		}
	}
	wantErr(t, c.Store(t.Context(), core.Set, core.Item{Key: "flags", Value: []byte("{}"), Flags: 1}), nil)
	_, err := users.Get(t.Context(), "flags") // the codec is shown them
	wantErr(t, err, core.ErrCodec)
}

func TestWhatCannotBeEncodedIsErrCodecAndNotStored(t *testing.T) {
	b := newBackend()
	c := must(core.NewTyped(open(t, b, nil), words{}))
	ctx := t.Context()
	wantErr(t, c.Set(ctx, "k", "old", 0), nil)
	item, err := c.GetItem(ctx, "k")
	wantErr(t, err, nil)
	item.Value = unsayable
	b.log()
	for _, err := range []error{
		c.Set(ctx, "k", unsayable, 0), c.Add(ctx, "k", unsayable, 0), c.Replace(ctx, "k", unsayable, 0), c.CompareAndSwap(ctx, item),
	} {
		wantErr(t, err, core.ErrCodec)
		wantErr(t, err, errUnsayable)
		var e *core.Error
		if !errors.As(err, &e) || e.Key != "k" {
			t.Errorf("error is %#v, want an *Error of k", err)
		}
	}
	wantUntouched(t, b)
	wantErr(t, c.Set(ctx, "k", "new", 0), nil) // not "half of itnew"
	if got, err := c.Get(ctx, "k"); got != "new" || err != nil {
		t.Errorf("Get = %q, %v; want new", got, err)
	}
}

func TestWhatCannotBeDecodedIsErrCodecAndNotAValue(t *testing.T) {
	raw := open(t, newBackend(), nil)
	c := must(core.NewTyped(raw, words{}))
	ctx := t.Context()
	put(t, raw, "k", garbage)
	got, err := c.Get(ctx, "k")
	item, itemErr := c.GetItem(ctx, "k")
	if got != "" || item != (core.TypedItem[string]{}) {
		t.Errorf("got %q and %+v beside the errors", got, item)
	}
	for _, err := range []error{err, itemErr} {
		wantErr(t, err, core.ErrCodec)
		wantErr(t, err, errGarbage)
		if errors.Is(err, core.ErrMiss) {
			t.Error("a value that cannot be decoded looks like a miss")
		}
	}
	if ok, err := c.Exists(ctx, "k"); !ok || err != nil {
		t.Errorf("Exists = %t, %v; want true: it does not decode", ok, err)
	}
}

// The keys are many enough that the failed one stands before, between and behind
// the others in some order.
func TestOneValueThatWillNotBeCodedFailsAlone(t *testing.T) {
	abilities(t, func(t *testing.T, b core.Backend, _ *backend) {
		raw := open(t, b, nil)
		c := must(core.NewTyped(raw, words{}))
		ctx := t.Context()
		values, want, keys := map[string]string{"bad": unsayable}, map[string]string{}, []string{"bad"}
		for i := range 20 {
			key := fmt.Sprint("k", i)
			values[key] = "value of " + key
			want[key] = values[key]
			keys = append(keys, key)
		}
		for range 10 {
			err := c.SetMulti(ctx, values, 0)
			wantFailed(t, err, map[string]error{"bad": core.ErrCodec})
			wantFailed(t, err, map[string]error{"bad": errUnsayable})
			if got, err := c.GetMulti(ctx, keys); !maps.Equal(got, want) || err != nil {
				t.Fatalf("GetMulti = %v, %v; want %v", got, err, want)
			}
		}
		put(t, raw, "bad", garbage)
		got, err := c.GetMulti(ctx, keys)
		wantFailed(t, err, map[string]error{"bad": core.ErrCodec})
		wantFailed(t, err, map[string]error{"bad": errGarbage})
		if !maps.Equal(got, want) {
			t.Errorf("GetMulti = %v, want %v", got, want)
		}
	})
}

func TestACodecsOwnErrCodecIsNotWrappedAgain(t *testing.T) {
	own := fmt.Errorf("%w: version 9", core.ErrCodec)
	c := must(core.NewTyped(open(t, newBackend(), nil), erring{own}))
	err := c.Set(t.Context(), "k", 1, 0)
	if want := `cachewire: Set "k" (core_test): codec: version 9`; err == nil || err.Error() != want {
		t.Errorf("error is %v, want %s", err, want)
	}
}

type erring struct{ err error }

func (e erring) Append(dst []byte, _ int) ([]byte, uint32, error) { return dst, 0, e.err }
func (e erring) Decode([]byte, uint32) (int, error)               { return 0, e.err }

func TestTypedValuesOfAnyShapeComeBackEqual(t *testing.T) {
	type tree struct {
		Kids map[string]*tree
		Tags []string
	}
	c := must(core.NewTyped(open(t, newBackend(), nil), jsonCodec[*tree]{}))
	want := &tree{Kids: map[string]*tree{"a": {Tags: []string{"x", ""}}, "nil": nil}}
	wantErr(t, c.Set(t.Context(), "k", want, 0), nil)
	if got, err := c.Get(t.Context(), "k"); !reflect.DeepEqual(got, want) || err != nil {
		t.Errorf("Get = %+v, %v; want %+v", got, err, want)
	}
}
