package zstd_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/encoding/zstd"
)

// wantUnread fails unless src is an error, whether all of it is read or not.
func wantUnread(t *testing.T, what string, src []byte) {
	t.Helper()
	if got, err := plain(src); err == nil {
		t.Errorf("%s is read as %d bytes, %.20q", what, len(got), got)
	}
}

func TestWhatIsCutOffIsAnError(t *testing.T) {
	for _, n := range []int{0, 1, 300, 2000} {
		packed := compressed(t, text(n))
		for i := range packed {
			wantUnread(t, "a part", packed[:i])
		}
	}
	long := compressed(t, text(1_500_000)) // of many blocks
	for i := 1; i < len(long); i += len(long) / 50 {
		wantUnread(t, "a part", long[:len(long)-i])
	}
}

func TestWhatHasSomethingBehindItsEndIsAnError(t *testing.T) {
	skippable := []byte("\x50\x2a\x4d\x18\x03\x00\x00\x00abc")
	none := compressed(t, nil)
	for _, n := range []int{0, 1, 300, 2000, 300_000} {
		packed := compressed(t, text(n))
		for what, more := range map[string][]byte{
			"a byte": {0}, "two": {0x28, 0xb5}, "three": []byte("abc"), "the beginning of a frame": packed[:4],
			"itself": packed, "an empty frame": none, "a frame to skip": skippable,
		} {
			wantUnread(t, what+" behind it", append(bytes.Clone(packed), more...))
		}
		wantUnread(t, "a frame to skip before it", append(bytes.Clone(skippable), packed...))
	}
	wantUnread(t, "a frame to skip", skippable)
	wantUnread(t, "a frame to skip that ends like a block", []byte("\x50\x2a\x4d\x18\x03\x00\x00\x00\x01\x00\x00"))
}

// No bit of the checksum, and none of what it is of.
func TestWhatIsDamagedIsAnError(t *testing.T) {
	for _, src := range [][]byte{text(40), text(500), text(3000), noise(1500), make([]byte, 5000)} {
		packed := compressed(t, src)
		for i := range packed {
			for bit := range 8 {
				damaged := bytes.Clone(packed)
				damaged[i] ^= 1 << bit
				if got, err := plain(damaged); err == nil && !bytes.Equal(got, src) {
					t.Errorf("bit %d of byte %d of %d changes the value to %.20q", bit, i, len(packed), got)
				}
			}
		}
		last := bytes.Clone(packed)
		last[len(last)-1] ^= 1
		wantUnread(t, "a wrong checksum", last)
	}
}

func TestWhatIsNoZstandardIsAnError(t *testing.T) {
	for _, src := range []string{"text", "\x28\xb5\x2f\xfd", `{"ID":1}`, "\x78\x9c\x03\x00\x00\x00\x00\x01", "\x1f\x8b\x08\x00\x00\x00\x00\x00"} {
		wantUnread(t, src, []byte(src))
	}
	// A frame that names a dictionary, and one with a block of the reserved type.
	wantUnread(t, "a dictionary", []byte("\x28\xb5\x2f\xfd\x21\x07\x01\x09\x00\x00a"))
	wantUnread(t, "a reserved block", []byte("\x28\xb5\x2f\xfd\x20\x01\x0f\x00\x00a"))
}

// header answers the header of a frame, with a window descriptor or, for window
// 0, none, and a content of size bytes; and one block that repeats a byte.
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

// A few bytes take little memory, whatever they claim. What they may claim is what
// Append does.
func TestAHeaderTakesNoMemoryForWhatItClaims(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	claims := map[string][]byte{
		"a window of 2 MiB":            header(11<<3, 32),
		"a window of 8 MiB":            header(13<<3, 32),
		"a window of 1 GiB":            header(20<<3, 32),
		"the largest window":           header(0xff, 32),
		"a content of 2 MiB":           header(0, 2<<20),
		"a content of 4 GiB":           header(0, 1<<32-1),
		"a block that is not there":    []byte("\x28\xb5\x2f\xfd\x80\x50\x00\x00\x02\x00\x05\x00\x10abc"),
		"a window and content allowed": header(10<<3, 1<<20),
	}
	for what, src := range claims {
		most := uint64(64 << 10)
		if what == "a window and content allowed" {
			most = 3 << 19
		}
		if got := allocated(func() { wantUnread(t, what, src) }); got > most {
			t.Errorf("%s takes %d bytes, want at most %d", what, got, most)
		}
	}
	if got, err := plain(header(10<<3, 32)); string(got) != "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" || err != nil {
		t.Errorf("without a claim: %q, %v", got, err)
	}
}

// A few kilobytes stand for 60 MiB.
func TestABombIsTooLarge(t *testing.T) {
	bomb := compressed(t, make([]byte, 60<<20))
	if len(bomb) > 10_000 {
		t.Fatalf("%d bytes", len(bomb))
	}
	codec := encoding.Compress(encoding.Bytes(), &encoding.CompressOptions{With: zstd.New(), MaxSize: 1 << 20})
	decode := func() {
		if v, err := codec.Decode(bomb, zstd.Flag); !errors.Is(err, core.ErrTooLarge) || v != nil {
			t.Errorf("%d bytes, %v; want ErrTooLarge", len(v), err)
		}
	}
	if got := allocated(decode); got > 12<<20 && !raceEnabled {
		t.Errorf("it takes %d bytes", got)
	}
	c := open(t, nil)
	if err := c.Store(t.Context(), core.Set, core.Item{Key: "bomb", Value: bomb, Flags: zstd.Flag}); err != nil {
		t.Fatal(err)
	}
	_, err := must(core.NewTyped(c, codec)).Get(t.Context(), "bomb")
	if !errors.Is(err, core.ErrCodec) || !errors.Is(err, core.ErrTooLarge) {
		t.Errorf("Get: %v", err)
	}
}
