package core

import (
	"errors"
	"fmt"
	"sync"
)

// A Codec turns values of T into bytes and back, for [Typed]. Many goroutines
// use it at once. What it answers as an error becomes ErrCodec, with the error
// as its cause.
type Codec[T any] interface {
	// Append appends the encoded v to dst, which may hold other values already,
	// and answers the longer slice and the flags to store beside v. It keeps no
	// reference to dst.
	Append(dst []byte, v T) ([]byte, uint32, error)

	// Decode answers the value that Append encoded as data and flags, or an
	// error if they are not such a value: never a zero value in its place. The
	// flags are 0 on a backend that keeps none. Data is read-only, and stays as
	// it is for as long as the value may refer to it.
	Decode(data []byte, flags uint32) (T, error)
}

// A CodecChecker is a Codec that may have been made with wrong arguments, or that does not
// work over every backend. NewTyped calls Check and returns its error. A Codec that wraps
// another one returns what the other's Check does.
type CodecChecker interface {
	// Check returns nil if the codec works over a backend with these traits. The error
	// is errors.ErrUnsupported if another backend would do: the codec needs flags to
	// decode its values, say, and the backend keeps none.
	Check(traits Traits) error
}

// Shared answers the Codec that encodes nothing: on a backend that keeps Go
// values as they are (see SharedStorer) a hit decodes nothing, and all readers
// get the same value, which must not be changed. NewTyped refuses any other
// backend.
//
// A key stored in this way cannot be read as bytes, nor bytes or a value of
// another type through it: each is ErrCodec.
func Shared[T any]() Codec[T] { return sharedCodec[T]{} }

type sharedCodec[T any] struct{}

// A Typed over Shared has no use for Append and Decode, but a codec around it does.

var errSharedWrapped = fmt.Errorf("%w: core.Shared encodes nothing, so that no codec can be put around it", errors.ErrUnsupported)

func (sharedCodec[T]) Append(dst []byte, _ T) ([]byte, uint32, error) {
	return dst, 0, errSharedWrapped
}

func (sharedCodec[T]) Decode([]byte, uint32) (T, error) {
	var none T
	return none, errSharedWrapped
}

// codecError answers what a Codec's error is for the caller of a verb.
func codecError(err error) error {
	if err == errSharedWrapped || errors.Is(err, ErrCodec) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrCodec, err)
}

// buffers are for encoded values, which a backend does not keep.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// keptBuffer is the capacity up to which a buffer is kept for the next value.
const keptBuffer = 64 << 10

// putBuffer gives buf back, and has it larger the next time if used bytes did not
// fit. What a Codec answered it does not take: that may be the Codec's own.
func putBuffer(buf *[]byte, used int) {
	if used > cap(*buf) && used <= keptBuffer {
		*buf = make([]byte, 0, used)
	}
	buffers.Put(buf)
}

var errNotAppended = fmt.Errorf("%w: Append answered less than it was given; it must append to dst", ErrCodec)
