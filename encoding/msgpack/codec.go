package msgpack

import (
	std "encoding"
	"fmt"
	"reflect"
	"strings"
	"sync"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
)

// Codec returns the codec of MessagePack for T. It stores values with encoding.FlagMsgPack,
// and also reads values with core.FlagBytes.
func Codec[T any]() core.Codec[T] {
	t := reflect.TypeFor[T]()
	interns, maps := inspect(t, map[reflect.Type]bool{})
	c := &codec[T]{
		shape: encoding.NewShape(t, encoding.ShapeRules{
			Codec: "MsgPack", Tags: []string{"msgpack"}, Encodes: encodesItself,
		}),
		findTraps: maps || !interns,
	}
	c.writers.New = func() any { return &writer[T]{enc: msgpack.NewEncoder(nil)} }
	return c
}

type codec[T any] struct {
	shape   *encoding.Shape
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

func (c *codec[T]) Check(core.Traits) error { return c.shape.Err() }

func (c *codec[T]) Append(dst []byte, v T) (data []byte, flags uint32, err error) {
	data = dst // if the encoder panics
	defer recovered(&err)
	w := c.writers.Get().(*writer[T])
	w.out, w.v = dst, v
	if err = c.shape.Check(reflect.ValueOf(&w.v).Elem()); err == nil {
		w.enc.Reset(&w.out)
		w.enc.UseCompactInts(true)
		err = w.enc.Encode(&w.v)
	}
	out := w.out
	w.out, w.v = nil, *new(T)
	c.writers.Put(w)
	if err != nil {
		return dst, 0, err
	}
	return out, encoding.FlagMsgPack, nil
}

func (c *codec[T]) Decode(data []byte, flags uint32) (T, error) {
	data, err := encoding.Plain(data, flags, encoding.FlagMsgPack)
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
	defer recovered(&err)
	r.dec.Reset(&r.src)
	return r.dec.Decode(v)
}

func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("msgpack: %v", p)
	}
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

// encodesItself reports whether values of t encode themselves. If their methods need an
// address and a value has none, the encoder returns an error.
func encodesItself(t reflect.Type, _ bool) bool {
	for _, i := range []reflect.Type{
		reflect.TypeFor[msgpack.CustomEncoder](), reflect.TypeFor[msgpack.Marshaler](),
		reflect.TypeFor[std.BinaryMarshaler](), reflect.TypeFor[std.TextMarshaler](),
	} {
		if t.Implements(i) || reflect.PointerTo(t).Implements(i) {
			return true
		}
	}
	return t.Kind() == reflect.Struct && isRegistered(t)
}

// isRegistered reports whether a program has registered t, which has no exported field, by a
// function of package msgpack. The package does not say so, but it encodes a struct that is
// not registered as an empty map or array.
func isRegistered(t reflect.Type) bool {
	for i := range t.NumField() {
		if t.Field(i).IsExported() || t.Field(i).Anonymous {
			return false
		}
	}
	var out appender
	err := func() (err error) {
		defer recovered(&err)
		return msgpack.NewEncoder(&out).EncodeValue(reflect.New(t).Elem())
	}()
	return err == nil && string(out) != "\x80" && string(out) != "\x90"
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
