package encoding

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxDepth is how deep values may be nested; it is the limit of the decoder of encoding/json.
// Encoders recurse without a limit, and a stack that overflows ends the program.
const maxDepth = 10_000

// Check returns the error of Err, or an error if v, which must be a value of the type, would
// not come back as it was. That is so if a pointer in v would come back as nil, because it
// points to nil, and if v is nested more than 10,000 deep, for example because it contains
// itself. Check does not look into interfaces.
func (s *Shape) Check(v reflect.Value) error {
	if err := s.Err(); err != nil || s.root == nil || !s.root.risky {
		return err
	}
	switch flaw, path := s.root.flaw(v, 0); flaw {
	case tooDeep:
		return fmt.Errorf("%s: the value contains itself, or is nested more than %d deep",
			s.rules.Codec, maxDepth)
	case vanishing:
		nothing := "nil, or to a value that is stored as nil"
		if s.rules.gob {
			nothing = "a zero value or to nil"
		}
		slices.Reverse(path)
		name := strings.TrimPrefix(strings.Join(path, ""), ".")
		if name == "" {
			name = "itself"
		}
		return fmt.Errorf("%s: the pointer %s would come back as nil, because it points to %s",
			s.rules.Codec, name, nothing)
	}
	return nil
}

// A flaw is what is wrong with a value.
type flaw int

const (
	flawless  flaw = iota
	vanishing      // a pointer would come back as nil
	tooDeep        // it is nested more than maxDepth deep
)

// flaw returns what is wrong with v, a value of p, which depth values contain, and the path from
// v to the pointer that would come back as nil, the last step first.
func (p *part) flaw(v reflect.Value, depth int) (flaw, []string) {
	switch {
	case p == nil || !p.risky:
		return flawless, nil
	case v.Kind() != reflect.Pointer:
		depth++
	case v.IsNil():
		return flawless, nil
	case p.vanishes != nil && p.vanishes(v):
		return vanishing, nil
	case v.Type().Elem().Kind() == reflect.Pointer: // the pointer may be v itself
		depth++
	}
	if depth > maxDepth {
		return tooDeep, nil
	}
	switch v.Kind() {
	case reflect.Pointer:
		return p.elem.flaw(v.Elem(), depth)
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if f, path := p.elem.flaw(v.Index(i), depth); f != flawless {
				return f, append(path, fmt.Sprintf("[%d]", i))
			}
		}
	case reflect.Map:
		for entries := v.MapRange(); entries.Next(); {
			if f, path := p.elem.flaw(entries.Value(), depth); f != flawless {
				return f, append(path, fmt.Sprintf("[%v]", entries.Key()))
			}
		}
	case reflect.Struct:
		for i := range p.fields {
			field := &p.fields[i]
			value := v.Field(field.index)
			if field.omitted != nil && field.omitted(value) {
				return vanishing, []string{"." + field.name}
			}
			if f, path := field.flaw(value, depth); f != flawless {
				return f, append(path, "."+field.name)
			}
		}
	}
	return flawless, nil
}

// vanishes returns the function that reports whether a pointer to a value of t, which is not nil,
// would come back as nil. It returns nil if none does.
func (v *visitor) vanishes(t reflect.Type) func(p reflect.Value) bool {
	switch null := v.Null; t.Kind() {
	case reflect.Pointer, reflect.Interface:
		return func(p reflect.Value) bool { return p.Elem().IsNil() }
	case reflect.Slice, reflect.Map:
		if v.gob { // package gob stores nil as empty
			return nil
		}
		return func(p reflect.Value) bool { return p.Elem().IsNil() }
	default:
		if null == nil || !v.Encodes(t, true) {
			return nil
		}
		return func(p reflect.Value) bool { return null(p.Elem()) }
	}
}

// omitted returns the function that reports whether package gob leaves out a field of type t
// that is a pointer and not nil, because there is a zero value at its end. It returns nil if
// gob leaves out none.
func (v *visitor) omitted(t reflect.Type) func(field reflect.Value) bool {
	if !v.gob || t.Kind() != reflect.Pointer {
		return nil
	}
	end := t.Elem()
	for end.Kind() == reflect.Pointer && !encodesGob(end, true) {
		end = end.Elem()
	}
	isZero := reflect.Value.IsZero
	switch end.Kind() {
	case reflect.Slice:
		isZero = func(v reflect.Value) bool { return v.Len() == 0 }
	case reflect.Struct, reflect.Array:
		if !encodesGob(end, true) {
			isZero = func(reflect.Value) bool { return false }
		}
	}
	return func(field reflect.Value) bool {
		if field.IsNil() {
			return false
		}
		e := field.Elem()
		for e.Type() != end {
			if e.IsNil() {
				return true
			}
			e = e.Elem()
		}
		return isZero(e)
	}
}

// isUTF8 reports whether all strings in v are UTF-8, except those in values that encode
// themselves.
func (s *Shape) isUTF8(v reflect.Value) bool {
	if s.rules.Encodes(v.Type(), v.CanAddr()) {
		return true
	}
	switch v.Kind() {
	case reflect.String:
		return utf8.ValidString(v.String())
	case reflect.Pointer, reflect.Interface:
		return v.IsNil() || s.isUTF8(v.Elem())
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if !s.isUTF8(v.Index(i)) {
				return false
			}
		}
	case reflect.Map:
		for entries := v.MapRange(); entries.Next(); {
			if !s.isUTF8(entries.Key()) || !s.isUTF8(entries.Value()) {
				return false
			}
		}
	case reflect.Struct:
		rules := visitor{ShapeRules: s.rules}
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if (f.IsExported() || f.Anonymous) && !rules.dropped(f) && !s.isUTF8(v.Field(i)) {
				return false
			}
		}
	}
	return true
}
