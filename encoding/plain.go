package encoding

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/cachewire/cachewire/core"
)

// Bytes answers the codec that leaves bytes as they are: Python's bytes. What it
// decodes is what the cache answered, so it is read-only; see [core.Codec].
func Bytes() core.Codec[[]byte] { return bytesCodec{} }

type bytesCodec struct{}

func (bytesCodec) Append(dst []byte, v []byte) ([]byte, uint32, error) {
	return append(dst, v...), core.FlagBytes, nil
}

func (bytesCodec) Decode(data []byte, flags uint32) ([]byte, error) {
	data, err := Plain(data, flags)
	return data[:len(data):len(data)], err // append must not write behind it
}

// Text answers the codec of strings: Python's str. It takes no string that is not
// UTF-8; there is Bytes for those.
func Text() core.Codec[string] { return textCodec{} }

type textCodec struct{}

var errNotUTF8 = errors.New("the text is not UTF-8; Bytes takes anything")

func (textCodec) Append(dst []byte, v string) ([]byte, uint32, error) {
	if !utf8.ValidString(v) {
		return dst, 0, errNotUTF8
	}
	return append(dst, v...), core.FlagText, nil
}

func (textCodec) Decode(data []byte, flags uint32) (string, error) {
	data, err := Plain(data, flags, core.FlagText)
	if err != nil {
		return "", err
	}
	if !utf8.Valid(data) {
		return "", errNotUTF8
	}
	return string(data), nil
}

// Int answers the codec of integers, in decimal digits: Python's int, and what
// Cache.Incr counts in, as long as it is not below zero. A number that T cannot
// hold is an error.
func Int[T ~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~uintptr]() core.Codec[T] {
	return intCodec[T]{}
}

type intCodec[T ~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~uintptr] struct{}

func (intCodec[T]) Append(dst []byte, v T) ([]byte, uint32, error) {
	if v < 0 {
		return strconv.AppendInt(dst, int64(v), 10), core.FlagInt, nil
	}
	return strconv.AppendUint(dst, uint64(v), 10), core.FlagInt, nil
}

func (intCodec[T]) Decode(data []byte, flags uint32) (T, error) {
	data, err := Plain(data, flags, core.FlagInt, flagLong)
	if err != nil {
		return 0, err
	}
	// memcached keeps a counter's length when it shrinks: 100 - 1 is "99 ".
	digits := bytes.TrimRight(data, " ")
	if !isInteger(digits) {
		return 0, fmt.Errorf("%.40q is not an integer in decimal digits", data)
	}
	var v T
	if digits[0] == '-' {
		n, err := strconv.ParseInt(string(digits), 10, 64)
		v = T(n)
		if err == nil && v < 0 == (n < 0) && int64(v) == n {
			return v, nil
		}
	} else {
		n, err := strconv.ParseUint(string(digits), 10, 64)
		v = T(n)
		if err == nil && v >= 0 && uint64(v) == n {
			return v, nil
		}
	}
	return 0, fmt.Errorf("%.40s does not fit into %T", digits, v)
}

// isInteger tells whether data is decimal digits, perhaps behind a minus sign.
func isInteger(data []byte) bool {
	data = bytes.TrimPrefix(data, []byte("-"))
	for _, c := range data {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(data) != 0
}
