package msgpack

import (
	"bytes"
	"errors"
	"reflect"

	"github.com/vmihailenco/msgpack/v5"
)

var (
	errNil      = errors.New("msgpack: the value is nil")
	errMismatch = errors.New("msgpack: the value does not match the type asked for")
	errRange    = errors.New("msgpack: the number does not fit into the type asked for")
)

// check returns an error if v, which was decoded from data, is a truncated integer, or is
// zero although data is another value. The decoder truncates integers, skips unknown fields,
// and for many types accepts nil, or an array that is too short.
func (c *codec[T]) check(v *T, data []byte) error {
	r := reflect.ValueOf(v).Elem()
	for r.Kind() == reflect.Pointer && !r.IsNil() {
		r = r.Elem()
	}
	n, ok := parseInteger(data)
	if ok && (r.CanInt() && n != signed(r.Int()) || r.CanUint() && n != unsigned(r.Uint())) {
		switch r.Addr().Interface().(type) {
		case msgpack.CustomDecoder, msgpack.Unmarshaler: // it may decode to another number
		default:
			return errRange
		}
	}
	if r.IsZero() {
		return c.checkZero(v, data, r.Kind())
	}
	return nil
}

// checkZero is check for a v that is zero, or that points to a zero value.
func (c *codec[T]) checkZero(v *T, data []byte, kind reflect.Kind) error {
	again, _, err := c.Append(nil, *v)
	switch {
	case err != nil:
		return err
	case bytes.Equal(again, data):
		return nil // data is how a zero value is encoded
	case data[0] == codeNil && nilable(kind):
		return nil
	case data[0] == codeNil:
		return errNil
	case isArray(data[0]) && arrayLen(data) != arrayLen(again),
		kind == reflect.Array && !isArray(data[0]) && len(data) != len(again):
		return errMismatch
	}
	dec := msgpack.NewDecoder(&source{data: data})
	dec.DisallowUnknownFields(true)
	if dec.Decode(new(T)) != nil {
		return errMismatch
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

// arrayLen returns how many values are in the array in data, or -1 if data is not an array.
func arrayLen(data []byte) int {
	if len(data) == 0 || !isArray(data[0]) {
		return -1
	}
	_, n, _ := head(data, 0)
	return n
}

func isArray(c byte) bool { return c&0xf0 == codeFixArray || c == codeArray16 || c == codeArray32 }

// A number is an integer of 64 bits, signed or unsigned.
type number struct {
	negative bool
	bits     uint64 // in two's complement
}

func signed(n int64) number    { return number{n < 0, uint64(n)} }
func unsigned(n uint64) number { return number{false, n} }

// parseInteger returns the integer in data, and whether data is an integer.
func parseInteger(data []byte) (number, bool) {
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
