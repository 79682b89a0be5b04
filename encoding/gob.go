package encoding

import (
	"bytes"
	"encoding"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"reflect"
	"sync"

	"github.com/cachewire/cachewire/core"
)

// Gob returns the codec of package encoding/gob. Only Go programs read its values, and T must
// be a type that package gob supports. A value comes back as package gob decodes it: unless it
// is T itself, an empty slice becomes nil, and a nil map in a map or a slice becomes empty.
//
// Package gob stores exported fields. It leaves out unexported ones, and those that are
// functions or channels. If all fields of a struct are left out, core.NewTyped returns
// core.ErrConfig with the name of a field. This applies to T and to any type in T. It also
// applies if T embeds an unexported type with exported fields, because package gob leaves
// these out, too. A pointer in a field that points to a zero value cannot be stored, because
// package gob would make it nil. A value that contains itself cannot be stored either.
//
// Each encoded value is complete: it begins with the description of its type, and ends with a
// checksum. The codec writes and reads a description only once, which makes it ten times as
// fast as package gob, unless T has interfaces. The checksum finds damage, which package gob
// does not guard against.
//
// The checksum does not detect hostile values. If T has maps or contains itself, such a value
// can take any amount of memory, and so end the process. If others can write to the cache,
// use another codec, or [Protect].
func Gob[T any]() core.Codec[T] {
	t := reflect.TypeFor[T]()
	return &gobCodec[T]{
		shape:   NewShape(t, ShapeRules{Codec: "Gob", Encodes: encodesGob, gob: true}),
		dynamic: hasInterface(t, map[reflect.Type]bool{}),
	}
}

// encodesGob reports whether values of t encode themselves for package gob, which then sees
// only the bytes that they write.
func encodesGob(t reflect.Type, _ bool) bool {
	return implements(t, true, reflect.TypeFor[gob.GobEncoder](),
		reflect.TypeFor[encoding.BinaryMarshaler]())
}

type gobCodec[T any] struct {
	shape *Shape

	// dynamic is whether a T may contain values of interface types. The descriptions of
	// their types may be anywhere in a gob, so that writers and readers cannot be kept.
	dynamic bool

	writers sync.Pool // of *gobWriter[T]

	mu      sync.RWMutex
	readers map[string]*gobReaders // guarded by mu; the key is the description
}

func (c *gobCodec[T]) Check(core.Traits) error { return c.shape.Err() }

// A value is a gob, and after it its checksum. Nil, which package gob cannot encode, is the
// checksum alone.
const checksumLen = crc32.Size

var (
	castagnoli   = crc32.MakeTable(crc32.Castagnoli)
	checksumSeed = crc32.Checksum([]byte("cachewire gob"), castagnoli) // so that nil is not 0
)

func appendChecksum(dst []byte, start int) []byte {
	return binary.BigEndian.AppendUint32(dst, crc32.Update(checksumSeed, castagnoli, dst[start:]))
}

var errChecksum = errors.New(
	"gob: the checksum is wrong: the value is damaged, or is not a value of Gob")

// cutChecksum returns data without the checksum at its end.
func cutChecksum(data []byte) ([]byte, error) {
	n := len(data) - checksumLen
	if n < 0 ||
		binary.BigEndian.Uint32(data[n:]) != crc32.Update(checksumSeed, castagnoli, data[:n]) {
		return nil, errChecksum
	}
	return data[:n:n], nil
}

// A gobWriter is an encoder that has written the description of T. It has the output of the
// encoder, and a variable for the value, whose address the encoder needs.
type gobWriter[T any] struct {
	out         appender
	v           T
	enc         *gob.Encoder
	description []byte
}

func (c *gobCodec[T]) Append(dst []byte, v T) (data []byte, flags uint32, err error) {
	data = dst // if package gob panics
	defer recoverGob(&err)
	start := len(dst)
	if isNil(reflect.ValueOf(&v).Elem()) {
		return appendChecksum(dst, start), FlagGob, c.shape.Err()
	}
	w, ok := c.writers.Get().(*gobWriter[T])
	if !ok {
		w = new(gobWriter[T])
		w.enc = gob.NewEncoder(&w.out)
	}
	w.out, w.v = append(dst, w.description...), v
	r, ok := lastPointer(&w.v)
	if err = c.shape.Check(reflect.ValueOf(&w.v).Elem()); err == nil && !ok {
		err = errNilGob
	}
	if err == nil {
		err = w.enc.EncodeValue(r)
	}
	out := w.out
	w.out, w.v = nil, *new(T)
	if err != nil {
		return dst, 0, err
	}
	if !c.dynamic {
		if w.description == nil {
			first := out[start:]
			n, _ := splitGob(first)
			w.description = bytes.Clone(first[:n])
		}
		c.writers.Put(w)
	}
	return appendChecksum(out, start), FlagGob, nil
}

// recoverGob turns a panic of package gob into an error. That package panics in many
// places, for example at a nil pointer to a type that encodes itself, and at a slice as
// the key of a map.
func recoverGob(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("gob: %v", p)
	}
}

// gobReaders are readers that have read the same description, and then values of the type
// with this id.
type gobReaders struct {
	id   uint64
	pool sync.Pool // of *gobReader
}

// A gobReader is a decoder that has read a description. It has the input of the decoder.
type gobReader struct {
	src bytes.Reader
	dec *gob.Decoder
}

func (c *gobCodec[T]) Decode(data []byte, flags uint32) (T, error) {
	data, err := Plain(data, flags, FlagGob)
	if err == nil {
		data, err = cutChecksum(data)
	}
	switch {
	case err != nil:
		return *new(T), err
	case len(data) == 0 && !nilable(reflect.TypeFor[T]().Kind()):
		return *new(T), errNilGob
	case len(data) == 0:
		return *new(T), nil
	case !areMessages(data):
		return *new(T), io.ErrUnexpectedEOF
	}
	n, id := splitGob(data)
	if r := c.reader(data[:n], id); r != nil {
		if v, err := readGob[T](r, data[n:]); err == nil {
			c.keep(r, data[:n], id)
			return v, nil
		} // r may have failed because of the types in earlier values
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
	if e := reflect.ValueOf(v).Elem(); e.Kind() == reflect.Slice && e.IsNil() {
		e.Set(reflect.MakeSlice(e.Type(), 0, 0)) // nil has no gob
	}
	return *v, nil
}

// A codec keeps readers for this many descriptions, each of at most this many bytes. A
// program writes one description of T, but each program may number its types in its own
// way.
const (
	keptDescriptions   = 64
	longestDescription = 16 << 10
)

// reader returns a reader that has read description, and then a value of type id. It
// returns nil if there is none.
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
	if c.dynamic || len(description) == 0 || len(description) > longestDescription {
		return
	}
	c.mu.RLock()
	kept := c.readers[string(description)]
	c.mu.RUnlock()
	if kept == nil {
		c.mu.Lock()
		if kept = c.readers[string(description)]; kept == nil {
			if c.readers == nil || len(c.readers) == keptDescriptions {
				c.readers = map[string]*gobReaders{} // descriptions in use come back soon
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

// splitGob returns how many bytes at the beginning of data, a gob, describe types, and
// the id of the type of the value, which must be the only message after them. n is 0 if
// there is no description, if there are more messages, or if data is not a gob. The
// documentation of package gob describes messages.
func splitGob(data []byte) (n int, id uint64) {
	for at := 0; ; {
		length, n := gobUint(data[at:])
		if n == 0 || length > uint64(len(data)-at-n) {
			return 0, 0
		}
		end := at + n + int(length)
		id, n := gobUint(data[at+n : end])
		switch {
		case n != 0 && id&1 != 0: // negative: the description of type -id
			at = end
		case n != 0 && end == len(data):
			return at, id
		default:
			return 0, 0
		}
	}
}

// areMessages reports whether data is whole messages. A decoder allocates what the length of a
// message says before it finds out that there is less.
func areMessages(data []byte) bool {
	for len(data) != 0 {
		length, n := gobUint(data)
		if n == 0 || length > uint64(len(data)-n) {
			return false
		}
		data = data[n+int(length):]
	}
	return true
}

// gobUint returns the number at the beginning of data, and how many bytes it takes, which
// is 0 if there is no number.
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

var errNilGob = errors.New("gob: the value is nil, or a pointer to nil")

// isNil reports whether v is nil itself.
func isNil(v reflect.Value) bool { return nilable(v.Kind()) && v.IsNil() }

func nilable(kind reflect.Kind) bool {
	switch kind {
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface:
		return true
	}
	return false
}

// lastPointer follows v to a pointer that does not point to a pointer, because package
// gob accepts no other for types with a GobEncode method. It returns false if it finds
// nil, at which package gob panics.
func lastPointer[T any](v *T) (reflect.Value, bool) {
	r := reflect.ValueOf(v)
	for r.Elem().Kind() == reflect.Pointer {
		if r.Elem().IsNil() {
			return r, false
		}
		r = r.Elem()
	}
	e := r.Elem()
	return r, e.Kind() != reflect.Interface || !e.IsNil()
}

// hasInterface reports whether package gob finds a value of an interface type when it
// encodes a value of type t. It adds the types that it has examined to seen.
func hasInterface(t reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[t] {
		return false
	}
	seen[t] = true
	if encodesGob(t, true) {
		return false
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
