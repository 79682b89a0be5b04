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

// inflate returns what zlib.decompress returns in Python.
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

func TestValuesAreCompressedFromTheThresholdOn(t *testing.T) {
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
			opts := &encoding.CompressOptions{Threshold: tt.threshold}
			codec := encoding.Compress(encoding.Text(), opts)
			want := strings.Repeat("x", tt.length)
			data, flags := encode(t, codec, want)
			if tt.packed {
				if flags != core.FlagText|core.FlagZlib ||
					len(data) >= tt.length || inflate(t, data) != want {
					t.Errorf("stored as %d bytes with flags %d, want zlib", len(data), flags)
				}
			} else if string(data) != want || flags != core.FlagText {
				t.Errorf("stored as %d bytes with flags %d, want plain text", len(data), flags)
			}
			if got, err := codec.Decode(data, flags); got != want || err != nil {
				t.Errorf("Decode = %.20q, %v; want %.20q", got, err, want)
			}
		})
	}
}

func TestCompressStoresIncompressibleValuesAsTheyAre(t *testing.T) {
	random := make([]byte, 5000)
	state := uint32(1)
	for i := range random { // xorshift: zlib finds no repetitions
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

// So Compress can be put around a codec, and removed, at any time.
func TestCompressReadsPlainValuesAndJSONReadsCompressedOnes(t *testing.T) {
	plain := encoding.JSON[user]()
	packed := encoding.Compress(plain, &encoding.CompressOptions{Threshold: 1})
	v := user{strings.Repeat("Ann ", 100), 40}
	for _, tt := range []struct {
		name           string
		writer, reader core.Codec[user]
	}{{"Compress, a plain value", plain, packed}, {"JSON, a compressed value", packed, plain}} {
		data, flags := encode(t, tt.writer, v)
		if got, err := tt.reader.Decode(data, flags); got != v || err != nil {
			t.Errorf("%s: Decode = %.100v, %v; want %.100v", tt.name, got, err, v)
		}
	}
}

func TestDamagedCompressedValuesAreErrors(t *testing.T) {
	const flags = core.FlagText | core.FlagZlib
	v := strings.Repeat("some text. ", 100)
	good := deflate(t, v)
	for name, codec := range map[string]core.Codec[string]{
		"Text":     encoding.Text(),
		"Compress": encoding.Compress(encoding.Text(), nil),
	} {
		for i := range good {
			wantDecodeErr(t, codec, good[:i], flags, "decompress")
		}
		for i := len(good) - 4; i < len(good); i++ { // the checksum
			bad := []byte(good)
			bad[i]++
			wantDecodeErr(t, codec, string(bad), flags, "decompress: zlib: invalid checksum")
		}
		wantDecodeErr(t, codec, good+"x", flags, "after the end")
		wantDecodeErr(t, codec, good+good, flags, "after the end")
		wantDecodeErr(t, codec, v, flags, "decompress: zlib: invalid header")
		if got, err := codec.Decode([]byte(good), flags); got != v || err != nil {
			t.Errorf("%s: after the errors, Decode = %.20q, %v; want %.20q", name, got, err, v)
		}
	}
}

func TestDecodeStopsDecompressingAtMaxSize(t *testing.T) {
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
	small := &encoding.CompressOptions{MaxSize: 1 << 20}
	for _, tt := range []struct {
		name   string
		codec  core.Codec[[]byte]
		memory uint64 // the most bytes that Decode may allocate
	}{
		{"Bytes", encoding.Bytes(), 400 << 20},
		{"Compress", encoding.Compress(encoding.Bytes(), nil), 400 << 20},
		{"Compress with 1 MiB", encoding.Compress(encoding.Bytes(), small), 10 << 20},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		v, err := tt.codec.Decode(bomb.Bytes(), core.FlagZlib)
		runtime.ReadMemStats(&after)
		if len(v) != 0 || !errors.Is(err, core.ErrTooLarge) {
			t.Errorf("%s: Decode of %d bytes, which stand for %d, = %d bytes, %v; want ErrTooLarge",
				tt.name, bomb.Len(), length, len(v), err)
		}
		if got := after.TotalAlloc - before.TotalAlloc; got > tt.memory {
			t.Errorf("%s: Decode allocated %d MiB", tt.name, got>>20)
		}
	}
}

// MaxSize is exact for both, so that each value that can be written can be read.
func TestMaxSizeIsTheSameForWritersAndReaders(t *testing.T) {
	codec := encoding.Compress(encoding.Text(),
		&encoding.CompressOptions{Threshold: 1, MaxSize: 5000})
	most := strings.Repeat("x", 5000)
	data, flags := encode(t, codec, most)
	if got, err := codec.Decode(data, flags); got != most || err != nil {
		t.Errorf("Decode of the longest value = %d bytes, %v; want 5000", len(got), err)
	}
	got, _, err := codec.Append([]byte("dst"), most+"x")
	if string(got) != "dst" || !errors.Is(err, core.ErrTooLarge) {
		t.Errorf("Append of one byte more = %d bytes, %v; want ErrTooLarge", len(got), err)
	}
	byDefault := encoding.Compress(encoding.Text(), &encoding.CompressOptions{Threshold: 1})
	encode(t, byDefault, most+"x")
	_, err = codec.Decode([]byte(deflate(t, most+"x")), core.FlagText|core.FlagZlib)
	if !errors.Is(err, core.ErrTooLarge) {
		t.Errorf("Decode of one byte more: error is %v, want ErrTooLarge", err)
	}
}

// A reverser is a Compression that reverses bytes, and drops spaces at their end.
type reverser struct{ err error }

func (reverser) Flag() uint32 { return 1 << 20 }

func (r reverser) Append(dst, src []byte) ([]byte, error) {
	short := bytes.TrimRight(src, " ")
	for i := range short {
		dst = append(dst, short[len(short)-1-i])
	}
	return dst, r.err
}

// A reverseReader counts in closed how often it is closed.
type reverseReader struct {
	io.Reader
	closed *int
}

func (r reverseReader) Close() error { *r.closed++; return nil }

var closedReaders int

func (r reverser) Reader(src []byte) (io.ReadCloser, error) {
	plain, err := reverser{}.Append(nil, src)
	return reverseReader{bytes.NewReader(plain), &closedReaders}, errors.Join(err, r.err)
}

func TestCompressWithACustomCompression(t *testing.T) {
	codec := encoding.Compress(encoding.Text(),
		&encoding.CompressOptions{Threshold: 4, With: reverser{}})
	for v, want := range map[string]string{
		"stressed   ": "desserts", "dog": "dog", "stressed": "stressed",
	} {
		data, flags := encode(t, codec, v)
		wantFlags := core.FlagText
		if want != v {
			wantFlags |= 1 << 20
		}
		if string(data) != want || flags != wantFlags {
			t.Errorf("%q is stored as %q with flags %d, want %q with %d",
				v, data, flags, want, wantFlags)
		}
		if flags == wantFlags && want == "desserts" {
			closedReaders = 0
			got, err := codec.Decode(data, flags)
			if got != "stressed" || err != nil || closedReaders != 1 {
				t.Errorf("Decode = %q, %v, and closed %d readers; want %q and 1",
					got, err, closedReaders, "stressed")
			}
		}
	}
	zlibOnly := encoding.Compress(encoding.Text(), nil)
	wantDecodeErr(t, zlibOnly, "desserts", core.FlagText|1<<20, "unknown")
	errBroken := errors.New("broken")
	broken := encoding.Compress(encoding.Text(),
		&encoding.CompressOptions{Threshold: 1, With: reverser{errBroken}})
	wantAppendErr(t, broken, "stressed", "broken")
	wantDecodeErr(t, broken, "desserts", core.FlagText|1<<20, "broken")
	got, err := codec.Decode([]byte(deflate(t, "by zlib")), core.FlagText|core.FlagZlib)
	if got != "by zlib" || err != nil {
		t.Errorf("Decode of a value compressed by zlib = %q, %v", got, err)
	}
}

// A codec that breaks the rules and returns bytes of its own keeps them unchanged.
func TestCompressDoesNotWriteToTheBytesOfACodec(t *testing.T) {
	own := []byte(strings.Repeat("x", 100))
	codec := encoding.Compress[string](staticCodec{own},
		&encoding.CompressOptions{Threshold: 1})
	for _, v := range []string{"a", "b"} {
		encode(t, codec, v)
		encode(t, encoding.Compress(encoding.Text(), nil), strings.Repeat("y", 50))
		if string(own) != strings.Repeat("x", 100) {
			t.Fatalf("the bytes have changed to %q", own)
		}
	}
}

func TestNewTypedRefusesWrongArgumentsOfCompress(t *testing.T) {
	c := newCache(t, true)
	wantErr := func(codec core.Codec[string], want string) {
		t.Helper()
		for _, codec := range []core.Codec[string]{codec, encoding.Compress(codec, nil)} {
			_, err := core.NewTyped(c, codec)
			if !errors.Is(err, core.ErrConfig) || !strings.Contains(err.Error(), want) {
				t.Errorf("error is %v, want ErrConfig: %s", err, want)
			}
		}
	}
	withOptions := func(opts *encoding.CompressOptions) core.Codec[string] {
		return encoding.Compress(encoding.Text(), opts)
	}
	for _, flag := range []uint32{0, 1, 2, 4, 16, core.FlagEnvelope, 3 << 20} {
		wantErr(withOptions(&encoding.CompressOptions{With: flaggedCompression{flag: flag}}),
			fmt.Sprintf("encoding: CompressOptions.With has the Flag %#x; want a single bit", flag))
	}
	wantErr(withOptions(&encoding.CompressOptions{Threshold: -1}),
		"encoding: CompressOptions.Threshold is -1; want 0 (for 1024) or more")
	wantErr(withOptions(&encoding.CompressOptions{MaxSize: -1}),
		"encoding: CompressOptions.MaxSize is -1; want 0 (for 67108864) or more")
	wantErr(encoding.Compress[string](nil, nil), "encoding: Compress: the codec is nil; want one")
}

// A nilCompression has a Flag that cannot be called on nil.
type nilCompression struct{ reverser }

func TestNewTypedRefusesANilPointerInCompress(t *testing.T) {
	c := newCache(t, true)
	none := encoding.Compress(encoding.Text(),
		&encoding.CompressOptions{With: (*nilCompression)(nil)})
	for name, codec := range map[string]core.Codec[string]{
		"CompressOptions.With is a nil": none,
		"Compress: the codec is a nil":  encoding.Compress[string]((*nilCodec)(nil), nil),
	} {
		for _, codec := range []core.Codec[string]{codec, encoding.Compress(codec, nil)} {
			_, err := core.NewTyped(c, codec)
			if !errors.Is(err, core.ErrConfig) || !strings.Contains(err.Error(), name) {
				t.Errorf("error is %v, want ErrConfig: %s", err, name)
			}
		}
	}
}

// A nilCodec has a Check that cannot be called on nil.
type nilCodec struct {
	core.Codec[string]
	err error
}

func (c *nilCodec) Check(core.Traits) error { return c.err }

// Values that Python compressed are read with any Compression.
func TestMaxSizeHoldsForZlibWithAnotherCompression(t *testing.T) {
	codec := encoding.Compress(encoding.Text(),
		&encoding.CompressOptions{With: reverser{}, MaxSize: 5000})
	const flags = core.FlagText | core.FlagZlib
	most := strings.Repeat("x", 5000)
	if got, err := codec.Decode([]byte(deflate(t, most)), flags); got != most || err != nil {
		t.Errorf("Decode of the longest value = %d bytes, %v; want 5000", len(got), err)
	}
	got, err := codec.Decode([]byte(deflate(t, most+"x")), flags)
	if got != "" || !errors.Is(err, core.ErrTooLarge) {
		t.Errorf("Decode of one byte more = %d bytes, %v; want ErrTooLarge", len(got), err)
	}
}

// A codec that compresses nothing reads what others compressed, up to MaxSize.
func TestCompressWithTheThresholdNeverOnlyReads(t *testing.T) {
	codec := encoding.Compress(encoding.Text(),
		&encoding.CompressOptions{Threshold: encoding.Never, MaxSize: 5000})
	long := strings.Repeat("x", 6000)
	data, flags := encode(t, codec, long)
	if string(data) != long || flags != core.FlagText {
		t.Errorf("stored as %d bytes with flags %d, want plain text", len(data), flags)
	}
	if got, err := codec.Decode(data, flags); got != long || err != nil {
		t.Errorf("Decode = %d bytes, %v; want all of the plain text", len(got), err)
	}
	for n, want := range map[int]error{5000: nil, 5001: core.ErrTooLarge} {
		packed := []byte(deflate(t, long[:n]))
		_, err := codec.Decode(packed, core.FlagText|core.FlagZlib)
		if !errors.Is(err, want) {
			t.Errorf("Decode of %d bytes: error is %v, want %v", n, err, want)
		}
	}
	for _, codec := range []core.Codec[string]{
		codec,
		encoding.Compress(encoding.Text(), &encoding.CompressOptions{Threshold: encoding.Never}),
	} {
		wantKept(t, newCache(t, true), codec, long)
		wantKept(t, newCache(t, false), codec, long) // no value needs a flag
	}
}

func TestCompressRefusesValuesThatHaveItsFlag(t *testing.T) {
	codec := encoding.Compress[string](flaggingCodec{1 << 20},
		&encoding.CompressOptions{Threshold: 1, With: reverser{}})
	wantAppendErr(t, codec, "stressed", "flags 0x100000, which include")
}

type flaggedCompression struct {
	reverser
	flag uint32
}

func (f flaggedCompression) Flag() uint32 { return f.flag }

// A flaggingCodec returns its own flag with strings.
type flaggingCodec struct{ flag uint32 }

func (f flaggingCodec) Append(dst []byte, v string) ([]byte, uint32, error) {
	return append(dst, v...), f.flag, nil
}
func (f flaggingCodec) Decode(data []byte, _ uint32) (string, error) { return string(data), nil }

// The limit leaves no room for a new inflater, or for a buffer besides the value.
func TestCompressedValuesAreReadWithFewAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	codec := encoding.Compress(encoding.Bytes(), nil)
	data, flags := encode(t, codec, []byte(strings.Repeat("0123456789", 2000)))
	var err error
	got := testing.AllocsPerRun(100, func() { _, err = codec.Decode(data, flags) })
	if got > 2 || err != nil {
		t.Errorf("Decode: %v allocations, want at most 2, %v", got, err)
	}
}

// A staticCodec returns its own bytes from Append, which breaks the rules of Codec.
type staticCodec struct{ data []byte }

func (s staticCodec) Append([]byte, string) ([]byte, uint32, error) { return s.data, 0, nil }
func (s staticCodec) Decode([]byte, uint32) (string, error)         { return "", nil }

func TestCompressRefusesAnEnvelope(t *testing.T) {
	codec := encoding.Compress(encoding.Envelope(encoding.Text(), core.Traits{}),
		&encoding.CompressOptions{Threshold: 1})
	v := encoding.Enveloped[string]{Value: "v", Facts: encoding.Facts{NotFound: true}}
	wantAppendErr(t, codec, v, "put Envelope around Compress")
}

func TestNestedCompressCompressesOnce(t *testing.T) {
	twice := encoding.Compress(encoding.Compress(encoding.Text(), nil),
		&encoding.CompressOptions{Threshold: 1})
	for _, want := range []string{strings.Repeat("x", 5000), strings.Repeat("y", 100), "z"} {
		data, flags := encode(t, twice, want)
		if got, err := twice.Decode(data, flags); got != want || err != nil {
			t.Errorf("%.20q is decoded as %.20q, %v", want, got, err)
		}
	}
}
