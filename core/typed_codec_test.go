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
		t.Error("Cache did not return the Cache given to NewTyped")
	}
	if users.Codec() != core.Codec[user](jsonCodec[user]{}) {
		t.Error("Codec did not return the Codec given to NewTyped")
	}
	wantErr(t, users.Set(t.Context(), "one", ann, 0), nil)
	wantErr(t, users.SetMulti(t.Context(), map[string]user{"many": ann, "more": bob}, 0), nil)
	for key, want := range map[string]string{
		"one":  `{"Name":"Ann","Age":40}`,
		"many": `{"Name":"Ann","Age":40}`,
		"more": `{"Name":"Bob","Age":30}`,
	} {
		item, err := c.GetItem(t.Context(), key)
		if err != nil || string(item.Value) != want || item.Flags != core.FlagText {
			t.Errorf("%s is %q with flags %d, %v; want %q with %d",
				key, item.Value, item.Flags, err, want, core.FlagText)
		}
	}
	item := core.Item{Key: "flags", Value: []byte("{}"), Flags: 1}
	wantErr(t, c.Store(t.Context(), core.Set, item), nil)
	_, err := users.Get(t.Context(), "flags") // jsonCodec refuses other flags
	wantErr(t, err, core.ErrCodec)
}

func TestValueThatCannotBeEncodedIsErrCodecAndNotStored(t *testing.T) {
	b := newBackend()
	c := must(core.NewTyped(open(t, b, nil), stringCodec{}))
	ctx := t.Context()
	wantErr(t, c.Set(ctx, "k", "old", 0), nil)
	item, err := c.GetItem(ctx, "k")
	wantErr(t, err, nil)
	item.Value = unencodable
	b.takeCalls()
	for _, err := range []error{
		c.Set(ctx, "k", unencodable, 0),
		c.Add(ctx, "k", unencodable, 0),
		c.Replace(ctx, "k", unencodable, 0),
		c.CompareAndSwap(ctx, item),
	} {
		wantErr(t, err, core.ErrCodec)
		wantErr(t, err, errUnencodable)
		var e *core.Error
		if !errors.As(err, &e) || e.Key != "k" {
			t.Errorf("error is %#v, want an *Error of k", err)
		}
	}
	wantNoCalls(t, b)
	wantErr(t, c.Set(ctx, "k", "new", 0), nil) // without a part of the previous value
	if got, err := c.Get(ctx, "k"); got != "new" || err != nil {
		t.Errorf("Get = %q, %v; want new", got, err)
	}
}

func TestValueThatCannotBeDecodedIsErrCodec(t *testing.T) {
	raw := open(t, newBackend(), nil)
	c := must(core.NewTyped(raw, stringCodec{}))
	ctx := t.Context()
	put(t, raw, "k", undecodable)
	got, err := c.Get(ctx, "k")
	item, itemErr := c.GetItem(ctx, "k")
	if got != "" || item.Value != "" {
		t.Errorf("Get returned %q and GetItem %+v with the errors, want no values", got, item)
	}
	for _, err := range []error{err, itemErr} {
		wantErr(t, err, core.ErrCodec)
		wantErr(t, err, errUndecodable)
		if errors.Is(err, core.ErrMiss) {
			t.Error("the error is ErrMiss, although the key is present")
		}
	}
	if ok, err := c.Exists(ctx, "k"); !ok || err != nil {
		t.Errorf("Exists = %t, %v; want true, as it does not decode the value", ok, err)
	}
}

// The order of a map is random. In 10 rounds with 21 keys, the bad value is likely to come
// before, between and after the others.
func TestMultiVerbsServeTheOtherKeysIfOneValueCannotBeCoded(t *testing.T) {
	eachBackend(t, func(t *testing.T, b core.Backend, _ *backend) {
		raw := open(t, b, nil)
		c := must(core.NewTyped(raw, stringCodec{}))
		ctx := t.Context()
		values, want := map[string]string{"bad": unencodable}, map[string]string{}
		keys := []string{"bad"}
		for i := range 20 {
			key := fmt.Sprint("k", i)
			values[key] = "value of " + key
			want[key] = values[key]
			keys = append(keys, key)
		}
		for range 10 {
			err := c.SetMulti(ctx, values, 0)
			wantFailed(t, err, map[string]error{"bad": core.ErrCodec})
			wantFailed(t, err, map[string]error{"bad": errUnencodable})
			if got, err := c.GetMulti(ctx, keys); !maps.Equal(got, want) || err != nil {
				t.Fatalf("GetMulti = %v, %v; want %v", got, err, want)
			}
		}
		put(t, raw, "bad", undecodable)
		got, err := c.GetMulti(ctx, keys)
		wantFailed(t, err, map[string]error{"bad": core.ErrCodec})
		wantFailed(t, err, map[string]error{"bad": errUndecodable})
		if !maps.Equal(got, want) {
			t.Errorf("GetMulti = %v, want %v", got, want)
		}
	})
}

func TestErrCodecOfACodecIsNotWrappedAgain(t *testing.T) {
	own := fmt.Errorf("%w: version 9", core.ErrCodec)
	c := must(core.NewTyped(open(t, newBackend(), nil), failingCodec[int]{own}))
	err := c.Set(t.Context(), "k", 1, 0)
	wantErrText(t, err, `cachewire: Set "k" (core_test): codec: version 9`)
}

func TestTypedReturnsNestedValuesAsTheyWereStored(t *testing.T) {
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
