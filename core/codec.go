package core

import (
	"errors"
	"fmt"
	"sync"
)

// A Codec encodes values of T as bytes and decodes them, for [Typed]. It is used by many
// goroutines at once. If it returns an error, the verb of Typed returns ErrCodec with this
// error as the cause. Package encoding/codectest tests whether a type keeps this contract.
type Codec[T any] interface {
	// Append appends the encoded v to dst. It returns the extended slice, and the flags to
	// store with v. Dst may contain other values already. Append keeps no reference to dst.
	Append(dst []byte, v T) ([]byte, uint32, error)

	// Decode returns the value that Append encoded as data and flags. If Append cannot have
	// encoded them, Decode returns an error, and never a zero value with a nil error. The
	// flags are 0 if the backend keeps none. Decode must not write to data. The value may
	// refer to data, because data does not change.
	Decode(data []byte, flags uint32) (T, error)
}

// A KeyedCodec is a Codec that binds a value to its key, so that it can refuse a value that
// was stored under another key. A Typed calls AppendKey and DecodeKey instead of Append and
// Decode. Append and Decode return an error, because their callers do not pass the key.
//
// The key is the key in the backend, with the prefix of the Cache. So two Caches with
// different prefixes that read the same item pass the same key.
type KeyedCodec[T any] interface {
	Codec[T]

	// AppendKey is Append for a value that is stored under key.
	AppendKey(dst []byte, key string, v T) ([]byte, uint32, error)

	// DecodeKey is Decode for a value that was read from key. It returns an error if
	// AppendKey encoded the value for another key.
	DecodeKey(data []byte, flags uint32, key string) (T, error)
}

// A CodecChecker is a Codec that may have been made with wrong arguments, or that does not
// work over every backend. NewTyped calls Check and returns its error. A Codec that wraps
// another one should return the error of the other's Check.
type CodecChecker interface {
	// Check returns nil if the codec works over a backend with these traits. It returns
	// errors.ErrUnsupported if the codec works over other backends. For example, the codec
	// may need flags to decode its values, and this backend keeps none.
	Check(traits Traits) error
}

// Shared returns a Codec that does not encode values. It needs a backend that keeps Go
// values as they are; see SharedStorer. NewTyped refuses any other backend. All readers of
// a key get the same value, and must not change it.
//
// Such a value cannot be read as bytes, or as a value of another type. Bytes cannot be read
// with Shared. In each case, verbs return ErrCodec.
func Shared[T any]() Codec[T] { return sharedCodec[T]{} }

type sharedCodec[T any] struct{}

// A Typed does not call the methods of sharedCodec, but a codec that wraps one does.

var errSharedWrapped = fmt.Errorf(
	"%w: core.Shared encodes nothing, so that no codec can wrap it",
	errors.ErrUnsupported,
)

func (sharedCodec[T]) Append(dst []byte, _ T) ([]byte, uint32, error) {
	return dst, 0, errSharedWrapped
}

func (sharedCodec[T]) Decode([]byte, uint32) (T, error) {
	var none T
	return none, errSharedWrapped
}

// codecError returns the error of a Codec in the form that a verb returns.
func codecError(err error) error {
	if err == errSharedWrapped || errors.Is(err, ErrCodec) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrCodec, err)
}

// buffers hold encoded values. Backends keep no reference to them.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// keptBuffer is the largest capacity of a buffer that is kept for the next value.
const keptBuffer = 64 << 10

// putBuffer returns buf to the pool. If used bytes did not fit, it allocates a larger
// buffer first. It does not keep the slice that a Codec returned, because the slice may
// belong to the Codec.
func putBuffer(buf *[]byte, used int) {
	if used > cap(*buf) && used <= keptBuffer {
		*buf = make([]byte, 0, used)
	}
	buffers.Put(buf)
}

var errNotAppended = fmt.Errorf(
	"%w: Append returned less than it was given; it must append to dst",
	ErrCodec,
)
