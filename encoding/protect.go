package encoding

import (
	"errors"

	"github.com/cachewire/cachewire/core"
)

// A Guard protects encoded values against others that can read the cache or write to it; see
// module encoding/seal. It is used by many goroutines at once.
type Guard interface {
	// Flags returns the flags of a value that Append has protected, such as FlagEncrypted.
	Flags() uint32

	// Append appends the protected src to dst and returns the extended slice. Open must not
	// return src under another key, nor with other flags. Append keeps no reference to dst
	// or src, which do not overlap.
	Append(dst []byte, key string, src []byte, flags uint32) ([]byte, error)

	// Open returns the plain value that Append protected as data, and its flags. The value
	// may refer to data. Open returns an error if data is anything else. It must not write to
	// data.
	Open(data []byte, key string) (src []byte, flags uint32, err error)
}

// Protect returns a codec like codec whose values guard protects. It binds each value to its
// key. So it is a core.KeyedCodec, which must be the outermost codec. Only Envelope may be
// put around it: the facts are then protected together with the value. To compress protected
// values, put Protect around Compress.
//
// The returned codec does not read values that are not protected, even if codec could. It
// also works over a backend that keeps no flags.
//
// core.NewTyped returns core.ErrConfig if codec or guard is nil, or if codec is a
// core.KeyedCodec.
func Protect[T any](codec core.Codec[T], guard Guard) core.Codec[T] {
	return protected[T]{codec, guard}
}

type protected[T any] struct {
	codec core.Codec[T]
	guard Guard
}

func (c protected[T]) Check(traits core.Traits) error {
	if c.guard == nil || isNilPointer(c.guard) {
		return configErrorf("Protect: the guard is nil; want one like a *seal.Encrypter")
	}
	traits.NoFlags = false // the guard keeps the flags of the value
	return checkCodec("Protect", c.codec, traits)
}

var errNoKey = errors.New("a protected value is bound to its key; " +
	"use core.Typed, AppendKey or DecodeKey")

func (c protected[T]) Append(dst []byte, _ T) ([]byte, uint32, error) { return dst, 0, errNoKey }

func (c protected[T]) Decode([]byte, uint32) (T, error) { return *new(T), errNoKey }

func (c protected[T]) AppendKey(dst []byte, key string, v T) ([]byte, uint32, error) {
	buf := buffers.Get().(*[]byte)
	plain, flags, err := c.codec.Append((*buf)[:0], v)
	defer putBuffer(buf, len(plain))
	if err != nil {
		return dst, 0, err
	}
	data, err := c.guard.Append(dst, key, plain, flags)
	if err != nil {
		return dst, 0, err
	}
	return data, c.guard.Flags(), nil
}

func (c protected[T]) DecodeKey(data []byte, flags uint32, key string) (T, error) {
	if want := c.guard.Flags(); flags != want && flags != core.FlagBytes {
		return *new(T), wrongKind(flags, []uint32{want})
	}
	plain, flags, err := c.guard.Open(data, key)
	if err != nil {
		return *new(T), err
	}
	return c.codec.Decode(plain, flags)
}
