package msgpack_test

import (
	"bytes"
	"fmt"
	"math"
	"reflect"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	vmihailenco "github.com/vmihailenco/msgpack/v5"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/encoding/msgpack"
)

func TestAZeroValueIsReturnedOnlyIfItWasStored(t *testing.T) {
	type second struct{ Second int }
	for data, part := range map[string]string{
		"":                         "EOF",
		"\xc0":                     "nil",
		"\x90":                     "match",
		"\xdc\x00\x00":             "match",
		"\x81\xa6Second\x05":       "match",
		"\x82\xa3age\x00\xa1x\x00": "match",
		"\xa4text":                 "",
		"\x07":                     "",
		"\x92\xa3Ann\x05\x05":      "",
		"\xc1":                     "0xc1",
		"{\"Name\":\"Ann\"}":       "",
	} {
		wantDecodeErr(t, msgpack.Codec[user](), data, 0, part)
		if data != "\xc0" {
			wantDecodeErr(t, msgpack.Codec[*user](), data, 0, part)
			wantDecodeErr(t, msgpack.Codec[**user](), data, 0, part)
		}
	}
	ann := string(encode(t, msgpack.Codec[user](), user{"Ann", 40}))
	wantDecodeErr(t, msgpack.Codec[second](), ann, 0, "match")
	wantDecodeErr(t, msgpack.Codec[pair[second, *second]](),
		"\x81\xa3Key\x81\xa1x\x01", 0, "match")

	wantDecodeErr(t, msgpack.Codec[int](), "\xc0", 0, "nil")
	wantDecodeErr(t, msgpack.Codec[uint8](), "\xc0", 0, "nil")
	wantDecodeErr(t, msgpack.Codec[string](), "\xc0", 0, "nil")
	wantDecodeErr(t, msgpack.Codec[bool](), "\xc0", 0, "nil")
	wantDecodeErr(t, msgpack.Codec[celsius](), "\xc0", 0, "nil")
	wantDecodeErr(t, msgpack.Codec[time.Duration](), "\xc0", 0, "nil")
	wantDecodeErr(t, msgpack.Codec[time.Time](), "\xc0", 0, "")
	wantDecodeErr(t, msgpack.Codec[[2]int](), "\xc0", 0, "nil")
	wantDecodeErr(t, msgpack.Codec[[16]byte](), "\xc0", 0, "nil")
	wantDecodeErr(t, msgpack.Codec[level](), "\xc0", 0, "nil")
	wantDecodeErr(t, msgpack.Codec[row](), "\xc0", 0, "nil")

	wantDecodeErr(t, msgpack.Codec[row](), "\x90", 0, "match")
	wantDecodeErr(t, msgpack.Codec[[2]int](), "\x90", 0, "match")
	wantDecodeErr(t, msgpack.Codec[[2]int](), "\x91\x00", 0, "match")
	wantDecodeErr(t, msgpack.Codec[[16]byte](), "\xc4\x00", 0, "match")
	wantDecodeErr(t, msgpack.Codec[[16]byte](), "\xa4\x00\x00\x00\x00", 0, "match")
	wantDecodeErr(t, msgpack.Codec[string](), "\x00", 0, "")
	wantDecodeErr(t, msgpack.Codec[int](), "\xa0", 0, "")
	wantDecodeErr(t, msgpack.Codec[int](), "\x90", 0, "")
	wantDecodeErr(t, msgpack.Codec[bool](), "\x00", 0, "")
	wantDecodeErr(t, msgpack.Codec[map[string]int](), "\x90", 0, "")
	wantDecodeErr(t, msgpack.Codec[[]int](), "\x80", 0, "")
}

// Other programs may encode a zero value in other ways.
func TestZeroValuesOfOtherProgramsAreRead(t *testing.T) {
	wantRead(t, user{}, "\x80", "\x81\xa3age\x00",
		"\x82\xa3age\xd3\x00\x00\x00\x00\x00\x00\x00\x00\xa4Name\xd9\x00",
		"\x82\xa3age\xc0\xa4Name\xc0")
	wantRead(t, 0, "\x00", "\xd0\x00", "\xcf\x00\x00\x00\x00\x00\x00\x00\x00")
	wantRead(t, "", "\xa0", "\xd9\x00", "\xc4\x00")
	wantRead(t, celsius(0), "\x00", "\xca\x00\x00\x00\x00")
	wantRead(t, [2]int64{},
		"\x92\x00\xd3\x00\x00\x00\x00\x00\x00\x00\x00", "\xdc\x00\x02\x00\x00")
	wantRead(t, [2]byte{}, "\xc4\x02\x00\x00")
	wantRead(t, row{}, "\x92\x00\xd3\x00\x00\x00\x00\x00\x00\x00\x00")
	wantRead(t, struct{}{}, "\x80")
	wantRead(t, level(0), "\xa4info")
	wantRead(t, pair[level, level]{}, "\x81\xa3Key\xa4info")
	wantRead[*user](t, nil, "\xc0")
	wantRead[[]int](t, nil, "\xc0")
	wantRead[map[string]int](t, nil, "\xc0")
	wantRead[any](t, nil, "\xc0")
	wantRead[error](t, nil, "\xc0")
	wantRead[vmihailenco.RawMessage](t, nil, "\xc0")
}

// wantRead fails unless Decode returns want for each of data.
func wantRead[T any](t *testing.T, want T, data ...string) {
	t.Helper()
	for _, data := range data {
		got, err := msgpack.Codec[T]().Decode([]byte(data), 0)
		if !reflect.DeepEqual(got, want) || err != nil {
			t.Errorf("Decode(%q) = %v, %v; want %v", data, got, err, want)
		}
	}
}

// Programs of two versions share a cache while one replaces the other.
func TestValuesOfOtherVersionsOfTheTypeAreRead(t *testing.T) {
	wantRead(t, user{"Ann", 40}, "\x83\xa4Name\xa3Ann\xa5email\x81\xa1x\x93\x01\x02\x03\xa3age\x28")
	wantRead(t, user{Name: "Ann"}, "\x81\xa4Name\xa3Ann")
	wantRead(t, user{Age: 40}, "\x82\xa5email\xa1x\xa3age\x28")
}

func TestAnIntegerThatDoesNotFitIsAnError(t *testing.T) {
	for _, n := range []int64{
		math.MinInt64, math.MinInt32 - 1, math.MinInt16 - 1, -129, -128, -33, -1,
		0, 1, 127, 128, 255, 256, math.MaxUint16, math.MaxUint16 + 1,
		math.MaxInt32 + 1, math.MaxUint32 + 1, math.MaxInt64,
	} {
		data := string(encode(t, msgpack.Codec[int64](), n))
		long, err := vmihailenco.Marshal(n) // in nine bytes
		if err != nil {
			t.Fatal(err)
		}
		for _, data := range []string{data, string(long)} {
			wantNumber[int8](t, data, n, n == int64(int8(n)))
			wantNumber[int16](t, data, n, n == int64(int16(n)))
			wantNumber[int32](t, data, n, n == int64(int32(n)))
			wantNumber[int64](t, data, n, true)
			wantNumber[time.Duration](t, data, n, true)
			wantNumber[uint8](t, data, n, n == int64(uint8(n)))
			wantNumber[uint32](t, data, n, n == int64(uint32(n)))
			wantNumber[uint64](t, data, n, n >= 0)
		}
	}
	largest := string(encode(t, msgpack.Codec[uint64](), math.MaxUint64))
	wantDecodeErr(t, msgpack.Codec[int64](), largest, 0, "does not fit")
	wantDecodeErr(t, msgpack.Codec[*int64](), largest, 0, "does not fit")
	wantDecodeErr(t, msgpack.Codec[int8](), largest, 0, "does not fit")
	// A type that decodes itself may decode to another number.
	wantRead(t, doubled(64), "\xcc\x80", "\xcc\x81")
	wantRead(t, pointer(doubled(64)), "\xcc\x81")
}

// wantNumber fails unless Decode returns n if it fits into T, and an error if it does not.
func wantNumber[T ~int8 | ~int16 | ~int32 | ~int64 | ~uint8 | ~uint32 | ~uint64](
	t *testing.T, data string, n int64, fits bool,
) {
	t.Helper()
	v, err := msgpack.Codec[T]().Decode([]byte(data), 0)
	if fits && (int64(v) != n || err != nil) || !fits && (v != 0 || err == nil) {
		t.Errorf("Decode of %d to %T = %d, %v; it fits: %v", n, v, v, err, fits)
	}
}

func TestTruncatedDataAndTrailingBytesAreErrors(t *testing.T) {
	codec := msgpack.Codec[tree]()
	good := encode(t, codec, tree{
		Kids:  map[string]*tree{"a": {Tags: []string{"x", strings.Repeat("y", 300)}}},
		Left:  &tree{},
		Value: time.Unix(1, 1),
	})
	check := func() {
		for i := range good {
			wantDecodeErr(t, codec, string(good[:i]), 0, "EOF")
		}
		for _, more := range []string{"\x00", "\xc0", "\xc1", "\x81", string(good)} {
			wantDecodeErr(t, codec, string(good)+more, 0, "")
		}
	}
	check()
	if _, err := codec.Decode(good, 0); err != nil {
		t.Fatal(err)
	}
	check()
	wantDecodeErr(t, msgpack.Codec[emptyValue](), "", 0, "EOF")
	points := msgpack.Codec[point]()
	wantDecodeErr(t, points, "\x01", 0, "EOF")
	wantDecodeErr(t, points, "\x01\x02\x03", 0, "after the end")
}

func TestDecodeRefusesTheFlagsOfOtherCodecs(t *testing.T) {
	codec := msgpack.Codec[user]()
	good := string(encode(t, codec, user{"Ann", 40}))
	wantDecodeErr(t, codec, "\x80\x04\x88.", 1, "pickle")
	wantDecodeErr(t, codec, good, core.FlagText, "text")
	wantDecodeErr(t, codec, good, core.FlagInt, "integer")
	wantDecodeErr(t, codec, good, core.FlagEnvelope, "envelope")
	wantDecodeErr(t, codec, good, encoding.FlagGob, "gob")
	wantDecodeErr(t, codec, good, 1<<18, "unknown")
	wantDecodeErr(t, codec, good, encoding.FlagMsgPack|1<<18, "unknown")
	wantDecodeErr(t, codec, good, core.FlagZlib, "zlib")
	packed := encoding.Compress(codec, &encoding.CompressOptions{Threshold: 1})
	data, flags, err := packed.Append(nil, user{strings.Repeat("Ann", 100), 40})
	if err != nil || flags != encoding.FlagMsgPack|core.FlagZlib {
		t.Fatal(flags, err)
	}
	if v, err := codec.Decode(data, flags); v.Age != 40 || err != nil {
		t.Errorf("Decode of a value compressed by zlib = %v, %v", v, err)
	}
}

func TestPanicsOfTheDecoderBecomeErrors(t *testing.T) {
	wantDecodeErr(t, msgpack.Codec[pair[string, time.Time]](),
		"\x81\xa5Value\xc0", 0, "reflect")
	wantDecodeErr(t, msgpack.Codec[pair[string, error]](), "\x81\xa5Value\x05", 0, "reflect")
	wantDecodeErr(t, msgpack.Codec[error](), "\x05", 0, "reflect")
	wantDecodeErr(t, msgpack.Codec[map[any]int](), "\x81\x91\x01\x01", 0, "hash")
	codec := msgpack.Codec[map[any]int]()
	for range 3 {
		wantDecodeErr(t, codec, "\x81\x91\x01\x01", 0, "hash")
		if v, err := codec.Decode([]byte("\x81\xa1x\x01"), 0); v["x"] != 1 || err != nil {
			t.Errorf("after a panic, Decode = %v, %v; want map[x:1]", v, err)
		}
	}
}

// A few bytes that claim a large length take little memory, for every type.
func TestDecodeDoesNotAllocateWhatALengthClaims(t *testing.T) {
	claims := []string{
		"\xdd\xff\xff\xff\xff\x01\x02\x03", "\xdf\xff\xff\xff\xff\xa1a\x01",
		"\xc6\xff\xff\xff\xff\x01\x02\x03", "\xdb\xff\xff\xff\xff\x01\x02\x03",
		"\xc9\xff\xff\xff\xff\xff\x02\x03", "\xdc\xff\xff\x01", "\xde\xff\xff\xa1a\x01",
		"\xdd\x00\x0f\xff\xff\xdd\x00\x0f\xff\xff",
		"\xdf\x80\x00\x00\x00", "\xdf\x7f\xff\xff\xff\x01",
		"\x81\xa4Kids\xdf\x0f\xff\xff\xff\xa1a\x01", "\x81\xa4Tags\xdd\x0f\xff\xff\xff\xa1a\x01",
		"\x81\xa5Value\xdd\x0f\xff\xff\xff\xa1a\x01",
		// An extension instead of a map, with a map in it.
		"\xd6\x00\xdf\x0f\xff\xff\xff", "\xd7\x05\xdf\x0f\xff\xff\xff\x00\x00\x00",
		"\xc7\x05\x00\xdf\x0f\xff\xff\xff", "\xc8\x00\x05\x00\xdf\x0f\xff\xff\xff",
		"\xc9\x00\x00\x00\x05\x00\xdf\x0f\xff\xff\xff",
		"\xd4\x80\xdf\x0f\xff\xff\xff", "\xd4\x01\xde\xff\xff\x01",
		"\x81\xa4Kids\xd6\x00\xdf\x0f\xff\xff\xff", "\x81\xa1M\xd6\x00\xdf\x0f\xff\xff\xff",
	}
	for _, data := range claims {
		got := allocated(func() {
			wantDecodeErr(t, msgpack.Codec[any](), data, 0, "")
			wantDecodeErr(t, msgpack.Codec[tree](), data, 0, "")
			wantDecodeErr(t, msgpack.Codec[[]int](), data, 0, "")
			wantDecodeErr(t, msgpack.Codec[[]string](), data, 0, "")
			wantDecodeErr(t, msgpack.Codec[[]byte](), data, 0, "")
			wantDecodeErr(t, msgpack.Codec[string](), data, 0, "")
			wantDecodeErr(t, msgpack.Codec[map[string]any](), data, 0, "")
			wantDecodeErr(t, msgpack.Codec[map[string]string](), data, 0, "")
			wantDecodeErr(t, msgpack.Codec[map[string]int](), data, 0, "")
			wantDecodeErr(t, msgpack.Codec[struct{ M map[string]any }](), data, 0, "")
			wantDecodeErr(t, msgpack.Codec[time.Time](), data, 0, "")
		})
		if got > 200<<10 {
			t.Errorf("Decode of %q allocates %d bytes", data, got)
		}
	}
}

// Each length is possible by itself, but not all of them together.
func TestDecodeDoesNotAllocateWhatNestedLengthsClaim(t *testing.T) {
	var data []byte
	for n := uint16(15_000); n > 100; n -= 3 {
		data = append(data, 0xdc, byte(n>>8), byte(n))
	}
	data = append(data, make([]byte, 200)...)
	got := allocated(func() { wantDecodeErr(t, msgpack.Codec[any](), string(data), 0, "EOF") })
	if got > 1<<20 {
		t.Errorf("Decode of %d bytes allocates %d", len(data), got)
	}
}

// Megabytes of nested arrays and maps, for types that could have them, would make the
// decoder end the process.
func TestDataThatAreNestedTooDeepAreAnError(t *testing.T) {
	old := debug.SetMaxStack(64 << 20) // instead of a gigabyte, so that fewer data exceed it
	defer debug.SetMaxStack(old)
	type forest map[string]forest
	for name, level := range map[string]string{
		"arrays":                         "\x91",
		"long arrays":                    "\xdd\x00\x00\x00\x01",
		"pairs":                          "\x92\x01",
		"maps":                           "\x81\xa0",
		"long maps":                      "\xdf\x00\x00\x00\x01\xa0",
		"keys":                           "\x81",
		"trees":                          "\x81\xa4Kids\x81\xa0",
		"lists":                          "\x81\xa4Left",
		"values":                         "\x81\xa5Value",
		"unknown":                        "\x81\xa1x",
		"maps in extensions":             "\xd4\x00\x81\xa0",
		"maps in longer extensions":      "\xc7\x01\x00\x81\xa0",
		"maps in interned strings":       "\xd4\x80\x81\xa0",
		"trees in extensions":            "\x81\xa4Kids\xd4\x00\x81\xa0",
		"maps after an empty extension":  "\x81\xa0\xc7\x00\x00",
		"trees after an empty extension": "\x81\xa4Kids\xc7\x00\x00\x81\xa0",
	} {
		data := bytes.Repeat([]byte(level), 4<<20/len(level))
		for _, data := range []string{string(data), string(data[:20_000*len(level)]) + "\xc0"} {
			wantDecodeErr(t, msgpack.Codec[any](), data, 0, "")
			wantDecodeErr(t, msgpack.Codec[tree](), data, 0, "")
			wantDecodeErr(t, msgpack.Codec[forest](), data, 0, "")
			wantDecodeErr(t, msgpack.Codec[vmihailenco.RawMessage](), data, 0, "")
		}
		if t.Failed() {
			t.Fatal(name)
		}
	}
	deep := bytes.Repeat([]byte("\x91"), 10_001)
	wantDecodeErr(t, msgpack.Codec[any](), string(deep)+"\xc0", 0, "10000 deep")
	if _, err := msgpack.Codec[any]().Decode(append(deep[1:], 0xc0), 0); err != nil {
		t.Errorf("Decode of 10,000 levels: %v", err)
	}
}

// The decoder does not distinguish an extension from a map.
func TestAnExtensionIsNotReadAsAMap(t *testing.T) {
	for _, ext := range []string{
		"\xd4\x00\x80", "\xd4\xff\x80", "\xd4\x80\x80", "\xd5\x00\x80\x00", "\xd4\x00\xc0",
		"\xc7\x01\x05\x80", "\xc7\x00\x00\x80",
	} {
		wantDecodeErr(t, msgpack.Codec[map[string]int](), ext, 0, "extension")
		wantDecodeErr(t, msgpack.Codec[map[string]any](), ext, 0, "extension")
		wantDecodeErr(t, msgpack.Codec[map[string]string](), ext, 0, "extension")
		wantDecodeErr(t, msgpack.Codec[hiddenMap](), ext, 0, "extension")
		wantDecodeErr(t, msgpack.Codec[pair[string, map[string]any]](),
			"\x81\xa5Value"+ext, 0, "extension")
		wantDecodeErr(t, msgpack.Codec[pair[time.Time, map[string]any]](),
			"\x82\xa3Key\xd6\xff\x80\x80\x80\x80\xa5Value"+ext, 0, "extension")
		wantDecodeErr(t, msgpack.Codec[pair[word, map[string]any]](),
			"\x81\xa5Value"+ext, 0, "extension")
		wantDecodeErr(t, msgpack.Codec[struct {
			M map[string]any
			W word
		}](), "\x81\xa1M"+ext, 0, "extension")
	}
}

// The numbers of interned strings are extensions that look like maps from 128 on.
func TestMoreThan128InternedStringsWithMapsAreAnError(t *testing.T) {
	type text struct {
		Words []word
		Notes map[string]string
	}
	var v text
	for i := range 129 {
		w := fmt.Sprint("word ", i)
		v.Words = append(v.Words, word{w, w})
	}
	v.Words[128].Any = false
	roundTrip(v)(t)
	v.Words = append(v.Words, v.Words[128])
	codec := msgpack.Codec[text]()
	wantDecodeErr(t, codec, string(encode(t, codec, v)), 0, "extension")
}
