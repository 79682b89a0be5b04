package zstd_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/encoding/zstd"
)

// A value that can be read round-trips, also by decoders that have read other data.
func FuzzDecode(f *testing.F) {
	for _, src := range [][]byte{
		nil, text(1), text(300), text(3000), noise(500), make([]byte, 300_000),
	} {
		packed := compressed(f, src)
		f.Add(packed)
		f.Add(append(packed, packed...))
		f.Add(packed[:len(packed)/2])
	}
	f.Add(header(10<<3, 32))
	f.Add(header(10<<3, 1<<20))
	f.Add(header(20<<3, 32))
	f.Add(header(0, 1<<32-1))
	f.Add([]byte("\x50\x2a\x4d\x18\x03\x00\x00\x00abc"))
	codec := encoding.Compress(encoding.Bytes(),
		&encoding.CompressOptions{With: zstd.New(), Threshold: 1, MaxSize: 1 << 20})
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := codec.Decode(data, zstd.Flag)
		if err != nil {
			if v != nil {
				t.Errorf("Decode(%q) returns %q with the error %v", data, v, err)
			}
			return
		}
		again, flags, err := codec.Append(nil, v)
		if err != nil {
			t.Fatalf("Append(%q), which Decode(%q) returned: %v", v, data, err)
		}
		if got, err := codec.Decode(again, flags); err != nil || !bytes.Equal(got, v) {
			t.Errorf("%q, which Decode(%q) returned, is decoded as %q, %v", v, data, got, err)
		}
		if _, err := codec.Decode(append(data[:len(data):len(data)], 0), zstd.Flag); err == nil {
			t.Errorf("Decode of %q and another byte succeeds, want an error", data)
		}
		if _, err := codec.Decode(data[:len(data)-1], zstd.Flag); err == nil {
			t.Errorf("Decode of %q without its last byte succeeds, want an error", data)
		}
	})
}

// The bytes are read in pieces of any length.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("text"), 1)
	f.Add(text(200), 7)
	f.Add(noise(100), 1000)
	f.Fuzz(func(t *testing.T, src []byte, piece int) {
		r, err := zstd.New().Reader(compressed(t, src))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		var got []byte
		buf := make([]byte, 1+uint(piece)%4096)
		for err == nil {
			var n int
			n, err = r.Read(buf)
			got = append(got, buf[:n]...)
		}
		if err != io.EOF || !bytes.Equal(got, src) {
			t.Errorf("%q is decompressed to %q, %v", src, got, err)
		}
	})
}
