package msgpack

import (
	"bytes"
	"testing"

	"github.com/vmihailenco/msgpack/v5"
)

// head finds the same end of a value as the decoder, for every first byte and numbers of
// all sizes after it.
func TestHeadAgreesWithTheDecoder(t *testing.T) {
	for c := range 256 {
		for _, number := range []string{
			"", "\x00", "\x01", "\x07", "\x00\x05", "\x01\x02",
			"\x00\x00\x00\x03", "\x00\x00\x01\x02", "\x00\x01\x00\x02",
		} {
			data := append([]byte{byte(c)}, number...)
			data = append(data, make([]byte, 200_000)...)
			src := bytes.NewReader(data)
			if err := msgpack.NewDecoder(src).Skip(); err != nil {
				if end, ok := skip(data, 0); ok {
					t.Errorf("%#x %q ends at %d, but the decoder returns %v", c, number, end, err)
				}
				continue
			}
			want := len(data) - src.Len()
			if end, ok := skip(data, 0); end != want || !ok {
				t.Errorf("%#x %q ends at %d, want %d", c, number, end, want)
			}
			if end, ok := skip(data[:want-1], 0); ok {
				t.Errorf("%#x %q, truncated to %d bytes, ends at %d, want an error",
					c, number, want-1, end)
			}
			if end, ok := skip(append([]byte("before"), data[:want]...), 6); end != 6+want || !ok {
				t.Errorf("%#x %q at 6 ends at %d, want %d", c, number, end, 6+want)
			}
		}
	}
}

// skip returns where the value at data[at] ends. It returns false if data is no whole
// value.
func skip(data []byte, at int) (int, bool) {
	for missing := 1; missing > 0; missing-- {
		if at >= len(data) {
			return at, false
		}
		next, n, err := head(data, at)
		if err != nil {
			return at, false
		}
		missing += n
		at = next
	}
	return at, true
}

// BenchmarkScan measures what scan adds to Decode in BenchmarkMsgPack.
func BenchmarkScan(b *testing.B) {
	type line struct {
		Product string
		Count   int
		Price   float64
	}
	lines := make([]line, 180)
	for i := range lines {
		lines[i] = line{"product number 100", i % 10, float64(i)}
	}
	data, err := msgpack.Marshal(lines)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := scan(data, true); err != nil {
			b.Fatal(err)
		}
	}
}
