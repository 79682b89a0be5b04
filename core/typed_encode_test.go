package core_test

import (
	"errors"
	"testing"

	"github.com/cachewire/cachewire/core"
)

// What cannot be decoded can be replaced, on condition that it has not changed.
func TestAnUndecodableItemCanBeSwapped(t *testing.T) {
	c := open(t, newFullBackend(), nil)
	ctx := t.Context()
	users := must(core.NewTyped(c, jsonCodec[user]{}))
	shared := must(core.NewTyped(c, core.Shared[user]()))
	names := must(core.NewTyped(c, core.Shared[string]()))
	put(t, c, "bytes", "{")
	wantErr(t, names.Set(ctx, "shared", "Ann", 0), nil)
	for key, typed := range map[string]*core.Typed[user]{"bytes": users, "shared": shared} {
		item, err := typed.GetItem(ctx, key)
		wantErr(t, err, core.ErrCodec)
		if item.Key != key || item.Value != (user{}) || item.Token == nil {
			t.Errorf("%s: GetItem = %+v, want the key, no value and a token", key, item)
		}
		item.Value = ann
		wantErr(t, typed.CompareAndSwap(ctx, item), nil)
		if got, err := typed.Get(ctx, key); got != ann || err != nil {
			t.Errorf("%s: Get = %v, %v; want %v", key, got, err, ann)
		}
		wantErr(t, typed.CompareAndSwap(ctx, item), core.ErrConflict)
	}
}

func TestEncodeReturnsWhatTheVerbsStore(t *testing.T) {
	c := open(t, newBackend(), nil)
	ctx := t.Context()
	users := must(core.NewTyped(c, jsonCodec[user]{}))
	wantErr(t, users.Set(ctx, "stored", ann, 0), nil)
	stored, err := c.GetItem(ctx, "stored")
	wantErr(t, err, nil)
	item, err := users.Encode("encoded", ann)
	if item.Key != "encoded" || string(item.Value) != string(stored.Value) ||
		item.Flags != stored.Flags || item.TTL != 0 || item.Token != nil || err != nil {
		t.Errorf("Encode = %+v, %v; want the value and flags of %+v", item, err, stored)
	}
	wantErr(t, c.StoreMulti(ctx, core.Add, []core.Item{item}), nil)
	if got, err := users.Get(ctx, "encoded"); got != ann || err != nil {
		t.Errorf("Get = %v, %v; want %v", got, err, ann)
	}
	if got, err := users.Decode(stored); got != ann || err != nil {
		t.Errorf("Decode = %v, %v; want %v", got, err, ann)
	}
	got, err := users.Decode(core.Item{Value: []byte("{"), Flags: core.FlagText})
	wantErr(t, err, core.ErrCodec)
	if got != (user{}) {
		t.Errorf("Decode = %v, want no value", got)
	}
	texts := must(core.NewTyped(c, stringCodec{}))
	_, err = texts.Encode("k", unencodable)
	wantErr(t, err, core.ErrCodec)
	wantErr(t, err, errUnencodable)
	shared := must(core.NewTyped(open(t, newFullBackend(), nil), core.Shared[user]()))
	_, encodeErr := shared.Encode("k", ann)
	_, decodeErr := shared.Decode(stored)
	for _, err := range []error{encodeErr, decodeErr} {
		if !errors.Is(err, errors.ErrUnsupported) || errors.Is(err, core.ErrCodec) {
			t.Errorf("error is %v, want ErrUnsupported and not ErrCodec", err)
		}
	}
}
