package core

import (
	"errors"
	"fmt"
	"sync"
)

// A Codec encodes values of T as bytes and decodes them, for [Typed]. It is used by many
// goroutines at once. A Typed returns its errors as ErrCodec, with the error as the cause.
// Package encoding/codectest tests whether a type keeps this contract.
type Codec[T any] interface {
	// Append appends the encoded v to dst, which may have other values in it, and
	// returns the extended slice and the flags to store beside v. It keeps no
	// reference to dst.
	Append(dst []byte, v T) ([]byte, uint32, error)

	// Decode returns the value that Append encoded as data and flags. If they are no
	// such value it returns an error, and never a zero value without one. The flags
	// are 0 if the backend keeps none. Decode must not write to data. The value may
	// refer to data, which does not change.
	Decode(data []byte, flags uint32) (T, error)
}

// A KeyedCodec is a Codec that binds a value to its key, so that it can refuse a value that
// was stored under another key. A Typed calls AppendKey and DecodeKey in place of Append and
// Decode, which return an error: whoever calls those does not say what the key is.
//
// The key is the one that the backend gets, with the prefix of the Cache. So two Caches with
// different prefixes agree on it if they read the same item.
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
// another one returns what the other's Check does.
type CodecChecker interface {
	// Check returns nil if the codec works over a backend with these traits. The error
	// is errors.ErrUnsupported if another backend would do: the codec needs flags to
	// decode its values, say, and the backend keeps none.
	Check(traits Traits) error
}

// Shared returns the Codec that encodes nothing. Over a backend that keeps Go values as
// they are (see SharedStorer), a hit decodes nothing, and all readers get the same value,
// which must not be changed. NewTyped refuses any other backend.
//
// A value stored in this way cannot be read as bytes, and Shared cannot read bytes or a
// value of another type: verbs return ErrCodec.
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

// codecError returns the error of a Codec as the caller of a verb gets it.
func codecError(err error) error {
	if err == errSharedWrapped || errors.Is(err, ErrCodec) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrCodec, err)
}

// buffers hold encoded values, to which a backend keeps no reference.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// keptBuffer is the largest capacity of a buffer that is kept for the next value.
const keptBuffer = 64 << 10

// putBuffer returns buf to the pool, with a larger one in its place if used bytes did not
// fit. It does not keep the slice that a Codec returned, which may be the Codec's own.
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
