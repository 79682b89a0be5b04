package zstd_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/encoding/zstd"
)

// wantReadErr fails unless reading src returns an error.
func wantReadErr(t *testing.T, name string, src []byte) {
	t.Helper()
	if got, err := decompressed(src); err == nil {
		t.Errorf("%s: read %d bytes, %.20q, want an error", name, len(got), got)
	}
}

func TestTruncatedValuesAreErrors(t *testing.T) {
	for _, n := range []int{0, 1, 300, 2000} {
		packed := compressed(t, text(n))
		for i := range packed {
			wantReadErr(t, "a part", packed[:i])
		}
	}
	long := compressed(t, text(1_500_000)) // of many blocks
	for i := 1; i < len(long); i += len(long) / 50 {
		wantReadErr(t, "a part", long[:len(long)-i])
	}
}

func TestTrailingBytesAreErrors(t *testing.T) {
	skippable := []byte("\x50\x2a\x4d\x18\x03\x00\x00\x00abc")
	none := compressed(t, nil)
	for _, n := range []int{0, 1, 300, 2000, 300_000} {
		packed := compressed(t, text(n))
		for name, more := range map[string][]byte{
			"a byte":                   {0},
			"two bytes":                {0x28, 0xb5},
			"three bytes":              []byte("abc"),
			"the beginning of a frame": packed[:4],
			"the same frame":           packed,
			"an empty frame":           none,
			"a skippable frame":        skippable,
		} {
			wantReadErr(t, name+" after it", append(bytes.Clone(packed), more...))
		}
		wantReadErr(t, "a skippable frame before it", append(bytes.Clone(skippable), packed...))
	}
	wantReadErr(t, "a skippable frame", skippable)
	wantReadErr(t, "a skippable frame that ends like a block",
		[]byte("\x50\x2a\x4d\x18\x03\x00\x00\x00\x01\x00\x00"))
}

// If a bit changes, reading returns an error or the same value.
func TestDamagedValuesAreErrors(t *testing.T) {
	for _, src := range [][]byte{
		text(40), text(500), text(3000), noise(1500), make([]byte, 5000),
	} {
		packed := compressed(t, src)
		for i := range packed {
			for bit := range 8 {
				damaged := bytes.Clone(packed)
				damaged[i] ^= 1 << bit
				if got, err := decompressed(damaged); err == nil && !bytes.Equal(got, src) {
					t.Errorf("bit %d of byte %d of %d changes the value to %.20q",
						bit, i, len(packed), got)
				}
			}
		}
		last := bytes.Clone(packed)
		last[len(last)-1] ^= 1
		wantReadErr(t, "a wrong checksum", last)
	}
}

func TestOtherFormatsAndFramesAreErrors(t *testing.T) {
	for _, src := range []string{
		"text", "\x28\xb5\x2f\xfd", `{"ID":1}`,
		"\x78\x9c\x03\x00\x00\x00\x00\x01", "\x1f\x8b\x08\x00\x00\x00\x00\x00",
	} {
		wantReadErr(t, src, []byte(src))
	}
	wantReadErr(t, "a frame with a dictionary",
		[]byte("\x28\xb5\x2f\xfd\x21\x07\x01\x09\x00\x00a"))
	wantReadErr(t, "a block of the reserved type",
		[]byte("\x28\xb5\x2f\xfd\x20\x01\x0f\x00\x00a"))
}

// header returns a frame with a header and one block, which repeats a byte. The header
// has a window descriptor, unless window is 0, and a content of size bytes.
func header(window byte, size uint32) []byte {
	frame := []byte("\x28\xb5\x2f\xfd\x80")
	if window != 0 {
		frame = append(frame, window)
	} else {
		frame[4] |= 1 << 5
	}
	frame = append(frame, byte(size), byte(size>>8), byte(size>>16), byte(size>>24))
	return append(frame, 1<<1|1, 1, 0, 'x') // the last block, 32 bytes of x
}

// A few bytes that claim a large size take little memory. If the size is one that Append
// uses, they may take that much.
func TestReadDoesNotAllocateWhatAHeaderClaims(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	const allowed = "a window and a content that are allowed"
	claims := map[string][]byte{
		"a window of 2 MiB":  header(11<<3, 32),
		"a window of 8 MiB":  header(13<<3, 32),
		"a window of 1 GiB":  header(20<<3, 32),
		"the largest window": header(0xff, 32),
		"a content of 2 MiB": header(0, 2<<20),
		"a content of 4 GiB": header(0, 1<<32-1),
		"a missing block":    []byte("\x28\xb5\x2f\xfd\x80\x50\x00\x00\x02\x00\x05\x00\x10abc"),
		allowed:              header(10<<3, 1<<20),
	}
	for name, src := range claims {
		limit := uint64(64 << 10)
		if name == allowed {
			limit = 3 << 19
		}
		if got := allocated(func() { wantReadErr(t, name, src) }); got > limit {
			t.Errorf("%s: read allocates %d bytes, want at most %d", name, got, limit)
		}
	}
	got, err := decompressed(header(10<<3, 32))
	if string(got) != "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" || err != nil {
		t.Errorf("a true size: read %q, %v; want 32 bytes", got, err)
	}
}

// The compressed value has a few kilobytes, and stands for 60 MiB.
func TestDecodeStopsDecompressingAtMaxSize(t *testing.T) {
	bomb := compressed(t, make([]byte, 60<<20))
	if len(bomb) > 10_000 {
		t.Fatalf("compressed to %d bytes, want at most 10,000", len(bomb))
	}
	codec := encoding.Compress(encoding.Bytes(),
		&encoding.CompressOptions{With: zstd.New(), MaxSize: 1 << 20})
	decode := func() {
		if v, err := codec.Decode(bomb, zstd.Flag); !errors.Is(err, core.ErrTooLarge) || v != nil {
			t.Errorf("Decode = %d bytes, %v; want ErrTooLarge", len(v), err)
		}
	}
	if got := allocated(decode); got > 12<<20 && !raceEnabled {
		t.Errorf("Decode allocates %d bytes", got)
	}
	c := newCache(t, nil)
	item := core.Item{Key: "bomb", Value: bomb, Flags: zstd.Flag}
	if err := c.Store(t.Context(), core.Set, item); err != nil {
		t.Fatal(err)
	}
	_, err := must(core.NewTyped(c, codec)).Get(t.Context(), "bomb")
	if !errors.Is(err, core.ErrCodec) || !errors.Is(err, core.ErrTooLarge) {
		t.Errorf("Get: error is %v, want ErrCodec and ErrTooLarge", err)
	}
}
