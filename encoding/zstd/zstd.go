package zstd

import (
	"bytes"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/cachewire/cachewire/encoding"
)

// Flag is added to the flags of a value that is compressed. Only Go programs know
// it, by this package: python-memcached raises ValueError for such a value, and
// pylibmc gives out the compressed bytes.
const Flag uint32 = 1 << 17

// New answers Zstandard for [encoding.CompressOptions]. Each value is one frame
// with a checksum, and no dictionary.
func New() encoding.Compression { return compression{} }

type compression struct{}

func (compression) Flag() uint32 { return Flag }

// window is how far back a value may refer, and so decides on the memory that
// either side takes, a decoder because a header says so. It is as long as the
// longest value that memcached takes unless told otherwise.
const window = 1 << 20

// A writer is an encoder that can be used again, with what it writes to: it takes
// more room than the value will, and in dst that would be an allocation a value.
type writer struct {
	enc *zstd.Encoder
	out []byte
}

// An encoder has no goroutines as long as nothing but EncodeAll is asked of it.
var writers = sync.Pool{New: func() any {
	enc, err := zstd.NewWriter(nil,
		zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(window))
	if err != nil {
		panic(err) // an option is wrong
	}
	return &writer{enc: enc}
}}

// keptBuffer is the capacity up to which a buffer is kept for the next value.
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

// A reader is a decoder that can be used again, with what it reads from.
type reader struct {
	src bytes.Reader
	dec *zstd.Decoder
}

// A decoder of concurrency 1 has no goroutines either.
var readers = sync.Pool{New: func() any {
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(window))
	if err != nil {
		panic(err) // an option is wrong
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
	err := r.dec.Reset(nil) // which lets go of r.src, and can be reset again
	readers.Put(r)
	return err
}
