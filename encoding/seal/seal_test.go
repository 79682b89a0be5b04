package seal_test

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/encoding/codectest"
	"github.com/cachewire/cachewire/encoding/seal"
	"github.com/cachewire/cachewire/memory"
)

// must returns v, and panics if there is an error.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// guards are constructors of both guards, by name.
var guards = map[string]func(keys ...[]byte) (encoding.Guard, error){
	"Encrypter": func(keys ...[]byte) (encoding.Guard, error) {
		e, err := seal.NewEncrypter(keys...)
		if err != nil {
			return nil, err
		}
		return e, nil
	},
	"Signer": func(keys ...[]byte) (encoding.Guard, error) {
		s, err := seal.NewSigner(keys...)
		if err != nil {
			return nil, err
		}
		return s, nil
	},
}

// each runs test for both guards.
func each(t *testing.T, test func(t *testing.T, guard func(keys ...[]byte) encoding.Guard)) {
	for name, newGuard := range guards {
		t.Run(name, func(t *testing.T) {
			test(t, func(keys ...[]byte) encoding.Guard {
				g, err := newGuard(keys...)
				if err != nil {
					t.Fatal(err)
				}
				return g
			})
		})
	}
}

// A user is what most tests store.
type user struct {
	Name string
	Age  int
}

func TestProtectedCodecsKeepTheContract(t *testing.T) {
	each(t, func(t *testing.T, guard func(keys ...[]byte) encoding.Guard) {
		g := guard(newKey, oldKey)
		values := []user{{"Ann", 40}, {}}
		for name, codec := range map[string]func() core.Codec[user]{
			"JSON": encoding.JSON[user], "Gob": encoding.Gob[user],
			"Compress": func() core.Codec[user] {
				return encoding.Compress(encoding.JSON[user](),
					&encoding.CompressOptions{Threshold: 1, MaxSize: 5000})
			},
		} {
			t.Run(name, func(t *testing.T) {
				codectest.Run(t, codectest.Config[user]{
					New:    func() core.Codec[user] { return encoding.Protect(codec(), g) },
					Values: values, Sealed: true,
				})
			})
		}
		t.Run("Bytes", func(t *testing.T) {
			codectest.Run(t, codectest.Config[[]byte]{
				New:    func() core.Codec[[]byte] { return encoding.Protect(encoding.Bytes(), g) },
				Values: [][]byte{{}, []byte("bytes"), make([]byte, 3000)},
				Sealed: true, Aliases: true, NilIsEmpty: true,
			})
		})
	})
}

// The expected secrets are derived by HKDF as its documentation says, and the values are opened
// with the packages for XChaCha20-Poly1305 and HMAC.
func TestValuesHaveTheDocumentedFormat(t *testing.T) {
	derive := func(purpose string, n int) []byte {
		return must(hkdf.Key(sha256.New, newKey, nil, "cachewire seal "+purpose, n))
	}
	const key, flags = "user:1", uint32(300) // 300 is the varint ac 02
	want := []byte("\xac\x02value")

	data := must(guards["Encrypter"](newKey))
	sealed := must(data.Append([]byte("dst"), key, []byte("value"), flags))[len("dst"):]
	head := append([]byte{0xf9}, derive("encrypt 1 id", 4)...)
	if !bytes.HasPrefix(sealed, head) || len(sealed) != 5+24+len(want)+16 {
		t.Fatalf("%d bytes, %x; want the head %x first", len(sealed), sealed, head)
	}
	aead := must(chacha20poly1305.NewX(derive("encrypt 1", 32)))
	got, err := aead.Open(nil, sealed[5:29], sealed[29:], append(head, key...))
	if !bytes.Equal(got, want) || err != nil {
		t.Errorf("the plain value is %q, %v; want %q", got, err, want)
	}

	signer := must(guards["Signer"](newKey))
	signed := must(signer.Append([]byte("dst"), key, []byte("value"), flags))[len("dst"):]
	mac := hmac.New(sha256.New, derive("sign 1", 32))
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(key))))
	mac.Write([]byte(key))
	mac.Write(want)
	expected := append([]byte{0xfa}, derive("sign 1 id", 4)...)
	expected = append(append(expected, mac.Sum(nil)[:16]...), want...)
	if !bytes.Equal(signed, expected) {
		t.Errorf("signed as %x, want %x", signed, expected)
	}
}

// The values were made in Python, by hmac and libsodium.
func TestValuesOfAnotherImplementationAreOpened(t *testing.T) {
	for name, stored := range map[string]string{
		"Encrypter": "f9e7699442000102030405060708090a0b0c0d0e0f1011121314151617" +
			"e1d6ecbdd9285be464d229bced76134ff1535c5c24c382b0fcc3dfd5a33951",
		"Signer": "fa6afcf0c84f28ed42c962bd2f20ea042c565dc3ba107b22" +
			"4e616d65223a22416e6e227d",
	} {
		data := must(hex.DecodeString(stored))
		src, flags, err := must(guards[name](newKey)).Open(data, "user:1")
		if string(src) != `{"Name":"Ann"}` || flags != core.FlagText || err != nil {
			t.Errorf("%s: Open = %q, %d, %v", name, src, flags, err)
		}
	}
}

func TestDataThatIsNotExactlyTheValueIsForged(t *testing.T) {
	each(t, func(t *testing.T, guard func(keys ...[]byte) encoding.Guard) {
		g := guard(newKey)
		good := must(g.Append(nil, "user:1", []byte("value"), core.FlagText))
		wantForged := func(what string, data []byte, key string) {
			t.Helper()
			src, _, err := g.Open(data, key)
			if src != nil ||
				!errors.Is(err, seal.ErrForged) && !errors.Is(err, seal.ErrUnknownKey) {
				t.Errorf("%s: Open = %q, %v; want ErrForged", what, src, err)
			}
		}
		for i := range good {
			for bit := range 8 {
				bad := bytes.Clone(good)
				bad[i] ^= 1 << bit
				wantForged(fmt.Sprint("bit ", bit, " of byte ", i), bad, "user:1")
			}
			wantForged(fmt.Sprint(i, " bytes"), good[:i], "user:1")
			wantForged(fmt.Sprint("from byte ", i+1), good[i+1:], "user:1")
		}
		wantForged("a byte more", append(bytes.Clone(good), 0), "user:1")
		wantForged("twice", append(bytes.Clone(good), good...), "user:1")
		for _, key := range []string{
			"user:2", "", "user:1\x00", "user:", "\x00user:1", strings.Repeat("k", 70_000),
		} {
			wantForged(fmt.Sprintf("under %.20q", key), good, key)
		}
		// The end of the key and the beginning of the value must not be exchangeable.
		moved := must(g.Append(nil, "user:", []byte("1value"), core.FlagText))
		wantForged("with a part of the value in the key", moved, "user:1")
		for name, other := range guards {
			if data := must(must(other(newKey)).Append(nil, "user:1", nil, 0)); data[0] != good[0] {
				wantForged("made by "+name, data, "user:1")
			}
		}
		if src, flags, err := g.Open(good, "user:1"); string(src) != "value" ||
			flags != core.FlagText ||
			err != nil {
			t.Errorf("Open = %q, %d, %v", src, flags, err)
		}
	})
}

// Flags of every length are kept.
func TestFlagsComeBack(t *testing.T) {
	each(t, func(t *testing.T, guard func(keys ...[]byte) encoding.Guard) {
		g := guard(newKey)
		for _, want := range []uint32{0, 1, 127, 128, encoding.FlagGob | core.FlagZlib, 1<<32 - 1} {
			data := must(g.Append(nil, "k", []byte("v"), want))
			if src, flags, err := g.Open(data, "k"); string(src) != "v" || flags != want ||
				err != nil {
				t.Errorf("flags %#x come back as %#x, with %q, %v", want, flags, src, err)
			}
		}
	})
}

func TestKeysAreReplacedWithoutLosingValues(t *testing.T) {
	each(t, func(t *testing.T, guard func(keys ...[]byte) encoding.Guard) {
		before, during := guard(oldKey), guard(oldKey, newKey)
		after, end := guard(newKey, oldKey), guard(newKey)
		for _, tt := range []struct {
			name           string
			writer, reader encoding.Guard
			want           error
		}{
			{"the first step", before, during, nil},
			{"the first step, backwards", during, before, nil},
			{"the second step", during, after, nil},
			{"the second step, backwards", after, during, nil},
			{"the last step", after, end, nil}, {"the last step, backwards", end, after, nil},
			{"a dropped key", before, end, seal.ErrUnknownKey},
			{"a key that is not known yet", end, before, seal.ErrUnknownKey},
		} {
			data := must(tt.writer.Append(nil, "k", []byte("v"), 0))
			if _, _, err := tt.reader.Open(data, "k"); !errors.Is(err, tt.want) {
				t.Errorf("%s: error is %v, want %v", tt.name, err, tt.want)
			}
		}
	})
}

func TestAnEncrypterHidesTheValueAndWhetherItIsTheSame(t *testing.T) {
	e := must(seal.NewEncrypter(newKey))
	seen := map[string]bool{}
	for range 100 {
		data := must(e.Append(nil, "k", []byte("a secret"), 0))
		if bytes.Contains(data, []byte("secret")) || seen[string(data[5:29])] {
			t.Fatalf("%q shows the value, or has the nonce of another one", data)
		}
		seen[string(data[5:29])] = true
	}
}

func TestWrongKeysAreRefused(t *testing.T) {
	for name, newGuard := range guards {
		for want, keys := range map[string][][]byte{
			"there are no keys; want one or more":            nil,
			"key 0 has 0 bytes; want 32 random ones":         {nil},
			"key 0 has 16 bytes; want 32":                    {newKey[:16]},
			"key 1 has 33 bytes; want 32":                    {newKey, make([]byte, 33)},
			"key 1 is all zero; want 32 random bytes":        {newKey, make([]byte, 32)},
			"key 2 is given twice, or has the ID of another": {newKey, oldKey, newKey},
		} {
			_, err := newGuard(keys...)
			want = "cachewire: invalid configuration: seal: New" + name + ": " + want
			if !errors.Is(err, core.ErrConfig) || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("error is %v, want %s", err, want)
			}
			if strings.Contains(fmt.Sprint(err), string(newKey[:4])) {
				t.Errorf("the error has the key: %v", err)
			}
		}
	}
}

// The caller may overwrite a key after the guard was made.
func TestKeysAreCopied(t *testing.T) {
	each(t, func(t *testing.T, guard func(keys ...[]byte) encoding.Guard) {
		key := bytes.Clone(newKey)
		g := guard(key)
		clear(key)
		data := must(g.Append(nil, "k", []byte("v"), 0))
		if _, _, err := guard(newKey).Open(data, "k"); err != nil {
			t.Error(err)
		}
	})
}

func TestTypedBindsValuesToTheKeyWithThePrefix(t *testing.T) {
	each(t, func(t *testing.T, guard func(keys ...[]byte) encoding.Guard) {
		c, err := core.New(must(memory.New(nil)), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		ctx := t.Context()
		codec := encoding.Protect(encoding.JSON[user](), guard(newKey))
		all := must(core.NewTyped(c, codec))
		users := must(core.NewTyped(must(c.WithPrefix("user/")), codec))
		admins := must(core.NewTyped(must(c.WithPrefix("admin/")), codec))
		ann := user{"Ann", 40}
		if err := users.Set(ctx, "1", ann, 0); err != nil {
			t.Fatal(err)
		}
		for key, typed := range map[string]*core.Typed[user]{"1": users, "user/1": all} {
			if got, err := typed.Get(ctx, key); got != ann || err != nil {
				t.Errorf("Get %s = %v, %v; want %v", key, got, err, ann)
			}
		}
		item, err := c.GetItem(ctx, "user/1")
		if err != nil {
			t.Fatal(err)
		}
		item.Key = "admin/1"
		if err := c.Store(ctx, core.Set, item); err != nil {
			t.Fatal(err)
		}
		if got, err := admins.Get(ctx, "1"); !errors.Is(err, seal.ErrForged) ||
			!errors.Is(err, core.ErrCodec) {
			t.Errorf("a user who was moved is %v, %v; want ErrForged", got, err)
		}
		// Without its flag, which an attacker may remove, it is not read as JSON either.
		item = core.Item{Key: "admin/1", Value: []byte(`{"Name":"Eve"}`)}
		for _, item.Flags = range []uint32{
			core.FlagBytes, core.FlagText, encoding.FlagSigned, encoding.FlagEncrypted,
		} {
			if err := c.Store(ctx, core.Set, item); err != nil {
				t.Fatal(err)
			}
			if got, err := admins.Get(ctx, "1"); !errors.Is(err, core.ErrCodec) {
				t.Errorf(
					"a plain value with flags %#x is %v, %v; want ErrCodec",
					item.Flags,
					got,
					err,
				)
			}
		}
	})
}

func TestGuardsAllocateNothingButThePlainValue(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for name, want := range map[string]float64{"Encrypter": 1, "Signer": 0} {
		g := must(guards[name](newKey))
		src, dst := make([]byte, 1000), make([]byte, 0, 2000)
		key := strings.Repeat("k", 100)
		got := testing.AllocsPerRun(100, func() { _, _ = g.Append(dst, key, src, 16) })
		if got > 0 {
			t.Errorf("%s: Append: %v allocations, want none", name, got)
		}
		data := must(g.Append(nil, key, src, 16))
		if got := testing.AllocsPerRun(100, func() { _, _, _ = g.Open(data, key) }); got > want {
			t.Errorf("%s: Open: %v allocations, want %v", name, got, want)
		}
	}
}

func FuzzOpen(f *testing.F) {
	for _, newGuard := range guards {
		f.Add(must(must(newGuard(newKey)).Append(nil, "k", []byte("value"), 16)), "k")
	}
	f.Fuzz(func(t *testing.T, data []byte, key string) {
		for name, newGuard := range guards {
			g := must(newGuard(newKey, oldKey))
			src, flags, err := g.Open(data, key)
			if err == nil && (string(src) != "value" || flags != 16 || key != "k") {
				t.Errorf("%s opens %q under %q as %q, %d", name, data, key, src, flags)
			}
		}
	})
}

func BenchmarkGuards(b *testing.B) {
	for name, newGuard := range guards {
		g := must(newGuard(newKey))
		for _, n := range []int{100, 10_000} {
			src, dst := make([]byte, n), make([]byte, 0, n+100)
			b.Run(fmt.Sprint(name, "/Append/", n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := g.Append(dst, "user:1", src, 16); err != nil {
						b.Fatal(err)
					}
				}
			})
			data := must(g.Append(nil, "user:1", src, 16))
			b.Run(fmt.Sprint(name, "/Open/", n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, _, err := g.Open(data, "user:1"); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
