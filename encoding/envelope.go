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

// Envelope answers the codec of values with facts: an envelope, which holds the
// facts, before what codec writes. A value without facts has none, and is read by
// codec itself and by whoever reads codec's values; and Envelope reads what codec
// wrote as a value without facts.
//
// A flag tells which values have an envelope. On a backend that keeps no flags,
// which traits tell, its first bytes do; a value that begins with the same is put
// in an envelope without facts. There, bytes that another program wrote and that
// begin so are mistaken for an envelope. core.NewTyped refuses a backend without flags
// with errors.ErrUnsupported if traits are those of one that keeps them, and it
// refuses a nil codec with core.ErrConfig.
func Envelope[T any](codec core.Codec[T], traits core.Traits) core.Codec[Enveloped[T]] {
	return envelopeCodec[T]{codec, traits.NoFlags}
}

type envelopeCodec[T any] struct {
	codec   core.Codec[T]
	noFlags bool
}

func (c envelopeCodec[T]) Check(traits core.Traits) error {
	if traits.NoFlags && !c.noFlags {
		return fmt.Errorf("%w: the backend keeps no flags, and Envelope was given the traits of one that does", errors.ErrUnsupported)
	}
	return checkCodec("Envelope", c.codec, traits)
}

var (
	errEnvelopeTwice = errors.New("the value has an envelope already")
	errNotAppended   = errors.New("the codec of the value answered less than it was given; it must append to dst")
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
			return v, nil
		}
	}
	var err error
	if v.Value, err = c.codec.Decode(data, flags&^core.FlagEnvelope); err != nil {
		return Enveloped[T]{}, err
	}
	return v, nil
}

// An envelope is magic, the version, the length of its fields, and the fields. A
// field is its number, the length of its content, and its content. Lengths and
// numbers are unsigned varints, as package encoding/binary writes them. A reader
// passes over a field whose number it does not know; what a reader must not pass
// over is another version.
//
// No UTF-8 has the first byte of magic, so that no text, JSON or number begins
// with it, and no gob value does either.
const (
	magic   = "\xf8cw"
	version = 1
)

func hasMagic(data []byte) bool {
	return len(data) >= len(magic) && string(data[:len(magic)]) == magic
}

var errDamaged = errors.New("the envelope is damaged or cut off")

// openEnvelope answers the value behind the envelope that data begins with, and
// fills in f.
func openEnvelope(data []byte, f *Facts) ([]byte, error) {
	if !hasMagic(data) || len(data) == len(magic) {
		return nil, errDamaged
	}
	if v := data[len(magic)]; v != version {
		return nil, fmt.Errorf("the envelope is of version %d; this program reads %d", v, version)
	}
	fields, value := cutBytes(data[len(magic)+1:])
	if fields == nil || !f.setFields(fields) {
		return nil, errDamaged
	}
	return value, nil
}
