package msgpack

import (
	"fmt"
	"reflect"
	"strings"
	"sync"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
)

// Codec returns the codec of MessagePack for T. It stores values with core.FlagBytes.
func Codec[T any]() core.Codec[T] {
	interns, maps := inspect(reflect.TypeFor[T](), map[reflect.Type]bool{})
	c := &codec[T]{findTraps: maps || !interns}
	c.writers.New = func() any { return &writer[T]{enc: msgpack.NewEncoder(nil)} }
	return c
}

type codec[T any] struct {
	writers sync.Pool // of *writer[T]

	// findTraps is whether scan looks for extensions that the decoder may mistake for maps.
	// It does so even if T shows no maps, because a type with a DecodeMsgpack method may
	// read one. The exception is a T that shows no maps and has interned strings: the
	// numbers of these strings are extensions that look like maps from the 129th on, so that
	// the codec must assume that there are no maps.
	findTraps bool
}

// A writer is an encoder that can be reused. It has the output of the encoder, and a
// variable for the value, whose address the encoder needs.
type writer[T any] struct {
	out appender
	v   T
	enc *msgpack.Encoder
}

func (c *codec[T]) Append(dst []byte, v T) ([]byte, uint32, error) {
	w := c.writers.Get().(*writer[T])
	w.out, w.v = dst, v
	w.enc.Reset(&w.out)
	w.enc.UseCompactInts(true)
	err := w.enc.Encode(&w.v)
	out := w.out
	w.out, w.v = nil, *new(T)
	c.writers.Put(w)
	if err != nil {
		return dst, 0, err
	}
	return out, core.FlagBytes, nil
}

func (c *codec[T]) Decode(data []byte, flags uint32) (T, error) {
	data, err := encoding.Plain(data, flags)
	if err != nil {
		return *new(T), err
	}
	traps, err := scan(data, c.findTraps)
	if err != nil {
		return *new(T), err
	}
	v := new(T)
	err = read(v, data, traps)
	if err == nil {
		err = c.check(v, data)
	}
	if err != nil {
		return *new(T), err
	}
	return *v, nil
}

// A reader is a decoder that can be reused, with its input. Unlike a writer, it has no
// variable for the value, because a type with a DecodeMsgpack method may keep slices of
// itself.
type reader struct {
	src source
	dec *msgpack.Decoder
}

var readers = sync.Pool{New: func() any { return &reader{dec: msgpack.NewDecoder(nil)} }}

// keptBuffer is the length of the longest value after which a decoder, with its buffer, is
// kept for the next value.
const keptBuffer = 1 << 20

// read decodes all of data to v.
func read(v any, data []byte, traps []int) error {
	r := readers.Get().(*reader)
	r.src = source{data: data, traps: traps}
	err := r.decode(v)
	if err == nil && r.src.at != len(data) {
		err = errTrailing
	}
	r.src = source{}
	if err != nil || len(data) > keptBuffer {
		r.dec = msgpack.NewDecoder(nil) // without its buffer, and what it recorded if it failed
	}
	readers.Put(r)
	return err
}

// decode decodes to v. The decoder may panic if the data do not match the type, for example
// at nil in place of a time. decode turns the panic into an error.
func (r *reader) decode(v any) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("msgpack: %v", p)
		}
	}()
	r.dec.Reset(&r.src)
	return r.dec.Decode(v)
}

// An appender is a slice to which an encoder appends.
type appender []byte

func (a *appender) Write(p []byte) (int, error) {
	*a = append(*a, p...)
	return len(p), nil
}

func (a *appender) WriteByte(b byte) error {
	*a = append(*a, b)
	return nil
}

// inspect reports whether a field anywhere in t has the option intern, and whether t has
// maps. It adds the types that it has examined to seen.
func inspect(t reflect.Type, seen map[reflect.Type]bool) (interns, maps bool) {
	if seen[t] {
		return false, false
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Map:
		return false, true
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return inspect(t.Elem(), seen)
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			fieldInterns, fieldMaps := inspect(f.Type, seen)
			interns = interns || fieldInterns || strings.Contains(f.Tag.Get("msgpack"), ",intern")
			maps = maps || fieldMaps
		}
	}
	return interns, maps
}
