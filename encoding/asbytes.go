package encoding

import (
	"fmt"

	"github.com/cachewire/cachewire/core"
)

// AsBytes returns a codec like codec that stores its values with core.FlagBytes, for programs
// that accept no other flags. In Python, python-memcached then returns bytes, which a package
// like msgpack decodes, instead of raising ValueError. Values with the flags of codec are read
// as well.
//
// A value without the flags of its kind can be mistaken for one of another codec: the number 53
// in MessagePack is the byte "5", which Int reads as 5.
//
// core.NewTyped returns core.ErrConfig if codec is nil. The codec must not put values in an
// envelope, or compress them except by zlib.
func AsBytes[T any](codec core.Codec[T]) core.Codec[T] { return bytesOf[T]{codec} }

type bytesOf[T any] struct{ codec core.Codec[T] }

func (c bytesOf[T]) Check(traits core.Traits) error {
	return checkCodec("AsBytes", c.codec, traits)
}

func (c bytesOf[T]) Append(dst []byte, v T) ([]byte, uint32, error) {
	data, flags, err := c.codec.Append(dst, v)
	if err != nil {
		return dst, 0, err
	}
	if flags&^(kindFlags|core.FlagZlib) != 0 || flags&core.FlagEnvelope != 0 {
		return dst, 0, fmt.Errorf("the codec returned the flags %#x, without which "+
			"the value could not be read", flags)
	}
	return data, flags & core.FlagZlib, nil
}

func (c bytesOf[T]) Decode(data []byte, flags uint32) (T, error) {
	return c.codec.Decode(data, flags)
}
