package encoding

import (
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
	"slices"
	"sync"

	"github.com/cachewire/cachewire/core"
)

// CompressOptions are the settings of [Compress]. The zero value of a field is its
// default.
type CompressOptions struct {
	// Threshold is the length in bytes from which a value is compressed. If 0, it is
	// 1,024. A value that would not become shorter is stored as it is. If it is Never, no
	// value is compressed: the codec only reads what was compressed, up to MaxSize.
	Threshold int

	// MaxSize is the length in bytes of the longest value, before compression. If 0, it is 64
	// MiB. A longer value is not stored, and the error is core.ErrTooLarge, unless Threshold
	// is Never. Decompression, by With or by zlib, stops with the same error as soon as there
	// are more bytes, because a few kilobytes can stand for gigabytes.
	MaxSize int

	// With is the compression. If nil, it is zlib, which python-memcached and pylibmc
	// read and write.
	With Compression
}

// A Compression compresses bytes and decompresses them. It is used by many goroutines at
// once.
type Compression interface {
	// Flag returns the flag that is added to the flags of a value that Append has
	// compressed. It is a single bit, and not one of those that say what kind of value
	// it is: 1, 2, 4, 16, core.FlagEnvelope and 1<<24 to 1<<27.
	Flag() uint32

	// Append appends the compressed src to dst and returns the extended slice. It keeps
	// no reference to dst or src.
	Append(dst, src []byte) ([]byte, error)

	// Reader returns a reader of the bytes that Append compressed to src. It returns
	// io.EOF only if src is complete, and has no bytes after its end. Close is called
	// once, and no other method afterwards.
	Reader(src []byte) (io.ReadCloser, error)
}

// kindFlags are the flags that say what kind of value it is.
const kindFlags = flagPickle | core.FlagInt | flagLong | core.FlagText |
	core.FlagEnvelope | ownKinds

// Never is the Threshold of a codec that compresses no value.
const Never = math.MaxInt

const (
	defaultThreshold = 1 << 10
	defaultMaxSize   = 64 << 20
)

// Compress returns a codec like codec that compresses longer values. If opts is nil, it
// is the zero CompressOptions. Compress also reads values that are not compressed, so
// that it can be put around a codec at any time. It can be removed as well if the
// compression is zlib, which every codec of this package reads.
//
// Only a flag says which values are compressed, because programs in other languages could not
// read a header of our own. core.NewTyped therefore returns errors.ErrUnsupported if the
// backend keeps no flags, unless Threshold is Never. It returns core.ErrConfig if codec is
// nil, if a field of opts is negative or a nil pointer, or if the Flag of With is not a
// single free bit.
func Compress[T any](codec core.Codec[T], opts *CompressOptions) core.Codec[T] {
	c := compressCodec[T]{codec: codec}
	if opts != nil {
		c.CompressOptions = *opts
	}
	if c.Threshold == 0 {
		c.Threshold = defaultThreshold
	}
	if c.MaxSize == 0 {
		c.MaxSize = defaultMaxSize
	}
	if c.With == nil {
		c.With = zlibCompression{}
	}
	switch {
	case c.Threshold < 0:
		c.err = configErrorf("CompressOptions.Threshold is %d; want 0 (for %d) or more",
			c.Threshold, defaultThreshold)
	case c.MaxSize < 0:
		c.err = configErrorf("CompressOptions.MaxSize is %d; want 0 (for %d) or more",
			c.MaxSize, defaultMaxSize)
	case isNilPointer(c.With):
		c.err = configErrorf(
			"CompressOptions.With is a nil %T; want nil (for zlib), or one like zstd.New()",
			c.With,
		)
	default:
		c.flag = c.With.Flag()
		if bits.OnesCount32(c.flag) != 1 || c.flag&kindFlags != 0 {
			c.err = configErrorf(
				"CompressOptions.With has the Flag %#x; want a single bit outside %#x",
				c.flag,
				kindFlags,
			)
		}
	}
	return c
}

var errCompressedEnvelope = errors.New("facts are not compressed: " +
	"put Envelope around Compress, not Compress around Envelope")

type compressCodec[T any] struct {
	codec core.Codec[T]
	CompressOptions
	flag uint32 // of With
	err  error  // what is wrong with the options
}

func (c compressCodec[T]) Check(traits core.Traits) error {
	switch {
	case c.err != nil:
		return c.err
	case traits.NoFlags && c.Threshold != Never:
		return fmt.Errorf("%w: encoding: the backend keeps no flags, which Compress needs",
			errors.ErrUnsupported)
	}
	return checkCodec("Compress", c.codec, traits)
}

func (c compressCodec[T]) Append(dst []byte, v T) ([]byte, uint32, error) {
	switch {
	case c.err != nil:
		return dst, 0, c.err
	case c.Threshold == Never:
		return c.codec.Append(dst, v)
	}
	// plain has a buffer of its own, because the compressed value is appended to dst.
	buf := buffers.Get().(*[]byte)
	plain, flags, err := c.codec.Append((*buf)[:0], v)
	defer putBuffer(buf, len(plain))
	if err != nil {
		return dst, 0, err
	}
	if flags&core.FlagEnvelope != 0 {
		return dst, 0, errCompressedEnvelope
	}
	if len(plain) > c.MaxSize {
		return dst, 0, fmt.Errorf("%w: %d bytes, MaxSize is %d",
			core.ErrTooLarge, len(plain), c.MaxSize)
	}
	if flags&c.flag != 0 {
		if _, ok := c.codec.(compressCodec[T]); !ok {
			return dst, 0, fmt.Errorf("the codec returned the flags %#x, "+
				"which include Compression.Flag, %#x", flags, c.flag)
		}
	} else if len(plain) >= c.Threshold {
		packed, err := c.With.Append(dst, plain)
		if err != nil {
			return dst, 0, err
		}
		if len(packed)-len(dst) < len(plain) {
			return packed, flags | c.flag, nil
		}
	}
	return append(dst, plain...), flags, nil
}

func (c compressCodec[T]) Decode(data []byte, flags uint32) (T, error) {
	err := c.err
	if err == nil && flags&core.FlagEnvelope == 0 {
		if flags&c.flag != 0 {
			data, err = decompress(c.With, data, c.MaxSize)
			flags &^= c.flag
		}
		if err == nil && flags&core.FlagZlib != 0 { // not by codec, which has another limit
			data, err = decompress(zlibCompression{}, data, c.MaxSize)
			flags &^= core.FlagZlib
		}
	}
	if err != nil {
		return *new(T), err
	}
	return c.codec.Decode(data, flags)
}

// decompress returns the bytes that c compressed to src, in a new slice.
func decompress(c Compression, src []byte, max int) ([]byte, error) {
	r, err := c.Reader(src)
	if err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	defer r.Close()
	buf := buffers.Get().(*[]byte)
	plain, err := readAll((*buf)[:0], r, max)
	if err != nil {
		buffers.Put(buf)
		return nil, fmt.Errorf("decompress: %w", err)
	}
	if len(plain) > keptBuffer { // it has outgrown buf, so that it need not be copied
		buffers.Put(buf)
		return plain, nil
	}
	own := append(make([]byte, 0, len(plain)), plain...)
	putBuffer(buf, len(plain))
	return own, nil
}

// readAll appends all bytes of r to buf. It returns core.ErrTooLarge if they are more
// than max.
func readAll(buf []byte, r io.Reader, max int) ([]byte, error) {
	for {
		if len(buf) == cap(buf) {
			buf = slices.Grow(buf, len(buf)+512) // twice as much, or more
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case len(buf) > max:
			return nil, fmt.Errorf("%w: more than %d bytes; "+
				"Compress with a larger MaxSize reads more", core.ErrTooLarge, max)
		case err == io.EOF:
			return buf, nil
		case err != nil:
			return nil, err
		}
	}
}

// buffers hold plain values while they are compressed or decompressed.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// keptBuffer is the largest capacity of a buffer that is kept for the next value.
const keptBuffer = 1 << 20

// putBuffer returns buf to the pool, with a larger one in its place if used bytes did not
// fit. It does not keep the slice that a codec returned, which may be the codec's own.
func putBuffer(buf *[]byte, used int) {
	if used >= cap(*buf) && used < keptBuffer {
		*buf = make([]byte, 0, used+1) // the extra byte lets readAll find the end
	}
	buffers.Put(buf)
}
