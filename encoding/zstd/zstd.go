package zstd

import (
	"bytes"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/cachewire/cachewire/encoding"
)

// Flag is added to the flags of a value that is compressed. Only Go programs that use this
// package know it: python-memcached raises ValueError for such a value, and pylibmc returns
// the compressed bytes.
const Flag uint32 = 1 << 17

// New returns Zstandard for [encoding.CompressOptions]. It compresses each value to one
// frame with a checksum, and without a dictionary.
func New() encoding.Compression { return compression{} }

type compression struct{}

func (compression) Flag() uint32 { return Flag }

// window is how far back a value may refer to its own bytes. It determines the memory
// that an encoder takes, and a decoder, which reads the window in a header. It is as long
// as the longest value that memcached accepts by default.
const window = 1 << 20

// A writer is an encoder that can be reused, with its output. The encoder needs more room
// than the compressed value takes; if it wrote to dst, each value would need an
// allocation.
type writer struct {
	enc *zstd.Encoder
	out []byte
}

// An encoder starts no goroutines if only EncodeAll is called.
var writers = sync.Pool{New: func() any {
	enc, err := zstd.NewWriter(nil,
		zstd.WithEncoderConcurrency(1),
		zstd.WithLowerEncoderMem(true),
		zstd.WithWindowSize(window))
	if err != nil {
		panic(err) // an option is invalid
	}
	return &writer{enc: enc}
}}

// keptBuffer is the largest capacity of a buffer that is kept for the next value.
const keptBuffer = 1 << 20

func (compression) Append(dst, src []byte) ([]byte, error) {
	w := writers.Get().(*writer)
	w.out = w.enc.EncodeAll(src, w.out[:0])
	dst = append(dst, w.out...)
	if cap(w.out) > keptBuffer {
		w.out = nil
	}
	writers.Put(w)
	return dst, nil
}

// A reader is a decoder that can be reused, with its input.
type reader struct {
	src bytes.Reader
	dec *zstd.Decoder
}

// A decoder with a concurrency of 1 starts no goroutines either.
var readers = sync.Pool{New: func() any {
	dec, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(window))
	if err != nil {
		panic(err) // an option is invalid
	}
	return &reader{dec: dec}
}}

func (compression) Reader(src []byte) (io.ReadCloser, error) {
	if err := checkFrame(src); err != nil {
		return nil, err
	}
	r := readers.Get().(*reader)
	r.src.Reset(src)
	if err := r.dec.Reset(&r.src); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

func (r *reader) Read(p []byte) (int, error) { return r.dec.Read(p) }

func (r *reader) Close() error {
	r.src.Reset(nil)
	err := r.dec.Reset(nil) // drops the reference to r.src; dec can be reset again
	readers.Put(r)
	return err
}
