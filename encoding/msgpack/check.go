package msgpack

import (
	"bytes"
	"errors"
	"reflect"

	"github.com/vmihailenco/msgpack/v5"
)

var (
	errNil     = errors.New("msgpack: the value is nil")
	errNothing = errors.New("msgpack: the value has nothing that belongs to the type asked for")
	errRange   = errors.New("msgpack: the number is too large or too small for the type asked for")
)

// check answers an error unless v is what data says, of which it was read: the
// decoder cuts off integers, leaves out fields that it does not know, and takes
// nil, or an array that is too short, for anything.
func (c *codec[T]) check(v *T, data []byte) error {
	r := reflect.ValueOf(v).Elem()
	for r.Kind() == reflect.Pointer && !r.IsNil() {
		r = r.Elem()
	}
	if n, ok := integer(data); ok && (r.CanInt() && n != signed(r.Int()) || r.CanUint() && n != unsigned(r.Uint())) {
		switch r.Addr().Interface().(type) {
		case msgpack.CustomDecoder, msgpack.Unmarshaler: // which may have its reasons
		default:
			return errRange
		}
	}
	if r.IsZero() {
		return c.checkZero(v, data, r.Kind())
	}
	return nil
}

// checkZero is for a v that is zero, or points to what is.
func (c *codec[T]) checkZero(v *T, data []byte, kind reflect.Kind) error {
	again, _, err := c.Append(nil, *v)
	switch {
	case err != nil:
		return err
	case bytes.Equal(again, data):
		return nil // it is written like this
	case data[0] == codeNil && nilable(kind):
		return nil
	case data[0] == codeNil:
		return errNil
	case isArray(data[0]) && count(data) != count(again),
		kind == reflect.Array && !isArray(data[0]) && len(data) != len(again):
		return errNothing
	}
	dec := msgpack.NewDecoder(&source{data: data})
	dec.DisallowUnknownFields(true)
	if dec.Decode(new(T)) != nil {
		return errNothing
	}
	return nil
}

func nilable(kind reflect.Kind) bool {
	switch kind {
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface:
		return true
	}
	return false
}

// count answers how many values are in the array that data is, or -1 if it is none.
func count(data []byte) int {
	if len(data) == 0 || !isArray(data[0]) {
		return -1
	}
	_, n, _ := head(data, 0)
	return n
}

func isArray(c byte) bool { return c&0xf0 == codeFixArray || c == codeArray16 || c == codeArray32 }

// A number is an integer of 64 bits, of either kind.
type number struct {
	negative bool
	bits     uint64 // in two's complement
}

func signed(n int64) number    { return number{n < 0, uint64(n)} }
func unsigned(n uint64) number { return number{false, n} }

// integer answers the integer that data is, if it is one.
func integer(data []byte) (number, bool) {
	next, _, err := head(data, 0)
	if err != nil || next != len(data) {
		return number{}, false
	}
	c := data[0]
	switch {
	case c < codeFixMap:
		return unsigned(uint64(c)), true
	case c >= codeNegative:
		return signed(int64(int8(c))), true
	case c < codeUint8 || c > codeInt64:
		return number{}, false
	}
	var bits uint64
	for _, b := range data[1:] {
		bits = bits<<8 | uint64(b)
	}
	if c < codeInt8 {
		return unsigned(bits), true
	}
	unused := 64 - 8*(len(data)-1)
	return signed(int64(bits<<unused) >> unused), true
}
