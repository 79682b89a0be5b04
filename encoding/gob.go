package encoding

import (
	"bytes"
	"encoding"
	"encoding/gob"
	"errors"
	"reflect"
	"sync"

	"github.com/cachewire/cachewire/core"
)

// Gob answers the codec of package encoding/gob: for Go programs only, and for
// whatever T that package can bear. Each value stands for itself, with the
// description of its type before it, but the codec works descriptions out once.
//
// Like package gob, it is for caches whose writers are trusted: a hostile value
// can cost much memory, and one of a type that contains itself can end the
// process.
func Gob[T any]() core.Codec[T] {
	return &gobCodec[T]{open: hasInterface(reflect.TypeFor[T](), map[reflect.Type]bool{})}
}

type gobCodec[T any] struct {
	// open is whether values of T may hold values of types that only they tell.
	// Their descriptions stand anywhere, so that nothing can be kept of them.
	open bool

	writers sync.Pool // of *gobWriter[T]

	mu      sync.RWMutex
	readers map[string]*sync.Pool // guarded by mu; of *gobReader, by what description they have read
}

// A gobWriter is an encoder that has written the description of T, with what it
// writes to, and a place for the value which has an address.
type gobWriter[T any] struct {
	out       appender
	v         T
	enc       *gob.Encoder
	described []byte
}

func (c *gobCodec[T]) Append(dst []byte, v T) ([]byte, uint32, error) {
	w, ok := c.writers.Get().(*gobWriter[T])
	if !ok {
		w = new(gobWriter[T])
		w.enc = gob.NewEncoder(&w.out)
	}
	w.out, w.v = append(dst, w.described...), v
	err := errNilGob
	if r, ok := lastPointer(&w.v); ok {
		err = w.enc.EncodeValue(r)
	}
	out := w.out
	w.out, w.v = nil, *new(T)
	if err != nil {
		return dst, 0, err
	}
	if !c.open {
		if w.described == nil {
			first := out[len(dst):]
			w.described = bytes.Clone(first[:described(first)])
		}
		c.writers.Put(w)
	}
	return out, core.FlagBytes, nil
}

// A gobReader is a decoder that has read a description, with what it reads from.
type gobReader struct {
	src bytes.Reader
	dec *gob.Decoder
}

func (c *gobCodec[T]) Decode(data []byte, flags uint32) (T, error) {
	data, err := Plain(data, flags)
	if err != nil {
		return *new(T), err
	}
	n := described(data)
	if r := c.reader(data[:n]); r != nil {
		if v, err := readGob[T](r, data[n:]); err == nil {
			c.keep(r, data[:n])
			return v, nil
		} // an error may come of what else r has read
	}
	r := new(gobReader)
	r.dec = gob.NewDecoder(&r.src)
	v, err := readGob[T](r, data)
	if err == nil {
		c.keep(r, data[:n])
	}
	return v, err
}

func readGob[T any](r *gobReader, data []byte) (T, error) {
	var v T
	r.src.Reset(data)
	err := r.dec.Decode(&v)
	if err == nil && r.src.Len() != 0 {
		err = errTrailing
	}
	r.src.Reset(nil)
	if err != nil {
		return *new(T), err
	}
	return v, nil
}

// A codec keeps readers for so many descriptions of T. One program writes one,
// but each may number its types in its own way.
const (
	keptDescriptions   = 64
	longestDescription = 16 << 10
)

// reader answers a reader that has read described, or nil.
func (c *gobCodec[T]) reader(described []byte) *gobReader {
	c.mu.RLock()
	pool := c.readers[string(described)]
	c.mu.RUnlock()
	if pool == nil {
		return nil
	}
	r, _ := pool.Get().(*gobReader)
	return r
}

// keep keeps r, which has read described.
func (c *gobCodec[T]) keep(r *gobReader, described []byte) {
	if c.open || len(described) == 0 || len(described) > longestDescription {
		return
	}
	c.mu.RLock()
	pool := c.readers[string(described)]
	c.mu.RUnlock()
	if pool == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.readers == nil {
			c.readers = map[string]*sync.Pool{}
		}
		if pool = c.readers[string(described)]; pool == nil {
			if len(c.readers) == keptDescriptions {
				return
			}
			pool = new(sync.Pool)
			c.readers[string(described)] = pool
		}
	}
	pool.Put(r)
}

// described answers how many bytes at the beginning of data, a gob, describe
// types, if the value is the one message that follows. It answers 0 if there is
// nothing before the value, or more behind it than one message, or data is no gob.
// Messages are told in the documentation of package gob.
func described(data []byte) int {
	for at := 0; ; {
		length, n := gobUint(data[at:])
		if n == 0 || length > uint64(len(data)-at-n) {
			return 0
		}
		end := at + n + int(length)
		id, n := gobUint(data[at+n : end])
		switch {
		case n != 0 && id&1 != 0: // below zero: the description of type -id
			at = end
		case n != 0 && end == len(data):
			return at
		default:
			return 0
		}
	}
}

// gobUint answers the number at the beginning of data, and how many bytes it
// takes, or 0 if it is none.
func gobUint(data []byte) (uint64, int) {
	if len(data) == 0 {
		return 0, 0
	}
	if data[0] <= 0x7f {
		return uint64(data[0]), 1
	}
	n := -int(int8(data[0]))
	if n > 8 || n >= len(data) {
		return 0, 0
	}
	var u uint64
	for _, b := range data[1 : 1+n] {
		u = u<<8 | uint64(b)
	}
	return u, 1 + n
}

var errNilGob = errors.New("nil is no value that package gob can encode")

// lastPointer follows v to what points to no pointer, which is all that package
// gob takes of types with a GobEncode of their own. It answers false if that is
// nil, at which package gob panics.
func lastPointer[T any](v *T) (reflect.Value, bool) {
	r := reflect.ValueOf(v)
	for r.Elem().Kind() == reflect.Pointer {
		if r = r.Elem(); r.IsNil() {
			return r, false
		}
	}
	e := r.Elem()
	return r, e.Kind() != reflect.Interface || !e.IsNil()
}

// hasInterface tells whether package gob, encoding a value of type t, meets
// a value of an interface type. It fills in seen, with the types that it has
// looked at.
func hasInterface(t reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[t] {
		return false
	}
	seen[t] = true
	for _, own := range []reflect.Type{
		reflect.TypeFor[gob.GobEncoder](), reflect.TypeFor[encoding.BinaryMarshaler](),
	} {
		if t.Implements(own) || reflect.PointerTo(t).Implements(own) {
			return false // what it writes is bytes to package gob
		}
	}
	switch t.Kind() {
	case reflect.Interface:
		return true
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return hasInterface(t.Elem(), seen)
	case reflect.Map:
		return hasInterface(t.Key(), seen) || hasInterface(t.Elem(), seen)
	case reflect.Struct:
		for i := range t.NumField() {
			if f := t.Field(i); f.IsExported() && hasInterface(f.Type, seen) {
				return true
			}
		}
	}
	return false
}
