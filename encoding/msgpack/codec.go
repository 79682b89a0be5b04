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

// Codec answers the codec of MessagePack for T. Values are stored as
// core.FlagBytes.
func Codec[T any]() core.Codec[T] {
	interns, maps := look(reflect.TypeFor[T](), map[reflect.Type]bool{})
	c := &codec[T]{wary: maps || !interns}
	c.writers.New = func() any { return &writer[T]{enc: msgpack.NewEncoder(nil)} }
	return c
}

type codec[T any] struct {
	writers sync.Pool // of *writer[T]

	// wary is whether an extension may be mistaken for a map, which a type with a
	// DecodeMsgpack may read unseen. If there are interned strings, and no maps to
	// be seen, it has to be enough that there are none, for the numbers of these
	// strings are extensions that look like maps from the 129th on.
	wary bool
}

// A writer is an encoder that can be used again, with what it writes to, and a
// place for the value which has an address.
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
	traps, err := scan(data, c.wary)
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

// A reader is a decoder that can be used again, with what it reads from. Unlike a
// writer it has no place for the value: a type with a DecodeMsgpack may keep
// slices of itself.
type reader struct {
	src source
	dec *msgpack.Decoder
}

var readers = sync.Pool{New: func() any { return &reader{dec: msgpack.NewDecoder(nil)} }}

// keptBuffer is the length of a value up to which the decoder's buffer is kept for
// the next.
const keptBuffer = 1 << 20

// read decodes data, all of it, to v.
func read(v any, data []byte, traps []int) error {
	r := readers.Get().(*reader)
	r.src = source{data: data, traps: traps}
	err := r.decode(v)
	if err == nil && r.src.at != len(data) {
		err = errTrailing
	}
	r.src = source{}
	if err != nil || len(data) > keptBuffer {
		r.dec = msgpack.NewDecoder(nil) // a buffer, or what it recorded when it failed, would stay
	}
	readers.Put(r)
	return err
}

// decode decodes to v. Where the type and the data do not go together, such as nil
// in the place of a time, the decoder may panic.
func (r *reader) decode(v any) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("msgpack: %v", p)
		}
	}()
	r.dec.Reset(&r.src)
	return r.dec.Decode(v)
}

// An appender is a slice that an encoder appends to.
type appender []byte

func (a *appender) Write(p []byte) (int, error) {
	*a = append(*a, p...)
	return len(p), nil
}

func (a *appender) WriteByte(b byte) error {
	*a = append(*a, b)
	return nil
}

// look tells whether a field somewhere in t has the option intern, and whether
// there are maps. It fills in seen, with the types that it has looked at.
func look(t reflect.Type, seen map[reflect.Type]bool) (interns, maps bool) {
	if seen[t] {
		return false, false
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Map:
		return false, true
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return look(t.Elem(), seen)
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			in, m := look(f.Type, seen)
			interns = interns || in || strings.Contains(f.Tag.Get("msgpack"), ",intern")
			maps = maps || m
		}
	}
	return interns, maps
}
