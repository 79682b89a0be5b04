package cbor_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"

	fxamacker "github.com/fxamacker/cbor/v2"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/encoding/cbor"
	"github.com/cachewire/cachewire/memory"
)

// newCache returns a cache in memory.
func newCache(t testing.TB) *core.Cache {
	t.Helper()
	c, err := core.New(must(memory.New(nil)), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// must returns v, and panics if there is an error.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// encode returns what codec appends for v.
func encode[T any](t testing.TB, codec core.Codec[T], v T) string {
	t.Helper()
	data, flags, err := codec.Append(nil, v)
	if err != nil || flags != encoding.FlagCBOR {
		t.Fatalf("Append(%v): flags %#x, %v", v, flags, err)
	}
	return string(data)
}

// wantDecodeErr fails unless codec returns the zero value and an error with part.
func wantDecodeErr[T any](
	t *testing.T,
	codec core.Codec[T],
	data string,
	flags uint32,
	part string,
) {
	t.Helper()
	v, err := codec.Decode([]byte(data), flags)
	if err == nil || !strings.Contains(err.Error(), part) || !reflect.ValueOf(&v).Elem().IsZero() {
		t.Errorf(
			"%T: Decode(%.50q, %#x) = %v, %v; want an error with %q",
			codec,
			data,
			flags,
			v,
			err,
			part,
		)
	}
}

// wantRead fails unless Decode returns want for each of data.
func wantRead[T any](t *testing.T, want T, data ...string) {
	t.Helper()
	for _, data := range data {
		got, err := cbor.Codec[T]().Decode([]byte(data), 0)
		if !reflect.DeepEqual(got, want) || err != nil {
			t.Errorf("Decode(%q) = %v, %v; want %v", data, got, err, want)
		}
	}
}

// The expected bytes are the examples in appendix A of RFC 8949.
func TestValuesAreStoredAsTheStandardSays(t *testing.T) {
	for _, tt := range []struct {
		v    any
		want string
	}{
		{0, "\x00"}, {23, "\x17"}, {24, "\x18\x18"}, {1000, "\x19\x03\xe8"}, {-100, "\x38\x63"},
		{uint64(18446744073709551615), "\x1b\xff\xff\xff\xff\xff\xff\xff\xff"},
		{new(big.Int).Lsh(big.NewInt(1), 64), "\xc2\x49\x01\x00\x00\x00\x00\x00\x00\x00\x00"},
		{1.1, "\xfb\x3f\xf1\x99\x99\x99\x99\x99\x9a"}, {true, "\xf5"}, {nil, "\xf6"},
		{"ü", "\x62\xc3\xbc"}, {[]byte{1, 2, 3, 4}, "\x44\x01\x02\x03\x04"},
		{[]any{1, []int{2, 3}}, "\x82\x01\x82\x02\x03"},
		{map[string]any{"a": 1}, "\xa1\x61\x61\x01"},
		{time.Date(2013, 3, 21, 20, 4, 0, 0, time.UTC), "\xc0\x74" + "2013-03-21T20:04:00Z"},
	} {
		if got := encode(t, cbor.Codec[any](), tt.v); got != tt.want {
			t.Errorf("%v is stored as %q, want %q", tt.v, got, tt.want)
		}
	}
	wantRead(t, []int{1, 2}, "\x9f\x01\x02\xff") // of no definite length
	wantRead(t, "streaming", "\x7f\x65strea\x64ming\xff")
	wantRead(t, time.Unix(1363896240, 0), "\xc1\x1a\x51\x4b\x67\xb0")
	wantRead(t, 1.5, "\xf9\x3e\x00")
	wantRead(t, user{"Ann", 40}, "\xd9\xd9\xf7\xa2\x64Name\x63Ann\x63age\x18\x28") // self-described
}

func TestAZeroValueIsReturnedOnlyIfItWasStored(t *testing.T) {
	for data, part := range map[string]string{
		"":                                "EOF",
		"\xf6":                            "null",
		"\xf7":                            "null",
		"\x80":                            "",
		"\xa1\x66Second\x05":              "match",
		"\xa2\x66Second\x00\x63age\x00":   "match",
		"\x64text":                        "",
		"\x07":                            "",
		"{\"Name\":\"Ann\"}":              "",
		"\xa1\x63age\xfb\x3f\xf8\x00\x00": "EOF",
	} {
		wantDecodeErr(t, cbor.Codec[user](), data, 0, part)
		if data != "\xf6" && data != "\xf7" {
			wantDecodeErr(t, cbor.Codec[*user](), data, 0, part)
		}
	}
	wantDecodeErr(t, cbor.Codec[int](), "\xf6", 0, "null")
	wantDecodeErr(t, cbor.Codec[string](), "\xf6", 0, "null")
	wantDecodeErr(t, cbor.Codec[bool](), "\xf7", 0, "null")
	wantDecodeErr(t, cbor.Codec[[2]int](), "\xf6", 0, "null")
	wantDecodeErr(t, cbor.Codec[level](), "\xf6", 0, "null")
	wantDecodeErr(t, cbor.Codec[[2]int](), "\x80", 0, "match")
	wantDecodeErr(t, cbor.Codec[[2]int](), "\x81\x00", 0, "match")
	wantDecodeErr(t, cbor.Codec[[2]int](), "\x83\x00\x00\x01", 0, "match")
	wantDecodeErr(t, cbor.Codec[row](), "\x80", 0, "")
	wantRead(t, user{}, "\xa0", "\xa1\x63age\x00", "\xa2\x63age\xf6\x64Name\xf6", "\xbf\xff")
	wantRead(t, 0, "\x00", "\x18\x00", "\x1b\x00\x00\x00\x00\x00\x00\x00\x00")
	wantRead(t, 0.0, "\x00", "\xf9\x00\x00")
	wantRead(t, [2]int{}, "\x82\x00\x00")
	wantRead(t, time.Time{}, "\xf6")
	wantRead(t, struct{}{}, "\xa0")
	wantRead[*user](t, nil, "\xf6", "\xf7")
	wantRead[[]int](t, nil, "\xf6")
	wantRead[any](t, nil, "\xf6")
}

func TestANumberThatDoesNotFitIsAnError(t *testing.T) {
	wantDecodeErr(t, cbor.Codec[int8](), "\x18\x80", 0, "int8")
	wantDecodeErr(t, cbor.Codec[uint8](), "\x20", 0, "uint8")
	wantDecodeErr(t, cbor.Codec[struct{ N int8 }](), "\xa1\x61N\x18\x80", 0, "int8")
	wantDecodeErr(t, cbor.Codec[int64](), "\x1b\xff\xff\xff\xff\xff\xff\xff\xff", 0, "int64")
}

func TestLongAndDeepValuesAreRead(t *testing.T) {
	many := make([]int8, 200_000) // more than the package reads by default
	got, err := cbor.Codec[[]int8]().Decode([]byte(encode(t, cbor.Codec[[]int8](), many)), 0)
	if len(got) != len(many) || err != nil {
		t.Errorf("%d elements are decoded as %d, %v", len(many), len(got), err)
	}
	lots := map[int]bool{}
	for i := range 200_000 {
		lots[i] = true
	}
	codec := cbor.Codec[map[int]bool]()
	all, err := codec.Decode([]byte(encode(t, codec, lots)), 0)
	if len(all) != len(lots) || err != nil {
		t.Errorf("%d pairs are decoded as %d, %v", len(lots), len(all), err)
	}
	deep := strings.Repeat("\x81", 9_999) + "\xf6"
	if _, err := cbor.Codec[any]().Decode([]byte(deep), 0); err != nil {
		t.Errorf("Decode of 9,999 levels: %v", err)
	}
	wantDecodeErr(t, cbor.Codec[any](), strings.Repeat("\x81", 10_001)+"\xf6", 0, "nest")
}

type (
	hidden struct{ x int }
	Hidden struct{ x int }
)

// For staticcheck, which otherwise reports fields that no code uses.
var _ = []int{hidden{}.x, Hidden{}.x}

func TestATypeWhoseFieldsAreAllUnexportedIsRefused(t *testing.T) {
	wantRefused(t, cbor.Codec[hidden](), "x")
	wantRefused(t, cbor.Codec[map[string][]*hidden](), "[][].x")
	wantRefused(t, cbor.Codec[pair[string, hidden]](), "Value.x")
	wantRefused(t, cbor.Codec[struct {
		Hidden
		Name string
	}](), "Hidden.x")
	wantRefused(t, cbor.Codec[struct {
		H hidden `cbor:"h" json:"-"`
	}](), "H.x")
	for _, codec := range []core.CodecChecker{
		checker(cbor.Codec[*big.Int]()), checker(cbor.Codec[map[string]big.Int]()),
		checker(cbor.Codec[gadget]()), checker(cbor.Codec[row]()), checker(cbor.Codec[level]()),
		checker(cbor.Codec[struct {
			H    hidden `cbor:"-"`
			J    hidden `json:"-"`
			Name string
		}]()),
	} {
		if err := codec.Check(core.Traits{}); err != nil {
			t.Errorf("%T: %v", codec, err)
		}
	}
}

func checker[T any](codec core.Codec[T]) core.CodecChecker { return codec.(core.CodecChecker) }

// wantRefused fails unless NewTyped and Append refuse T, and name the field.
func wantRefused[T any](t *testing.T, codec core.Codec[T], field string) {
	t.Helper()
	_, err := core.NewTyped(newCache(t), codec)
	_, _, appendErr := codec.Append(nil, *new(T))
	for _, err := range []error{err, appendErr} {
		if !errors.Is(err, core.ErrConfig) || !strings.Contains(err.Error(), " "+field+" ") {
			t.Errorf("%T: error is %v, want ErrConfig with the field %s", codec, err, field)
		}
	}
}

// Module encoding has values of all codecs in package codectest.
func TestTheCodecWritesTheValuesInCodectest(t *testing.T) {
	for want, v := range map[string]any{
		"\xa1\x69codectest\x67foreign": map[string]string{"codectest": "foreign"},
		"\x18\x35":                     53,
	} {
		if got := encode(t, cbor.Codec[any](), v); got != want {
			t.Errorf("%v is stored as %q, want %q", v, got, want)
		}
	}
}

// The encoder and the decoder allocate the parts of a value, and the codec adds nothing.
func TestTheCodecAllocatesNoMoreThanThePackage(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	codec := cbor.Codec[gadget]()
	v := gadget{Name: "Ann", Tags: []string{"a", "b"}, Raw: []byte("raw")}
	data := []byte(encode(t, codec, v))
	dst := make([]byte, 0, 2*len(data))
	if got := testing.AllocsPerRun(100, func() { _, _, _ = codec.Append(dst, v) }); got > 0 {
		t.Errorf("Append: %v allocations, want none", got)
	}
	want := testing.AllocsPerRun(100, func() { _ = fxamacker.Unmarshal(data, new(gadget)) })
	if got := testing.AllocsPerRun(100, func() { _, _ = codec.Decode(data, 0) }); got > want {
		t.Errorf("Decode: %v allocations, the package has %v", got, want)
	}
}

func FuzzDecode(f *testing.F) {
	for _, v := range []any{
		nil, 53, -1, 1.5, "text", []byte("bytes"), user{"Ann", 40},
		gadget{Name: "g", N: big.NewInt(7)},
		tree{Kids: map[string]*tree{"a": {}}}, map[int]any{1: "a"}, time.Unix(1, 5),
	} {
		data, err := fxamacker.Marshal(v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	anything, users := cbor.Codec[any](), cbor.Codec[*user]()
	gadgets, trees := cbor.Codec[gadget](), cbor.Codec[tree]()
	maps, rows := cbor.Codec[map[int8]any](), cbor.Codec[row]()
	f.Fuzz(func(t *testing.T, data []byte) {
		checkDecode(t, anything, data)
		checkDecode(t, users, data)
		checkDecode(t, gadgets, data)
		checkDecode(t, trees, data)
		checkDecode(t, maps, data)
		checkDecode(t, rows, data)
	})
}

// checkDecode fails if codec panics for data, or returns a value that does not round-trip.
// The value must be stored as the same bytes the second time.
func checkDecode[T any](t *testing.T, codec core.Codec[T], data []byte) {
	t.Helper()
	before := bytes.Clone(data)
	v, err := codec.Decode(data, 0)
	if !bytes.Equal(data, before) {
		t.Errorf("Decode(%q) writes to its input", before)
	}
	if err != nil {
		return
	}
	again, flags, err := codec.Append(nil, v)
	if err != nil {
		t.Errorf("%T: Append(%v), which Decode(%q) returned: %v", codec, v, data, err)
		return
	}
	got, err := codec.Decode(again, flags)
	if err != nil ||
		fmt.Sprintf("%#v", reflect.TypeOf(got)) != fmt.Sprintf("%#v", reflect.TypeOf(v)) {
		t.Errorf(
			"%T: %v, which Decode(%q) returned, is decoded as %v, %v",
			codec,
			v,
			data,
			got,
			err,
		)
	}
}
