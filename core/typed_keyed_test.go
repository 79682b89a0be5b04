package core_test

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"testing"

	"github.com/cachewire/cachewire/core"
)

// A keyedWords stores a string after its key and a colon.
type keyedWords struct{}

var (
	errNoKey    = errors.New("called without a key")
	errOtherKey = errors.New("the value of another key")
)

func (keyedWords) Append([]byte, string) ([]byte, uint32, error) { return nil, 0, errNoKey }
func (keyedWords) Decode([]byte, uint32) (string, error)         { return "", errNoKey }

func (keyedWords) AppendKey(dst []byte, key, v string) ([]byte, uint32, error) {
	return append(append(append(dst, key...), ':'), v...), core.FlagText, nil
}

func (keyedWords) DecodeKey(data []byte, flags uint32, key string) (string, error) {
	own, v, ok := bytes.Cut(data, []byte(":"))
	if !ok || string(own) != key || flags != core.FlagText {
		return "", errOtherKey
	}
	return string(v), nil
}

// The key of a KeyedCodec has the prefix, whichever Cache the item is read through.
func TestAKeyedCodecGetsTheKeyOfTheBackend(t *testing.T) {
	eachBackend(t, func(t *testing.T, b core.Backend, _ *backend) {
		root := open(t, b, nil)
		ctx := t.Context()
		whole := must(core.NewTyped(root, keyedWords{}))
		prefixed := withPrefix(t, root, "user/")
		users := must(core.NewTyped(prefixed, keyedWords{}))
		swap := func() error {
			item, err := users.GetItem(ctx, "1")
			item.Value = "Ann"
			return errors.Join(err, users.CompareAndSwap(ctx, item))
		}
		for name, store := range map[string]func() error{
			"Set":     func() error { return users.Set(ctx, "1", "Ann", 0) },
			"Replace": func() error { return users.Replace(ctx, "1", "Ann", 0) },
			"SetMulti": func() error {
				return users.SetMulti(ctx, map[string]string{"1": "Ann"}, 0)
			},
			"CompareAndSwap": swap,
			"Encode": func() error {
				item, err := users.Encode("1", "Ann")
				return errors.Join(err, prefixed.Store(ctx, core.Set, item))
			},
			"Add": func() error {
				return errors.Join(users.Delete(ctx, "1"), users.Add(ctx, "1", "Ann", 0))
			},
		} {
			wantErr(t, users.Set(ctx, "1", "old", 0), nil)
			wantErr(t, store(), nil)
			wantValue(t, root, "user/1", "user/1:Ann")
			for _, tt := range []struct {
				users *core.Typed[string]
				key   string
			}{{users, "1"}, {whole, "user/1"}} {
				if v, err := tt.users.Get(ctx, tt.key); v != "Ann" || err != nil {
					t.Errorf("%s: Get %s = %q, %v; want Ann", name, tt.key, v, err)
				}
				item, err := tt.users.GetItem(ctx, tt.key)
				if item.Value != "Ann" || item.Key != tt.key || err != nil {
					t.Errorf("%s: GetItem %s = %+v, %v; want Ann", name, tt.key, item, err)
				}
				encoded := core.Item{Key: tt.key, Value: []byte("user/1:Ann"), Flags: core.FlagText}
				if v, err := tt.users.Decode(encoded); v != "Ann" || err != nil {
					t.Errorf("%s: Decode %s = %q, %v; want Ann", name, tt.key, v, err)
				}
			}
		}
		want := map[string]string{"1": "Ann", "2": "Bob"}
		wantErr(t, users.SetMulti(ctx, want, 0), nil)
		got, err := users.GetMulti(ctx, []string{"1", "2", "none"})
		if !maps.Equal(got, want) || err != nil {
			t.Errorf("GetMulti = %v, %v; want %v", got, err, want)
		}

		item, err := root.GetItem(ctx, "user/1")
		wantErr(t, err, nil)
		item.Key = "user/2"
		wantErr(t, root.Store(ctx, core.Set, item), nil)
		_, err = users.Get(ctx, "2")
		wantErr(t, err, core.ErrCodec)
		wantErr(t, err, errOtherKey)
		got, err = users.GetMulti(ctx, []string{"1", "2"})
		wantFailed(t, err, map[string]error{"2": errOtherKey})
		if len(got) != 1 || got["1"] != "Ann" {
			t.Errorf("GetMulti = %v, want the value of 1", got)
		}
	})
}

// A keyedUint is a KeyedCodec that allocates nothing.
type keyedUint struct{ uintCodec }

func (n keyedUint) AppendKey(dst []byte, _ string, v uint64) ([]byte, uint32, error) {
	return n.Append(dst, v)
}

func (n keyedUint) DecodeKey(data []byte, flags uint32, _ string) (uint64, error) {
	return n.Decode(data, flags)
}

func TestAKeyedCodecCostsNoAllocationWithoutAPrefix(t *testing.T) {
	ctx := context.Background()
	c := must(core.NewTyped(open(t, hitBackend(), nil), keyedUint{}))
	wantAllocs(t, 0, nil, func() error { _, err := c.Get(ctx, longKey); return err })
	wantAllocs(t, 0, nil, func() error { return c.Set(ctx, longKey, 1<<60, 0) })
}
