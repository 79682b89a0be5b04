package encoding

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"sync"

	"github.com/cachewire/cachewire/core"
)

// JSON returns the codec of package encoding/json. Programs in any language read its
// values. A value comes back as that package decodes it: in an interface, a number becomes a
// float64, which is exact up to 2^53, a struct becomes a map, and bytes become text in Base64.
//
// That package stores exported fields. It leaves out unexported ones, those with the tag
// `json:"-"`, those that omitempty or omitzero drops, and those that share a name. If all
// fields of a struct are unexported, core.NewTyped returns core.ErrConfig with the name of a
// field. This applies to T and to any type in T. NewTyped also refuses a struct that embeds
// itself. A type with a method MarshalJSON or MarshalText stores itself; in a map it needs
// the method on the value and not on the pointer.
//
// A string that is not UTF-8 cannot be stored. Neither can a pointer to nil, or a value that
// contains itself. A pointer to a value that stores itself as null comes back nil.
//
// Fields that T does not have, and missing fields, are not errors, so that programs of two
// versions can share a cache. But package encoding/json decodes some other values as the
// zero value of T, and these are errors: null, unless it is the JSON of T's zero value,
// and an object that has fields, but none of T's. In a field or an element of T, neither
// is an error.
func JSON[T any]() core.Codec[T] {
	c := &jsonCodec[T]{shape: NewShape(reflect.TypeFor[T](),
		ShapeRules{Codec: "JSON", Tags: []string{"json"}, Encodes: encodesJSON})}
	c.writers.New = func() any {
		w := new(jsonWriter[T])
		w.enc = json.NewEncoder(w)
		return w
	}
	return c
}

// encodesJSON reports whether values of t encode themselves as JSON.
func encodesJSON(t reflect.Type, addressable bool) bool {
	return implements(t, addressable, reflect.TypeFor[json.Marshaler](),
		reflect.TypeFor[encoding.TextMarshaler]())
}

// implements reports whether t implements one of interfaces or, if t is addressable, whether
// a pointer to t does.
func implements(t reflect.Type, addressable bool, interfaces ...reflect.Type) bool {
	return slices.ContainsFunc(interfaces, func(i reflect.Type) bool {
		return t.Implements(i) || addressable && reflect.PointerTo(t).Implements(i)
	})
}

type jsonCodec[T any] struct {
	shape   *Shape
	writers sync.Pool // of *jsonWriter[T]
}

func (c *jsonCodec[T]) Check(core.Traits) error { return c.shape.Err() }

// A jsonWriter writes a value without an allocation. It has a json.Encoder, the output of
// the encoder, and a variable for the value, whose address the encoder needs.
type jsonWriter[T any] struct {
	out []byte
	v   T
	enc *json.Encoder
}

// Write appends p to w.out, but not the newline that json.Encoder writes after each
// value, and nowhere else.
func (w *jsonWriter[T]) Write(p []byte) (int, error) {
	w.out = append(w.out, bytes.TrimSuffix(p, []byte("\n"))...)
	return len(p), nil
}

func (c *jsonCodec[T]) Append(dst []byte, v T) ([]byte, uint32, error) {
	w := c.writers.Get().(*jsonWriter[T])
	w.out, w.v = dst, v
	r := reflect.ValueOf(&w.v).Elem()
	err := c.shape.Check(r)
	if err == nil {
		err = w.enc.Encode(&w.v)
	}
	out := w.out
	if err == nil && hasReplacement(out[len(dst):]) && !c.shape.isUTF8(r) {
		err = errStringNotUTF8
	}
	w.out, w.v = nil, *new(T)
	c.writers.Put(w)
	if err != nil {
		return dst, 0, err
	}
	return out, core.FlagText, nil
}

var errStringNotUTF8 = errors.New("JSON: a string in the value is not UTF-8; " +
	"a []byte may have any bytes")

// hasReplacement reports whether there is a replacement character in data. Package
// encoding/json writes one in place of each byte that is not UTF-8.
func hasReplacement(data []byte) bool {
	return bytes.Contains(data, []byte(`\ufffd`)) || bytes.Contains(data, []byte("\ufffd"))
}

var (
	errNull    = errors.New("the value is null")
	errNoField = errors.New("the value has no field of the type asked for")
)

func (c *jsonCodec[T]) Decode(data []byte, flags uint32) (T, error) {
	var v T
	data, err := Plain(data, flags, core.FlagText)
	if err == nil {
		err = json.Unmarshal(data, &v)
	}
	if err == nil && isZero(&v) {
		err = checkZero[T](data)
	}
	if err != nil {
		return *new(T), err
	}
	return v, nil
}

// checkZero returns an error unless data may be the JSON of a zero value.
func checkZero[T any](data []byte) error {
	if string(bytes.TrimSpace(data)) == "null" {
		if zero, err := json.Marshal(new(T)); err == nil && string(zero) == "null" {
			return nil
		}
		return errNull
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(data, &fields) != nil || len(fields) == 0 {
		return nil
	}
	for name := range fields {
		if hasField[T](name) {
			return nil
		}
	}
	return errNoField
}

// hasField reports whether package encoding/json would read a field with this name.
func hasField[T any](name string) bool {
	object, err := json.Marshal(map[string]any{name: nil})
	if err != nil {
		return false
	}
	dec := json.NewDecoder(bytes.NewReader(object))
	dec.DisallowUnknownFields()
	return dec.Decode(new(T)) == nil
}

// isZero reports whether v points to a zero value, or to pointers to one.
func isZero[T any](v *T) bool {
	r := reflect.ValueOf(v).Elem()
	for r.Kind() == reflect.Pointer && !r.IsNil() {
		r = r.Elem()
	}
	return r.IsZero()
}
