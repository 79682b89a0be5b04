package protobuf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"reflect"

	"google.golang.org/protobuf/proto"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
)

// Codec returns the codec of T, which must be a pointer to a generated message. It stores
// values with encoding.FlagProtobuf, and also reads values with core.FlagBytes. core.NewTyped
// returns core.ErrConfig if T is an interface, or a message whose type is known only at run
// time.
func Codec[T proto.Message]() core.Codec[T] {
	c := new(codec[T])
	if c.message, c.err = newMessage[T](); c.err != nil {
		c.err = fmt.Errorf("%w: protobuf: T is %v; want a pointer to a generated message",
			core.ErrConfig, reflect.TypeFor[T]())
	}
	return c
}

type codec[T proto.Message] struct {
	message func() T // returns an empty message
	err     error
}

// newMessage returns a function that returns empty messages.
func newMessage[T proto.Message]() (_ func() T, err error) {
	defer func() {
		if p := recover(); p != nil { // a nil T has no type
			err = fmt.Errorf("%v", p)
		}
	}()
	message := (*new(T)).ProtoReflect().Type()
	if _, ok := message.New().Interface().(T); !ok {
		return nil, errors.New("not a T")
	}
	return func() T { return message.New().Interface().(T) }, nil
}

func (c *codec[T]) Check(core.Traits) error { return c.err }

// nilMessage is the length 0 in a longer form than an empty message has.
const nilMessage = "\x80\x00"

func (c *codec[T]) Append(dst []byte, v T) ([]byte, uint32, error) {
	switch {
	case c.err != nil:
		return dst, 0, c.err
	case !v.ProtoReflect().IsValid():
		return append(dst, nilMessage...), encoding.FlagProtobuf, nil
	}
	size := proto.Size(v)
	data, err := proto.MarshalOptions{UseCachedSize: true}.
		MarshalAppend(binary.AppendUvarint(dst, uint64(size)), v)
	if err != nil {
		return dst, 0, err
	}
	return data, encoding.FlagProtobuf, nil
}

var (
	errLength   = errors.New("protobuf: the length before the message is wrong")
	errMismatch = errors.New("protobuf: the message has no field of the type asked for")
)

func (c *codec[T]) Decode(data []byte, flags uint32) (T, error) {
	none := *new(T)
	data, err := encoding.Plain(data, flags, encoding.FlagProtobuf)
	switch {
	case c.err != nil:
		return none, c.err
	case err != nil:
		return none, err
	case string(data) == nilMessage:
		return none, nil
	}
	length, n := binary.Uvarint(data)
	switch body := data[max(n, 0):]; {
	case n == 0 || n > 0 && length > uint64(len(body)):
		return none, io.ErrUnexpectedEOF
	case n < 0 || length < uint64(len(body)) || n > 1 && data[n-1] == 0:
		return none, errLength
	default:
		v := c.message()
		if err := proto.Unmarshal(body, v); err != nil {
			return none, err
		}
		if len(body) != 0 && len(v.ProtoReflect().GetUnknown()) == len(body) {
			return none, errMismatch
		}
		return v, nil
	}
}
