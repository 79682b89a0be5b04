package encoding

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"sync"

	"github.com/cachewire/cachewire/core"
)

// JSON answers the codec of package encoding/json, which programs in any language
// read. What comes back is what that package makes of a value: without fields that
// it leaves out, with a replacement character for what is not UTF-8 in strings,
// and with float64 for numbers in interfaces.
//
// Fields that are new to T, or missing, are no error, so that programs of two
// versions can share a cache. But what package encoding/json would read as a zero
// value, null where T's zero value is not null, or an object that has fields and
// none of T's, is some other value and an error. Deeper inside a value it is not.
func JSON[T any]() core.Codec[T] {
	c := new(jsonCodec[T])
	c.writers.New = func() any {
		w := new(jsonWriter[T])
		w.enc = json.NewEncoder(w)
		return w
	}
	return c
}

type jsonCodec[T any] struct {
	writers sync.Pool // of *jsonWriter[T]
}

// A jsonWriter is what writes a value without an allocation: a json.Encoder,
// with what it writes to, and a place for the value which has an address.
type jsonWriter[T any] struct {
	out []byte
	v   T
	enc *json.Encoder
}

// Write appends p to w.out, but not the end of the line, which json.Encoder writes
// behind each value and nowhere else.
func (w *jsonWriter[T]) Write(p []byte) (int, error) {
	w.out = append(w.out, bytes.TrimSuffix(p, []byte("\n"))...)
	return len(p), nil
}

func (c *jsonCodec[T]) Append(dst []byte, v T) ([]byte, uint32, error) {
	w := c.writers.Get().(*jsonWriter[T])
	w.out, w.v = dst, v
	err := w.enc.Encode(&w.v)
	out := w.out
	w.out, w.v = nil, *new(T)
	c.writers.Put(w)
	if err != nil {
		return dst, 0, err
	}
	return out, core.FlagText, nil
}

var (
	errNull    = errors.New("the value is null")
	errNothing = errors.New("the value has no field of the type asked for")
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

// checkZero answers an error unless data may have been written for a zero value.
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
	return errNothing
}

// hasField tells whether package encoding/json would read a field of this name.
func hasField[T any](name string) bool {
	object, err := json.Marshal(map[string]any{name: nil})
	if err != nil {
		return false
	}
	dec := json.NewDecoder(bytes.NewReader(object))
	dec.DisallowUnknownFields()
	return dec.Decode(new(T)) == nil
}

// isZero tells whether v points to a zero value, or to pointers that end at one.
func isZero[T any](v *T) bool {
	r := reflect.ValueOf(v).Elem()
	for r.Kind() == reflect.Pointer && !r.IsNil() {
		r = r.Elem()
	}
	return r.IsZero()
}
