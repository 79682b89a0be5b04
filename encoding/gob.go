package encoding

import (
	"bytes"
	"encoding"
	"encoding/gob"
	"errors"
	"fmt"
	"reflect"
	"sync"

	"github.com/cachewire/cachewire/core"
)

// Gob answers the codec of package encoding/gob: for Go programs only, and for
// whatever T that package can bear. What comes back is what that package makes of
// a value: pointers to zero values and empty slices come back nil, and nil maps
// empty. Nil itself it cannot write.
//
// Each value stands for itself, with the description of its type before it. The
// codec works out a description once, which makes it ten times as fast as
// package gob, but not where T has interfaces.
//
// Package gob does not guard against damaged or hostile values. One can cost
// any amount of memory, and with it end the process, where T has maps or contains
// itself: use another codec for caches to which others can write.
func Gob[T any]() core.Codec[T] {
	return &gobCodec[T]{open: hasInterface(reflect.TypeFor[T](), map[reflect.Type]bool{})}
}

type gobCodec[T any] struct {
	// open is whether values of T may hold values of types that only they tell.
	// Their descriptions stand anywhere, so that nothing can be kept of them.
	open bool

	writers sync.Pool // of *gobWriter[T]

	mu      sync.RWMutex
	readers map[string]*gobReaders // guarded by mu; by what description they have read
}

// A gobWriter is an encoder that has written the description of T, with what it
// writes to, and a place for the value which has an address.
type gobWriter[T any] struct {
	out       appender
	v         T
	enc       *gob.Encoder
	described []byte
}

func (c *gobCodec[T]) Append(dst []byte, v T) (data []byte, flags uint32, err error) {
	data = dst // if it panics
	defer recoverGob(&err)
	w, ok := c.writers.Get().(*gobWriter[T])
	if !ok {
		w = new(gobWriter[T])
		w.enc = gob.NewEncoder(&w.out)
	}
	w.out, w.v = append(dst, w.described...), v
	err = errNilGob
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
			n, _ := described(first)
			w.described = bytes.Clone(first[:n])
		}
		c.writers.Put(w)
	}
	return out, core.FlagBytes, nil
}

// recoverGob makes an error of a panic: package gob, which has many, panics at a
// nil in the place of a type that encodes itself, and at a slice as the key of a
// map.
func recoverGob(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("gob: %v", p)
	}
}

// gobReaders are readers that have read the same description, and then values of
// type id.
type gobReaders struct {
	id   uint64
	pool sync.Pool // of *gobReader
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
	n, id := described(data)
	if r := c.reader(data[:n], id); r != nil {
		if v, err := readGob[T](r, data[n:]); err == nil {
			c.keep(r, data[:n], id)
			return v, nil
		} // an error may come of what else r has read
	}
	r := new(gobReader)
	r.dec = gob.NewDecoder(&r.src)
	v, err := readGob[T](r, data)
	if err == nil {
		c.keep(r, data[:n], id)
	}
	return v, err
}

func readGob[T any](r *gobReader, data []byte) (_ T, err error) {
	defer recoverGob(&err)
	v := new(T)
	r.src.Reset(data)
	err = r.dec.Decode(v)
	if err == nil && r.src.Len() != 0 {
		err = errTrailing
	}
	r.src.Reset(nil)
	if err != nil {
		return *new(T), err
	}
	return *v, nil
}

// A codec keeps readers for so many descriptions of T. One program writes one,
// but each may number its types in its own way.
const (
	keptDescriptions   = 64
	longestDescription = 16 << 10
)

// reader answers a reader that has read description, and next a value of type id,
// or nil.
func (c *gobCodec[T]) reader(description []byte, id uint64) *gobReader {
	c.mu.RLock()
	kept := c.readers[string(description)]
	c.mu.RUnlock()
	if kept == nil || kept.id != id {
		return nil
	}
	r, _ := kept.pool.Get().(*gobReader)
	return r
}

// keep keeps r, which has read description and a value of type id.
func (c *gobCodec[T]) keep(r *gobReader, description []byte, id uint64) {
	if c.open || len(description) == 0 || len(description) > longestDescription {
		return
	}
	c.mu.RLock()
	kept := c.readers[string(description)]
	c.mu.RUnlock()
	if kept == nil {
		c.mu.Lock()
		if kept = c.readers[string(description)]; kept == nil {
			if c.readers == nil || len(c.readers) == keptDescriptions {
				c.readers = map[string]*gobReaders{} // those in use will be back soon
			}
			kept = &gobReaders{id: id}
			c.readers[string(description)] = kept
		}
		c.mu.Unlock()
	}
	if kept.id == id {
		kept.pool.Put(r)
	}
}

// described answers how many bytes at the beginning of data, a gob, describe
// types, and the number of the value's type, if the value is the one message that
// follows. It answers 0 if there is nothing before the value, or more behind it
// than one message, or data is no gob. The documentation of package gob tells of
// messages.
func described(data []byte) (n int, id uint64) {
	for at := 0; ; {
		length, n := gobUint(data[at:])
		if n == 0 || length > uint64(len(data)-at-n) {
			return 0, 0
		}
		end := at + n + int(length)
		id, n := gobUint(data[at+n : end])
		switch {
		case n != 0 && id&1 != 0: // below zero: the description of type -id
			at = end
		case n != 0 && end == len(data):
			return at, id
		default:
			return 0, 0
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
