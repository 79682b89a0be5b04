package encoding_test

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
)

// inflate is what Python's zlib.decompress does.
func inflate(t testing.TB, data []byte) string {
	t.Helper()
	r, err := zlib.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(plain)
}

func TestCompressBeginsAtTheThreshold(t *testing.T) {
	for _, tt := range []struct {
		name      string
		threshold int
		length    int
		packed    bool
	}{
		{"default, below", 0, 1023, false},
		{"default, at", 0, 1024, true},
		{"own, below", 100, 99, false},
		{"own, at", 100, 100, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			codec := encoding.Compress(encoding.Text(), &encoding.CompressOptions{Threshold: tt.threshold})
			want := strings.Repeat("x", tt.length)
			data, flags := encode(t, codec, want)
			if tt.packed {
				if flags != core.FlagText|core.FlagZlib || len(data) >= tt.length || inflate(t, data) != want {
					t.Errorf("stored as %d bytes with flags %d, want zlib", len(data), flags)
				}
			} else if string(data) != want || flags != core.FlagText {
				t.Errorf("stored as %d bytes with flags %d, want it plain", len(data), flags)
			}
			if got, err := codec.Decode(data, flags); got != want || err != nil {
				t.Errorf("comes back as %.20q, %v", got, err)
			}
		})
	}
}

func TestWhatDoesNotShrinkIsStoredAsItIs(t *testing.T) {
	random := make([]byte, 5000)
	state := uint32(1)
	for i := range random { // xorshift: nothing for zlib to find
		state ^= state << 13
		state ^= state >> 17
		state ^= state << 5
		random[i] = byte(state)
	}
	codec := encoding.Compress(encoding.Bytes(), nil)
	data, flags := encode(t, codec, random)
	if !bytes.Equal(data, random) || flags != core.FlagBytes {
		t.Errorf("stored as %d bytes with flags %d, want %d with 0", len(data), flags, len(random))
	}
}

// Put around a codec, or taken away, at any time.
func TestCompressedValuesAndPlainOnesAreReadByBoth(t *testing.T) {
	plain := encoding.JSON[user]()
	packed := encoding.Compress(plain, &encoding.CompressOptions{Threshold: 1})
	v := user{strings.Repeat("Ann ", 100), 40}
	for _, tt := range []struct {
		name           string
		writer, reader core.Codec[user]
	}{{"plain by Compress", plain, packed}, {"compressed by JSON", packed, plain}} {
		data, flags := encode(t, tt.writer, v)
		if got, err := tt.reader.Decode(data, flags); got != v || err != nil {
			t.Errorf("%s: %.100v, %v", tt.name, got, err)
		}
	}
}

func TestDamagedCompressionIsAnError(t *testing.T) {
	v := strings.Repeat("some text. ", 100)
	good := deflate(t, v)
	for name, codec := range map[string]core.Codec[string]{"Text": encoding.Text(), "Compress": encoding.Compress(encoding.Text(), nil)} {
		for i := range good {
			wantDecodeErr(t, codec, good[:i], core.FlagText|core.FlagZlib, "decompress")
		}
		for i := len(good) - 4; i < len(good); i++ { // the checksum
			bad := []byte(good)
			bad[i]++
			wantDecodeErr(t, codec, string(bad), core.FlagText|core.FlagZlib, "decompress: zlib: invalid checksum")
		}
		wantDecodeErr(t, codec, good+"x", core.FlagText|core.FlagZlib, "behind the end")
		wantDecodeErr(t, codec, good+good, core.FlagText|core.FlagZlib, "behind the end")
		wantDecodeErr(t, codec, v, core.FlagText|core.FlagZlib, "decompress: zlib: invalid header")
		if got, err := codec.Decode([]byte(good), core.FlagText|core.FlagZlib); got != v || err != nil {
			t.Errorf("%s: then %.20q, %v", name, got, err)
		}
	}
}

func TestABombIsGivenUp(t *testing.T) {
	const length = 65 << 20
	var bomb bytes.Buffer
	w, err := zlib.NewWriterLevel(&bomb, zlib.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	chunk := make([]byte, 1<<20)
	for range length / len(chunk) {
		w.Write(chunk)
	}
	w.Close()
	for _, tt := range []struct {
		name  string
		codec core.Codec[[]byte]
		most  uint64 // bytes of memory
	}{
		{"Bytes", encoding.Bytes(), 400 << 20},
		{"Compress", encoding.Compress(encoding.Bytes(), nil), 400 << 20},
		{"Compress to 1 MiB", encoding.Compress(encoding.Bytes(), &encoding.CompressOptions{MaxSize: 1 << 20}), 10 << 20},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		v, err := tt.codec.Decode(bomb.Bytes(), core.FlagZlib)
		runtime.ReadMemStats(&after)
		if len(v) != 0 || !errors.Is(err, core.ErrTooLarge) {
			t.Errorf("%s: %d bytes of %d come of %d, %v", tt.name, len(v), length, bomb.Len(), err)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > tt.most {
			t.Errorf("%s: it took %d MiB of memory to find out", tt.name, took>>20)
		}
	}
}

// What is stored can be read: the same bound, to the byte, on both sides.
func TestMaxSizeIsTheSameForWritersAndReaders(t *testing.T) {
	codec := encoding.Compress(encoding.Text(), &encoding.CompressOptions{Threshold: 1, MaxSize: 5000})
	most := strings.Repeat("x", 5000)
	data, flags := encode(t, codec, most)
	if got, err := codec.Decode(data, flags); got != most || err != nil {
		t.Errorf("the longest value comes back as %d bytes, %v", len(got), err)
	}
	if got, _, err := codec.Append([]byte("dst"), most+"x"); string(got) != "dst" || !errors.Is(err, core.ErrTooLarge) {
		t.Errorf("one byte more is %d bytes, %v", len(got), err)
	}
	encode(t, encoding.Compress(encoding.Text(), &encoding.CompressOptions{Threshold: 1}), most+"x") // the default
	_, err := codec.Decode([]byte(deflate(t, most+"x")), core.FlagText|core.FlagZlib)
	if !errors.Is(err, core.ErrTooLarge) {
		t.Errorf("one byte more is %v", err)
	}
}

// backwards is a Compression that turns bytes round, and drops a run of spaces.
type backwards struct{ err error }

func (backwards) Flag() uint32 { return 1 << 20 }

func (b backwards) Append(dst, src []byte) ([]byte, error) {
	short := bytes.TrimRight(src, " ")
	for i := range short {
		dst = append(dst, short[len(short)-1-i])
	}
	return dst, b.err
}

type reversed struct {
	io.Reader
	closed *int
}

func (r reversed) Close() error { *r.closed++; return nil }

var backwardsClosed int

func (b backwards) Reader(src []byte) (io.ReadCloser, error) {
	turned, err := backwards{}.Append(nil, src)
	return reversed{bytes.NewReader(turned), &backwardsClosed}, errors.Join(err, b.err)
}

func TestCompressWithACompressionOfOnesOwn(t *testing.T) {
	codec := encoding.Compress(encoding.Text(), &encoding.CompressOptions{Threshold: 4, With: backwards{}})
	for v, want := range map[string]string{"stressed   ": "desserts", "dog": "dog", "stressed": "stressed"} {
		data, flags := encode(t, codec, v)
		wantFlags := core.FlagText
		if want != v {
			wantFlags |= 1 << 20
		}
		if string(data) != want || flags != wantFlags {
			t.Errorf("%q is stored as %q with flags %d, want %q with %d", v, data, flags, want, wantFlags)
		}
		if flags == wantFlags && want == "desserts" {
			backwardsClosed = 0
			if got, err := codec.Decode(data, flags); got != "stressed" || err != nil || backwardsClosed != 1 {
				t.Errorf("comes back as %q, %v; the reader was closed %d times", got, err, backwardsClosed)
			}
		}
	}
	wantDecodeErr(t, encoding.Compress(encoding.Text(), nil), "desserts", core.FlagText|1<<20, "unknown")
	errBroken := errors.New("broken")
	broken := encoding.Compress(encoding.Text(), &encoding.CompressOptions{Threshold: 1, With: backwards{errBroken}})
	wantUnwritable(t, broken, "stressed", "broken")
	wantDecodeErr(t, broken, "desserts", core.FlagText|1<<20, "broken")
	if got, err := codec.Decode([]byte(deflate(t, "by zlib")), core.FlagText|core.FlagZlib); got != "by zlib" || err != nil {
		t.Errorf("zlib's value is %q, %v", got, err)
	}
}

// A codec may answer bytes of its own, against the rules, without harm to them.
func TestCompressDoesNotWriteToACodecsOwnBytes(t *testing.T) {
	own := []byte(strings.Repeat("x", 100))
	codec := encoding.Compress[string](static{own}, &encoding.CompressOptions{Threshold: 1})
	for _, v := range []string{"a", "b"} {
		encode(t, codec, v)
		encode(t, encoding.Compress(encoding.Text(), nil), strings.Repeat("y", 50))
		if string(own) != strings.Repeat("x", 100) {
			t.Fatalf("they are %q now", own)
		}
	}
}

func TestNewTypedRefusesWrongArgumentsOfCompress(t *testing.T) {
	c := open(t, true)
	refused := func(codec core.Codec[string], want string) {
		t.Helper()
		for _, codec := range []core.Codec[string]{codec, encoding.Compress(codec, nil)} { // nested, too
			if _, err := core.NewTyped(c, codec); !errors.Is(err, core.ErrConfig) || !strings.Contains(err.Error(), want) {
				t.Errorf("error is %v, want ErrConfig: %s", err, want)
			}
		}
	}
	for _, flag := range []uint32{0, 1, 2, 4, 16, core.FlagEnvelope, 3 << 20} {
		refused(encoding.Compress(encoding.Text(), &encoding.CompressOptions{With: flagged{flag: flag}}),
			fmt.Sprintf("CompressOptions.With has the Flag %d, want a single bit", flag))
	}
	refused(encoding.Compress(encoding.Text(), &encoding.CompressOptions{Threshold: -1}), "CompressOptions.Threshold is -1, want 0 (for 1024) or more")
	refused(encoding.Compress(encoding.Text(), &encoding.CompressOptions{MaxSize: -1}), "CompressOptions.MaxSize is -1, want 0 (for 67108864) or more")
	refused(encoding.Compress[string](nil, nil), "Compress: the codec is nil")
}

func TestCompressRefusesValuesThatHaveItsFlag(t *testing.T) {
	own := encoding.Compress[string](flagging{1 << 20}, &encoding.CompressOptions{Threshold: 1, With: backwards{}})
	wantUnwritable(t, own, "stressed", "flags are 1048576 already")
}

type flagged struct {
	backwards
	flag uint32
}

func (f flagged) Flag() uint32 { return f.flag }

// flagging gives its strings a flag of its own.
type flagging struct{ flag uint32 }

func (f flagging) Append(dst []byte, v string) ([]byte, uint32, error) {
	return append(dst, v...), f.flag, nil
}
func (f flagging) Decode(data []byte, _ uint32) (string, error) { return string(data), nil }

// Neither writes nor reads make inflaters and deflaters anew, or room for more than
// the value.
func TestCompressedValuesAreReadWithFewAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	codec := encoding.Compress(encoding.Bytes(), nil)
	data, flags := encode(t, codec, []byte(strings.Repeat("0123456789", 2000)))
	var err error
	if got := testing.AllocsPerRun(100, func() { _, err = codec.Decode(data, flags) }); got > 2 || err != nil {
		t.Errorf("%v allocations, %v", got, err)
	}
}

type static struct{ data []byte }

func (s static) Append([]byte, string) ([]byte, uint32, error) { return s.data, 0, nil }
func (s static) Decode([]byte, uint32) (string, error)         { return "", nil }

func TestCompressDoesNotTakeAnEnvelope(t *testing.T) {
	codec := encoding.Compress(encoding.Envelope(encoding.Text(), core.Traits{}), &encoding.CompressOptions{Threshold: 1})
	wantUnwritable(t, codec, encoding.Enveloped[string]{Value: "v", Facts: encoding.Facts{NotFound: true}}, "put Envelope around Compress")
}

func TestAValueIsCompressedOnce(t *testing.T) {
	twice := encoding.Compress(encoding.Compress(encoding.Text(), nil), &encoding.CompressOptions{Threshold: 1})
	for _, want := range []string{strings.Repeat("x", 5000), strings.Repeat("y", 100), "z"} {
		data, flags := encode(t, twice, want)
		if got, err := twice.Decode(data, flags); got != want || err != nil {
			t.Errorf("%.20q comes back as %.20q, %v", want, got, err)
		}
	}
}
