package msgpack

import (
	"bytes"
	"testing"

	"github.com/vmihailenco/msgpack/v5"
)

// Every first byte, with numbers behind it of any size: head finds the end of the
// value where the decoder does.
func TestHeadAgreesWithTheDecoder(t *testing.T) {
	for c := range 256 {
		for _, number := range []string{"", "\x00", "\x01", "\x07", "\x00\x05", "\x01\x02", "\x00\x00\x00\x03", "\x00\x00\x01\x02", "\x00\x01\x00\x02"} {
			data := append([]byte{byte(c)}, number...)
			data = append(data, make([]byte, 200_000)...)
			src := bytes.NewReader(data)
			if err := msgpack.NewDecoder(src).Skip(); err != nil {
				if end, ok := skip(data, 0); ok {
					t.Errorf("%#x %q ends at %d, and to the decoder is %v", c, number, end, err)
				}
				continue
			}
			want := len(data) - src.Len()
			if end, ok := skip(data, 0); end != want || !ok {
				t.Errorf("%#x %q ends at %d, want %d", c, number, end, want)
			}
			if end, ok := skip(data[:want-1], 0); ok {
				t.Errorf("%#x %q ends at %d of %d", c, number, end, want-1)
			}
			if end, ok := skip(append([]byte("before"), data[:want]...), 6); end != 6+want || !ok {
				t.Errorf("%#x %q ends at %d, begun at 6, want %d", c, number, end, 6+want)
			}
		}
	}
}

// skip answers where the value at data[at] ends.
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

// What it costs to look through a value before it is decoded: see BenchmarkMsgPack.
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
