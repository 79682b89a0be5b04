package patterns

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cachewire/cachewire/core"
)

// A KeyBuilder makes the keys under which results of functions are cached. They are the keys
// that key_builder of wheezy.caching makes, so that programs in Go and Python share results.
// With the KeyBuilder "repo", the key of list_items with the arguments "en" and 1 is
//
//	repo-list_items:'en':1
//
// An argument is a string, an integer, a float, a bool or nil. It is written as Python's repr
// writes it: nil is None, the float 1 is 1.0, and the integer 1 is 1.
type KeyBuilder string

// Format returns the format of the keys for the function name with n arguments, in the syntax
// of Python, such as repo-list_items:%r:%r.
func (b KeyBuilder) Format(name string, n int) string {
	return string(b) + "-" + name + strings.Repeat(":%r", n)
}

// Key returns the key of the function name with args. It returns core.ErrInvalidKey if an
// argument is of another kind than KeyBuilder allows, or a string that is not UTF-8.
func (b KeyBuilder) Key(name string, args ...any) (string, error) {
	key := make([]byte, 0, len(b)+len(name)+16*len(args)+1)
	key = append(key, b...)
	key = append(key, '-')
	key = append(key, name...)
	for i, arg := range args {
		var ok bool
		key = append(key, ':')
		if key, ok = appendRepr(key, arg); !ok {
			return "", fmt.Errorf("%w: patterns: argument %d of %s is %#.60v, "+
				"want a string in UTF-8, a number, a bool or nil",
				core.ErrInvalidKey, i+1, name, arg)
		}
	}
	return string(key), nil
}

// appendRepr appends v as Python's repr writes it, and reports whether it can.
func appendRepr(dst []byte, v any) ([]byte, bool) {
	switch v := v.(type) {
	case nil:
		return append(dst, "None"...), true
	case string:
		return appendString(dst, v)
	case int:
		return strconv.AppendInt(dst, int64(v), 10), true
	}
	switch v := reflect.ValueOf(v); v.Kind() {
	case reflect.String:
		return appendString(dst, v.String())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.AppendInt(dst, v.Int(), 10), true
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64,
		reflect.Uintptr:
		return strconv.AppendUint(dst, v.Uint(), 10), true
	case reflect.Float32, reflect.Float64:
		return appendFloat(dst, v.Float()), true
	case reflect.Bool:
		if v.Bool() {
			return append(dst, "True"...), true
		}
		return append(dst, "False"...), true
	}
	return dst, false
}

// appendFloat appends the shortest digits that read back as f. It uses an exponent below 1e-4
// and from 1e16 on, as Python does.
func appendFloat(dst []byte, f float64) []byte {
	switch abs := math.Abs(f); {
	case math.IsNaN(f):
		return append(dst, "nan"...)
	case math.IsInf(f, 0):
		if f < 0 {
			dst = append(dst, '-')
		}
		return append(dst, "inf"...)
	case abs != 0 && (abs < 1e-4 || abs >= 1e16):
		return strconv.AppendFloat(dst, f, 'e', -1, 64)
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, f, 'f', -1, 64)
	if !strings.Contains(string(dst[start:]), ".") {
		dst = append(dst, ".0"...)
	}
	return dst
}

// appendString appends s in single quotes, or in double quotes if s has single quotes and
// no double quotes. It escapes the characters that Python escapes. It reports whether s is
// UTF-8.
func appendString(dst []byte, s string) ([]byte, bool) {
	quote := byte('\'')
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		quote = '"'
	}
	dst = append(dst, quote)
	for i, r := range s {
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(s[i:]); size == 1 {
				return dst, false
			}
		}
		switch {
		case r == rune(quote) || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\n':
			dst = append(dst, `\n`...)
		case r == '\r':
			dst = append(dst, `\r`...)
		case r == '\t':
			dst = append(dst, `\t`...)
		case unicode.IsPrint(r):
			dst = utf8.AppendRune(dst, r)
		case r < 0x100:
			dst = fmt.Appendf(dst, `\x%02x`, r)
		case r < 0x10000:
			dst = fmt.Appendf(dst, `\u%04x`, r)
		default:
			dst = fmt.Appendf(dst, `\U%08x`, r)
		}
	}
	return append(dst, quote), true
}
