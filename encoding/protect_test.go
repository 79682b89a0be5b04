package encoding_test

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"reflect"
	"strings"
	"testing"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/encoding/codectest"
)

// A sumGuard protects values by a checksum, which is no protection, but binds them to their
// key and flags.
type sumGuard struct{ err error }

var errSum = errors.New("the sum is wrong")

func (g *sumGuard) Flags() uint32 { return encoding.FlagSigned }

func sum(key string, rest []byte) uint32 {
	return crc32.ChecksumIEEE(append([]byte(key+"\x00"), rest...))
}

func (g *sumGuard) Append(dst []byte, key string, src []byte, flags uint32) ([]byte, error) {
	rest := append(binary.BigEndian.AppendUint32(nil, flags), src...)
	return append(binary.BigEndian.AppendUint32(dst, sum(key, rest)), rest...), g.err
}

func (g *sumGuard) Open(data []byte, key string) ([]byte, uint32, error) {
	if len(data) < 8 || binary.BigEndian.Uint32(data) != sum(key, data[4:]) {
		return nil, 0, errSum
	}
	return data[8:len(data):len(data)], binary.BigEndian.Uint32(data[4:]), nil
}

func TestProtectKeepsTheContract(t *testing.T) {
	values := []user{{"Ann", 40}, {}}
	t.Run("JSON", func(t *testing.T) {
		codectest.Run(t, codectest.Config[user]{
			New: func() core.Codec[user] {
				return encoding.Protect(encoding.JSON[user](), &sumGuard{})
			},
			Values: values, Sealed: true,
		})
	})
	t.Run("Compress", func(t *testing.T) {
		codectest.Run(t, codectest.Config[[]byte]{
			New: func() core.Codec[[]byte] {
				return encoding.Protect(encoding.Compress(encoding.Bytes(), nil), &sumGuard{})
			},
			Values: [][]byte{{}, []byte("bytes"), make([]byte, 3000)},
			Sealed: true, Aliases: true, NilIsEmpty: true,
		})
	})
	t.Run("Envelope", func(t *testing.T) {
		codectest.Run(t, codectest.Config[encoding.Enveloped[user]]{
			New: func() core.Codec[encoding.Enveloped[user]] {
				inner := encoding.Protect(encoding.JSON[user](), &sumGuard{})
				return encoding.Envelope(inner, core.Traits{NoFlags: true})
			},
			Values: []encoding.Enveloped[user]{
				{Value: values[0], Facts: allFacts}, {Value: values[0]},
				{Facts: encoding.Facts{NotFound: true}},
			},
			Equal: func(x, y encoding.Enveloped[user]) bool {
				return reflect.DeepEqual(x.Value, y.Value) && sameFacts(&x.Facts, &y.Facts)
			},
			Sealed: true, Aliases: true,
		})
	})
}

// Any of the facts, and their absence, is protected.
func TestProtectedFactsCannotBeChanged(t *testing.T) {
	for _, flags := range []bool{true, false} {
		c := newCache(t, flags)
		codec := encoding.Envelope(encoding.Protect(encoding.JSON[user](), &sumGuard{}), c.Traits())
		users := must(core.NewTyped(c, codec))
		want := encoding.Enveloped[user]{Value: user{"Ann", 40}, Facts: allFacts}
		if err := users.Set(t.Context(), "k", want, 0); err != nil {
			t.Fatal(err)
		}
		got, err := users.Get(t.Context(), "k")
		if got.Value != want.Value || !sameFacts(&got.Facts, &want.Facts) || err != nil {
			t.Errorf("Get = %v, %v; want %v", got, err, want)
		}
		plain := encoding.Envelope(encoding.JSON[user](), c.Traits())
		for _, facts := range []encoding.Facts{{}, {NotFound: true}, allFacts} {
			data, flags := encode(
				t,
				plain,
				encoding.Enveloped[user]{Value: user{"Eve", 1}, Facts: facts},
			)
			item := core.Item{Key: "k", Value: data, Flags: flags}
			if err := c.Store(t.Context(), core.Set, item); err != nil {
				t.Fatal(err)
			}
			if got, err := users.Get(t.Context(), "k"); !errors.Is(err, core.ErrCodec) {
				t.Errorf("Get of a value that is not protected = %v, %v; want ErrCodec", got, err)
			}
		}
	}
}

func TestProtectWorksThroughTypedAlone(t *testing.T) {
	c := newCache(t, true)
	codec := encoding.Protect(encoding.Text(), &sumGuard{})
	texts := must(core.NewTyped(c, codec))
	ctx := t.Context()
	if err := texts.Set(ctx, "a", "text", 0); err != nil {
		t.Fatal(err)
	}
	item, err := c.GetItem(ctx, "a")
	if err != nil || item.Flags != encoding.FlagSigned {
		t.Fatalf("stored with flags %#x, %v", item.Flags, err)
	}
	item.Key = "b" // as an attacker who can write to the cache may do
	if err := c.Store(ctx, core.Set, item); err != nil {
		t.Fatal(err)
	}
	if v, err := texts.Get(ctx, "b"); !errors.Is(err, errSum) || !errors.Is(err, core.ErrCodec) {
		t.Errorf("Get of a value that was moved = %q, %v; want ErrCodec", v, err)
	}
	wantAppendErr(t, codec, "text", "AppendKey")
	wantDecodeErr(t, codec, string(item.Value), item.Flags, "AppendKey")
	wantDecodeErr(t, encoding.Text(), string(item.Value), item.Flags, "is signed")
	broken := encoding.Protect(encoding.Text(), &sumGuard{errors.New("no randomness")})
	err = must(core.NewTyped(c, broken)).Set(ctx, "a", "text", 0)
	if err == nil || !strings.Contains(err.Error(), "no randomness") {
		t.Errorf("Set: error is %v, want that of the guard", err)
	}
	err = texts.Set(ctx, "a", "\xff", 0)
	if err == nil || !strings.Contains(err.Error(), "UTF-8") {
		t.Errorf("Set: error is %v, want that of the codec", err)
	}
}

func TestNewTypedRefusesWrongArgumentsOfProtect(t *testing.T) {
	c, noFlags := newCache(t, true), newCache(t, false)
	text, guard := encoding.Text(), &sumGuard{}
	protected := encoding.Protect(text, guard)
	negative := encoding.Compress(text, &encoding.CompressOptions{MaxSize: -1})
	for want, codec := range map[string]core.Codec[string]{
		"the guard is nil":              encoding.Protect(text, nil),
		"the guard is nil; want one":    encoding.Protect(text, (*sumGuard)(nil)),
		"Protect: the codec is nil":     encoding.Protect[string](nil, guard),
		"want it around Protect, not":   encoding.Protect(protected, guard),
		"want it around Compress, not":  encoding.Compress(protected, nil),
		"want it around AsBytes, not":   encoding.AsBytes(protected),
		"AsBytes: the codec is nil":     encoding.AsBytes[string](nil),
		"CompressOptions.MaxSize is -1": encoding.Protect(negative, guard),
	} {
		_, err := core.NewTyped(c, codec)
		if !errors.Is(err, core.ErrConfig) || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want ErrConfig: %s", err, want)
		}
	}
	// The guard keeps the flags that a compressed value needs.
	packed := encoding.Protect(
		encoding.Compress(text, &encoding.CompressOptions{Threshold: 1}),
		guard,
	)
	wantKept(t, noFlags, packed, strings.Repeat("x", 100))
}

func TestAsBytesStoresValuesWithTheFlagsOfBytes(t *testing.T) {
	packed := encoding.Compress(encoding.Gob[user](), &encoding.CompressOptions{Threshold: 1})
	big := user{strings.Repeat("Ann ", 100), 40}
	for _, tt := range []struct {
		codec core.Codec[user]
		want  uint32
	}{
		{encoding.Gob[user](), core.FlagBytes}, {encoding.JSON[user](), core.FlagBytes},
		{packed, core.FlagZlib},
	} {
		codec := encoding.AsBytes(tt.codec)
		data, flags := encode(t, codec, big)
		own, ownFlags := encode(t, tt.codec, big)
		if string(data) != string(own) || flags != tt.want {
			t.Errorf("stored as %q with flags %#x, want %q with %#x", data, flags, own, tt.want)
		}
		for _, flags := range []uint32{flags, ownFlags} {
			if got, err := codec.Decode(data, flags); got != big || err != nil {
				t.Errorf("Decode with flags %#x = %v, %v; want %v", flags, got, err, big)
			}
		}
		wantDecodeErr(t, codec, string(data), core.FlagInt, "")
	}
	reversed := encoding.Compress(
		encoding.Text(),
		&encoding.CompressOptions{Threshold: 1, With: reverser{}},
	)
	wantAppendErr(t, encoding.AsBytes(reversed), "text   ", "without which")
	enveloped := encoding.AsBytes(encoding.Envelope(encoding.Text(), core.Traits{}))
	wantAppendErr(t, enveloped, encoding.Enveloped[string]{Facts: allFacts}, "without which")
	wantAppendErr(t, encoding.AsBytes(encoding.Text()), "\xff", "UTF-8")
	codectest.Run(t, codectest.Config[user]{
		New:    func() core.Codec[user] { return encoding.AsBytes(encoding.Gob[user]()) },
		Values: []user{{"Ann", 40}, {}},
		Reads:  []uint32{encoding.FlagGob},
	})
}
