package encoding

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/cachewire/cachewire/core"
)

// Bytes returns the codec that does not change bytes; they are bytes in Python, too. A caller
// must not write to the decoded bytes, because they belong to the cache; see [core.Codec].
func Bytes() core.Codec[[]byte] { return bytesCodec{} }

type bytesCodec struct{}

func (bytesCodec) Append(dst []byte, v []byte) ([]byte, uint32, error) {
	return append(dst, v...), core.FlagBytes, nil
}

func (bytesCodec) Decode(data []byte, flags uint32) ([]byte, error) {
	data, err := Plain(data, flags)
	return data[:len(data):len(data)], err // so that append copies
}

// Text returns the codec of strings; they are str in Python. A string that is not UTF-8
// is an error; use Bytes for it.
func Text() core.Codec[string] { return textCodec{} }

type textCodec struct{}

var errNotUTF8 = errors.New("the text is not UTF-8; Bytes accepts any bytes")

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

// Int returns the codec of integers, as decimal digits; they are int in Python.
// Cache.Incr can count in these values, unless they are negative. A number that T cannot
// hold is an error.
func Int[T ~int | ~int8 | ~int16 | ~int32 | ~int64 |
	~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~uintptr]() core.Codec[T] {
	return intCodec[T]{}
}

type intCodec[T ~int | ~int8 | ~int16 | ~int32 | ~int64 |
	~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~uintptr] struct{}

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
	// memcached does not shorten a counter when its number gets shorter: 100 - 1 is "99 ".
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

// isInteger reports whether data is decimal digits, with or without a minus sign before
// them.
func isInteger(data []byte) bool {
	data = bytes.TrimPrefix(data, []byte("-"))
	for _, c := range data {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(data) != 0
}
