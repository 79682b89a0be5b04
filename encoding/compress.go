package encoding

import (
	"errors"
	"fmt"
	"io"
	"math/bits"
	"slices"
	"sync"

	"github.com/cachewire/cachewire/core"
)

// CompressOptions are the settings of [Compress]. The zero value of a field is its
// default.
type CompressOptions struct {
	// Threshold is the length in bytes from which a value is compressed. If 0, it is
	// 1,024. What would not become shorter is stored as it is.
	Threshold int

	// MaxSize is the length in bytes of the longest value, uncompressed. If 0, it is
	// 64 MiB. A longer one is not stored, and what would decompress to more is
	// given up as soon as it does: a few kilobytes can stand for gigabytes.
	MaxSize int

	// With compresses. Nil is zlib, which python-memcached and pylibmc read, and
	// write.
	With Compression
}

// A Compression is a way to compress bytes. It is used by many goroutines at
// once.
type Compression interface {
	// Flag answers the one bit that is added to the flags of what Append has
	// compressed. It is none of those that tell what the value is: 1, 2, 4, 16 and
	// core.FlagEnvelope.
	Flag() uint32

	// Append appends the compressed src to dst, and answers the longer slice. It
	// keeps a reference to neither.
	Append(dst, src []byte) ([]byte, error)

	// Reader answers what reads the bytes that Append compressed to src. It ends
	// in io.EOF only if src was whole, and had nothing behind its end. Close
	// is called once, and nothing after it.
	Reader(src []byte) (io.ReadCloser, error)
}

// takenFlags tell what a value is.
const takenFlags = flagPickle | core.FlagInt | flagLong | core.FlagText | core.FlagEnvelope

const (
	defaultThreshold = 1 << 10
	defaultMaxSize   = 64 << 20
)

// Compress answers codec with its longer values compressed. Nil opts are the zero
// CompressOptions. It reads values that are not compressed as well, so that it
// can be put around a codec at any time; zlib's can be read without it, by every
// codec of this package.
//
// Only a flag tells which values are compressed: a header of our own would shut
// other languages out. core.NewTyped therefore refuses a backend that keeps no flags
// with errors.ErrUnsupported. It refuses wrong arguments of Compress with
// core.ErrConfig: codec is nil, a field of opts is negative, or the Flag of With is not
// a single free bit.
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
	return c
}

var errCompressedEnvelope = errors.New("facts are not compressed: put Envelope around Compress, not Compress around Envelope")

type compressCodec[T any] struct {
	codec core.Codec[T]
	CompressOptions
}

func (c compressCodec[T]) Check(traits core.Traits) error {
	flag := c.With.Flag()
	switch {
	case c.Threshold < 0:
		return fmt.Errorf("%w: CompressOptions.Threshold is %d, want 0 (for %d) or more", core.ErrConfig, c.Threshold, defaultThreshold)
	case c.MaxSize < 0:
		return fmt.Errorf("%w: CompressOptions.MaxSize is %d, want 0 (for %d) or more", core.ErrConfig, c.MaxSize, defaultMaxSize)
	case bits.OnesCount32(flag) != 1 || flag&takenFlags != 0:
		return fmt.Errorf("%w: CompressOptions.With has the Flag %d, want a single bit, and none of %d", core.ErrConfig, flag, takenFlags)
	case traits.NoFlags:
		return fmt.Errorf("%w: the backend keeps no flags, which tell compressed values from others", errors.ErrUnsupported)
	}
	return checkCodec("Compress", c.codec, traits)
}

// checkCodec checks the codec that wrapper wraps.
func checkCodec[T any](wrapper string, codec core.Codec[T], traits core.Traits) error {
	if codec == nil {
		return fmt.Errorf("%w: %s: the codec is nil", core.ErrConfig, wrapper)
	}
	if c, ok := codec.(core.CodecChecker); ok {
		return c.Check(traits)
	}
	return nil
}

func (c compressCodec[T]) Append(dst []byte, v T) ([]byte, uint32, error) {
	flag := c.With.Flag()
	// Not into dst, which has the room that the compressed value takes.
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
		return dst, 0, fmt.Errorf("%w: %d bytes, MaxSize is %d", core.ErrTooLarge, len(plain), c.MaxSize)
	}
	if flags&flag != 0 {
		if _, ok := c.codec.(compressCodec[T]); !ok {
			return dst, 0, fmt.Errorf("the flags are %d already, and Compression.Flag is %d", flags, flag)
		}
	} else if len(plain) >= c.Threshold {
		packed, err := c.With.Append(dst, plain)
		if err != nil {
			return dst, 0, err
		}
		if len(packed)-len(dst) < len(plain) {
			return packed, flags | flag, nil
		}
	}
	return append(dst, plain...), flags, nil
}

func (c compressCodec[T]) Decode(data []byte, flags uint32) (T, error) {
	if flag := c.With.Flag(); flags&flag != 0 && flags&core.FlagEnvelope == 0 {
		plain, err := decompress(c.With, data, c.MaxSize)
		if err != nil {
			return *new(T), err
		}
		data, flags = plain, flags&^flag
	}
	return c.codec.Decode(data, flags)
}

// decompress answers the bytes that c compressed to src, in a slice of their own.
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
	if len(plain) > keptBuffer { // it is not that of buf, and long enough to spare a copy
		buffers.Put(buf)
		return plain, nil
	}
	own := append(make([]byte, 0, len(plain)), plain...)
	putBuffer(buf, len(plain))
	return own, nil
}

// readAll appends all that r has to buf, but gives up when it is more than max.
func readAll(buf []byte, r io.Reader, max int) ([]byte, error) {
	for {
		if len(buf) == cap(buf) {
			buf = slices.Grow(buf, len(buf)+512) // twice as much, or more
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case len(buf) > max:
			return nil, fmt.Errorf("%w: more than %d bytes, the most that is taken; Compress has MaxSize for it", core.ErrTooLarge, max)
		case err == io.EOF:
			return buf, nil
		case err != nil:
			return nil, err
		}
	}
}

// buffers are for plain values while they are compressed or decompressed.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// keptBuffer is the capacity up to which a buffer is kept for the next value.
const keptBuffer = 1 << 20

// putBuffer gives buf back, and has it larger the next time if used bytes did not
// fit. What a codec answered it does not take: that may be the codec's own.
func putBuffer(buf *[]byte, used int) {
	if used >= cap(*buf) && used < keptBuffer {
		*buf = make([]byte, 0, used+1) // one more, to find the end of what is as long again
	}
	buffers.Put(buf)
}
