package encoding_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
)

func TestBytesDoesNotChangeBytes(t *testing.T) {
	for _, v := range []string{"", "a", "\x00\xff\n", strings.Repeat("x", 5000)} {
		data, flags := encode(t, encoding.Bytes(), []byte(v))
		if string(data) != v || flags != core.FlagBytes {
			t.Errorf("%.20q is stored as %.20q with flags %d, want no change and 0",
				v, data, flags)
		}
		got, err := encoding.Bytes().Decode(data, flags)
		if string(got) != v || err != nil {
			t.Errorf("%.20q is decoded as %.20q, %v", v, got, err)
		}
	}
	spare := append(make([]byte, 0, 10), "abc"...)
	if got, _ := encoding.Bytes().Decode(spare, 0); cap(got) != 3 {
		t.Errorf("capacity is %d, want 3, or else append writes into the cache", cap(got))
	}
}

func TestTextAcceptsOnlyUTF8(t *testing.T) {
	for _, v := range []string{"", "a", "grüße, 世界 \x00", "�"} {
		data, flags := encode(t, encoding.Text(), v)
		if string(data) != v || flags != core.FlagText {
			t.Errorf("%q is stored as %q with flags %d, want no change and %d",
				v, data, flags, core.FlagText)
		}
		for _, flags := range []uint32{flags, 0} {
			if got, err := encoding.Text().Decode(data, flags); got != v || err != nil {
				t.Errorf("Decode(%q, %d) = %q, %v", v, flags, got, err)
			}
		}
	}
	const halfOfASurrogatePair = "\xed\xa0\x80"
	for _, v := range []string{"\xff", "gr\xfc\xdfe", halfOfASurrogatePair} {
		dst, _, err := encoding.Text().Append([]byte("dst"), v)
		if err == nil || !strings.Contains(err.Error(), "not UTF-8") || string(dst) != "dst" {
			t.Errorf("Append(%q) = %q, %v; want an error", v, dst, err)
		}
		wantDecodeErr(t, encoding.Text(), v, core.FlagText, "not UTF-8")
		wantDecodeErr(t, encoding.Text(), v, 0, "not UTF-8")
	}
}

func TestIntEncodesEveryNumberOfItsType(t *testing.T) {
	t.Run("int8", intsRoundTrip[int8](math.MinInt8, -1, 0, 1, math.MaxInt8))
	t.Run("int16", intsRoundTrip[int16](math.MinInt16, math.MaxInt16))
	t.Run("int32", intsRoundTrip[int32](math.MinInt32, math.MaxInt32))
	t.Run("int64", intsRoundTrip[int64](math.MinInt64, -1, 0, 1, math.MaxInt64))
	t.Run("int", intsRoundTrip[int](math.MinInt, math.MaxInt))
	t.Run("uint8", intsRoundTrip[uint8](0, 1, math.MaxUint8))
	t.Run("uint16", intsRoundTrip[uint16](math.MaxUint16))
	t.Run("uint32", intsRoundTrip[uint32](math.MaxUint32))
	t.Run("uint64", intsRoundTrip[uint64](0, math.MaxInt64, math.MaxInt64+1, math.MaxUint64))
	t.Run("uint", intsRoundTrip[uint](math.MaxUint))
	t.Run("uintptr", intsRoundTrip[uintptr](math.MaxUint))
	type id int32
	t.Run("named type", intsRoundTrip[id](-5, 5))
}

func intsRoundTrip[T int8 | int16 | ~int32 | int64 | int |
	uint8 | uint16 | uint32 | uint64 | uint | uintptr](values ...T) func(*testing.T) {
	return func(t *testing.T) {
		codec := encoding.Int[T]()
		for _, v := range values {
			data, flags := encode(t, codec, v)
			if want := fmt.Sprint(v); string(data) != want || flags != core.FlagInt {
				t.Errorf("%v is stored as %q with flags %d, want %q with %d",
					v, data, flags, want, core.FlagInt)
			}
			for _, data := range []string{string(data), string(data) + "  "} {
				if got, err := codec.Decode([]byte(data), flags); got != v || err != nil {
					t.Errorf("Decode(%q) = %v, %v; want %v", data, got, err, v)
				}
			}
		}
	}
}

func TestIntRefusesOtherTextAndNumbersThatDoNotFit(t *testing.T) {
	for _, data := range []string{
		"", " ", "-", "+5", " 5", "5 6", "5\n", "5\x00", "0x10", "1_000", "1e3", "5.0",
		"--5", "-5-", "٣", "true",
	} {
		wantDecodeErr(t, encoding.Int[int](), data, core.FlagInt, "not an integer")
		wantDecodeErr(t, encoding.Int[uint64](), data, core.FlagInt, "not an integer")
	}
	const overInt64, underInt64 = "9223372036854775808", "-9223372036854775809"
	const overUint64 = "18446744073709551616"
	huge := strings.Repeat("9", 100_000)
	for _, data := range []string{
		"128", "-129", "256", "-300", "300", overInt64, underInt64, overUint64, huge, "-" + huge,
	} {
		wantDecodeErr(t, encoding.Int[int8](), data, core.FlagInt, "does not fit into int8")
	}
	for _, data := range []string{"-1", "256", "-255", "18446744073709551615", overUint64} {
		wantDecodeErr(t, encoding.Int[uint8](), data, core.FlagInt, "does not fit into uint8")
	}
	for _, data := range []string{overInt64, underInt64} {
		wantDecodeErr(t, encoding.Int[int64](), data, core.FlagInt, "does not fit into int64")
	}
	for _, data := range []string{overUint64, "-1"} {
		wantDecodeErr(t, encoding.Int[uint64](), data, core.FlagInt, "does not fit into uint64")
	}
	for _, data := range []string{huge, strings.Repeat("x", 100_000)} {
		if _, err := encoding.Int[int]().Decode([]byte(data), 0); len(err.Error()) > 200 {
			t.Errorf("the error has %d bytes, want at most 200", len(err.Error()))
		}
	}
	if v, err := encoding.Int[int]().Decode([]byte("-0"), 0); v != 0 || err != nil {
		t.Errorf("Int[int]: Decode(-0) = %d, %v; want 0", v, err)
	}
	if v, err := encoding.Int[uint]().Decode([]byte("-0"), 0); v != 0 || err != nil {
		t.Errorf("Int[uint]: Decode(-0) = %d, %v; want 0", v, err)
	}
	if v, err := encoding.Int[int]().Decode([]byte("007"), 0); v != 7 || err != nil {
		t.Errorf("Decode(007) = %d, %v; want 7", v, err)
	}
}

func TestIntReadsAndWritesCounters(t *testing.T) {
	c := newCache(t, true)
	counts := must(core.NewTyped(c, encoding.Int[uint64]()))
	ctx := t.Context()
	if err := counts.Set(ctx, "n", 41, 0); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Incr(ctx, "n", 1); n != 42 || err != nil {
		t.Errorf("Incr = %d, %v; want 42", n, err)
	}
	if n, err := counts.Get(ctx, "n"); n != 42 || err != nil {
		t.Errorf("Get = %d, %v; want 42", n, err)
	}
	if _, err := c.IncrFrom(ctx, "new", 5, 10, 0); err != nil {
		t.Fatal(err)
	}
	if n, err := counts.Get(ctx, "new"); n != 15 || err != nil {
		t.Errorf("Get = %d, %v; want 15", n, err)
	}
}
