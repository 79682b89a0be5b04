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
// read. Fields that are new to T, or missing, are no error, so that programs of two
// versions can share a cache; but an object that has fields, and none of T's, is
// some other value and an error, and so is null where T has no nil.
func JSON[T any]() core.Codec[T] {
	c := &jsonCodec[T]{nullable: takesNull[T]()}
	c.writers.New = func() any {
		w := new(jsonWriter[T])
		w.enc = json.NewEncoder(w)
		return w
	}
	return c
}

type jsonCodec[T any] struct {
	writers  sync.Pool // of *jsonWriter[T]
	nullable bool
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
		err = c.checkZero(data)
	}
	if err != nil {
		return *new(T), err
	}
	return v, nil
}

// checkZero answers an error unless data is what a zero value is written as:
// json.Unmarshal takes null for anything, and leaves out fields that it does not
// know.
func (c *jsonCodec[T]) checkZero(data []byte) error {
	if bytes.Equal(bytes.TrimSpace(data), []byte("null")) {
		if c.nullable {
			return nil
		}
		return errNull
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if dec.Decode(new(T)) != nil {
		return errNothing
	}
	return nil
}

// takesNull tells whether null is a value of T.
func takesNull[T any]() bool {
	switch reflect.TypeFor[T]().Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface:
		return true
	}
	_, ok := any(new(T)).(json.Unmarshaler)
	return ok
}

// isZero tells whether v points to a zero value, or to pointers that end at one.
func isZero[T any](v *T) bool {
	r := reflect.ValueOf(v).Elem()
	for r.Kind() == reflect.Pointer && !r.IsNil() {
		r = r.Elem()
	}
	return r.IsZero()
}
