package encoding

import (
	"errors"
	"fmt"

	"github.com/cachewire/cachewire/core"
)

// An Enveloped is a value with its facts.
type Enveloped[T any] struct {
	Value T // not stored if Facts.NotFound, and read as the zero value
	Facts Facts
}

// Envelope returns a codec of values with facts. It stores the facts in an envelope,
// before the bytes that codec writes. A value without facts has no envelope: codec itself
// reads it, and so does every other reader of the values of codec. Envelope reads values
// that codec wrote as values without facts.
//
// A flag says which values have an envelope. If traits say that the backend keeps no flags,
// the first bytes of the value say so. A value that begins with the same bytes is then stored
// in an envelope without facts. But bytes of another program that begin in this way are
// mistaken for an envelope.
//
// core.NewTyped returns errors.ErrUnsupported if the backend keeps no flags and traits say
// that it does, and core.ErrConfig if codec is nil.
//
// If [Protect] returned codec, the facts are protected as well, and the envelope itself is in
// the protected value. core.NewTyped returns core.ErrConfig for any other core.KeyedCodec.
func Envelope[T any](codec core.Codec[T], traits core.Traits) core.Codec[Enveloped[T]] {
	if c, ok := codec.(protected[T]); ok {
		return Protect(Envelope(c.codec, core.Traits{}), c.guard)
	}
	return envelopeCodec[T]{codec, traits.NoFlags}
}

type envelopeCodec[T any] struct {
	codec   core.Codec[T]
	noFlags bool
}

func (c envelopeCodec[T]) Check(traits core.Traits) error {
	if traits.NoFlags && !c.noFlags {
		return fmt.Errorf("%w: the backend keeps no flags; want Envelope with its traits",
			errors.ErrUnsupported)
	}
	return checkCodec("Envelope", c.codec, traits)
}

var (
	errEnvelopeTwice = errors.New("the value already has an envelope")
	errNotAppended   = errors.New("the codec of the value returned less than it was given; " +
		"it must append to dst")
)

func (c envelopeCodec[T]) Append(dst []byte, v Enveloped[T]) ([]byte, uint32, error) {
	start := len(dst)
	var flag uint32
	if !v.Facts.isZero() {
		if err := v.Facts.check(); err != nil {
			return dst, 0, err
		}
		dst, flag = appendEnvelope(dst, &v.Facts), core.FlagEnvelope
		if v.Facts.NotFound {
			return dst, flag, nil
		}
	}
	data, flags, err := c.codec.Append(dst, v.Value)
	switch {
	case err != nil:
		return dst[:start], 0, err
	case flags&core.FlagEnvelope != 0:
		return dst[:start], 0, errEnvelopeTwice
	case len(data) < len(dst):
		return dst[:start], 0, errNotAppended
	case flag == 0 && c.noFlags && hasMagic(data[start:]):
		value := string(data[start:])
		data = append(appendEnvelope(data[:start], &v.Facts), value...)
	}
	return data, flags | flag, nil
}

func (c envelopeCodec[T]) Decode(data []byte, flags uint32) (Enveloped[T], error) {
	var v Enveloped[T]
	if flags&core.FlagEnvelope != 0 || c.noFlags && hasMagic(data) {
		var err error
		if data, err = openEnvelope(data, &v.Facts); err != nil {
			return Enveloped[T]{}, err
		}
		if v.Facts.NotFound {
			if len(data) != 0 || flags&^core.FlagEnvelope != 0 {
				return Enveloped[T]{}, errDamaged // there is a value
			}
			return v, nil
		}
	}
	var err error
	if v.Value, err = c.codec.Decode(data, flags&^core.FlagEnvelope); err != nil {
		return Enveloped[T]{}, err
	}
	return v, nil
}

// An envelope is magic, the version, the length of its fields, and the fields. A field is
// its number, the length of its content, and its content. Lengths and numbers are
// unsigned varints, as in package encoding/binary. A reader skips a field whose number it
// does not know. A change that a reader must not skip gets a new version.
//
// The first byte of magic does not occur in UTF-8, so that no text, JSON or number begins
// with it. No gob begins with it either.
const (
	magic   = "\xf8cw"
	version = 1
)

func hasMagic(data []byte) bool {
	return len(data) >= len(magic) && string(data[:len(magic)]) == magic
}

var errDamaged = errors.New("the envelope is damaged or truncated")

// openEnvelope sets f to the facts in the envelope at the beginning of data, and returns
// the value after it.
func openEnvelope(data []byte, f *Facts) ([]byte, error) {
	if !hasMagic(data) || len(data) == len(magic) {
		return nil, errDamaged
	}
	if v := data[len(magic)]; v != version {
		return nil, fmt.Errorf("the envelope has version %d; this program reads version %d",
			v, version)
	}
	fields, value := cutBytes(data[len(magic)+1:])
	if fields == nil || !f.setFields(fields) {
		return nil, errDamaged
	}
	return value, nil
}
