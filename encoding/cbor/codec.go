package cbor

import (
	"bytes"
	std "encoding"
	"errors"
	"math"
	"reflect"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
)

// maxDepth is how deep values may be nested; it is the limit of encoding/json.
const maxDepth = 10_000

var encMode = must(cbor.EncOptions{
	BigIntConvert: cbor.BigIntConvertNone, // so that a big.Int in an interface stays one
	Time:          cbor.TimeRFC3339NanoUTC,
	TimeTag:       cbor.EncTagRequired,
	TextMarshaler: cbor.TextMarshalerTextString,
}.UserBufferEncMode())

// Decode uses lenient. strict is the same, but refuses unknown fields.
var lenient, strict = decMode(cbor.ExtraDecErrorNone), decMode(cbor.ExtraDecErrorUnknownField)

func decMode(extra cbor.ExtraDecErrorCond) cbor.DecMode {
	return must(cbor.DecOptions{
		TimeTag:           cbor.DecTagOptional,
		MaxNestedLevels:   maxDepth,
		MaxArrayElements:  math.MaxInt32, // there must be a byte for each
		MaxMapPairs:       math.MaxInt32,
		IntDec:            cbor.IntDecConvertSignedOrBigInt,
		BigIntDec:         cbor.BigIntDecodePointer,
		DefaultMapType:    reflect.TypeFor[map[string]any](),
		UTF8:              cbor.UTF8DecodeInvalid,
		TextUnmarshaler:   cbor.TextUnmarshalerTextString,
		ExtraReturnErrors: extra,
	}.DecMode())
}

// must returns v. The options are constants, so that an error is one of this file.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Codec returns the codec of CBOR for T. It stores values with encoding.FlagCBOR, and also
// reads values with core.FlagBytes.
func Codec[T any]() core.Codec[T] {
	c := new(codec[T])
	c.shape = encoding.NewShape(reflect.TypeFor[T](), encoding.ShapeRules{
		Codec: "CBOR", Tags: []string{"cbor", "json"}, Encodes: c.encodesItself, Null: isZeroTime,
	})
	c.writers.New = func() any { return new(writer[T]) }
	return c
}

// encodesItself reports whether values of t encode themselves. Methods of a pointer count for
// all values, because the encoder copies one that has no address. It sets verify.
func (c *codec[T]) encodesItself(t reflect.Type, _ bool) bool {
	for _, i := range []reflect.Type{
		reflect.TypeFor[cbor.Marshaler](),
		reflect.TypeFor[std.BinaryMarshaler](), reflect.TypeFor[std.TextMarshaler](),
	} {
		if t.Implements(i) || reflect.PointerTo(t).Implements(i) {
			c.verify = c.verify || t.Kind() < reflect.Array || t.Kind() == reflect.String
			return true
		}
	}
	return false
}

// isZeroTime reports whether v is the zero time, which the encoder writes as null.
func isZeroTime(v reflect.Value) bool {
	return v.CanInterface() && v.Type() == reflect.TypeFor[time.Time]() && v.IsZero()
}

type codec[T any] struct {
	shape   *encoding.Shape
	writers sync.Pool // of *writer[T]

	// verify is whether Decode has to encode what it has decoded. It is set by shape.Err. The
	// decoder can, for example, put a number into a numeric type that encodes itself as text,
	// without calling the methods of that type.
	verify bool
}

// A writer has the output of the encoder, and a variable for the value, whose address the
// encoder needs.
type writer[T any] struct {
	out bytes.Buffer
	v   T
}

func (c *codec[T]) Check(core.Traits) error { return c.shape.Err() }

func (c *codec[T]) Append(dst []byte, v T) ([]byte, uint32, error) {
	w := c.writers.Get().(*writer[T])
	w.out, w.v = *bytes.NewBuffer(dst), v
	err := c.shape.Check(reflect.ValueOf(&w.v).Elem())
	if err == nil {
		err = encMode.MarshalToBuffer(&w.v, &w.out)
	}
	out := w.out.Bytes()
	w.out, w.v = bytes.Buffer{}, *new(T)
	c.writers.Put(w)
	if err != nil {
		return dst, 0, err
	}
	return out, encoding.FlagCBOR, nil
}

func (c *codec[T]) Decode(data []byte, flags uint32) (T, error) {
	data, err := encoding.Plain(data, flags, encoding.FlagCBOR)
	if err == nil {
		err = c.shape.Err()
	}
	if err != nil {
		return *new(T), err
	}
	v := new(T)
	if err = lenient.Unmarshal(data, v); err == nil {
		err = c.check(v, data)
	}
	if err == nil && c.verify {
		_, _, err = c.Append(nil, *v)
	}
	if err != nil {
		return *new(T), err
	}
	return *v, nil
}

var (
	errNull     = errors.New("cbor: the value is null")
	errMismatch = errors.New("cbor: the value does not match the type asked for")
)

// check returns an error if v, which was decoded from data, is zero although data is another
// value. The decoder skips unknown fields, accepts null for every type, and fills up an array
// that is too short.
func (c *codec[T]) check(v *T, data []byte) error {
	r := reflect.ValueOf(v).Elem()
	for r.Kind() == reflect.Pointer && !r.IsNil() {
		r = r.Elem()
	}
	if !r.IsZero() {
		return nil
	}
	again, _, err := c.Append(nil, *v)
	switch {
	case err != nil:
		return err
	case bytes.Equal(again, data):
		return nil // data is how a zero value is encoded
	case isNull(data):
		switch r.Kind() {
		case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface:
			return nil
		}
		return errNull
	case r.Kind() == reflect.Array && data[0] != again[0]:
		return errMismatch
	case strict.Unmarshal(data, new(T)) != nil:
		return errMismatch
	}
	return nil
}

// isNull reports whether data is null or undefined.
func isNull(data []byte) bool { return len(data) == 1 && (data[0] == 0xf6 || data[0] == 0xf7) }
