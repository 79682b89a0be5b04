package encoding

import (
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"
)

// Check returns what Err returns, or an error if v, which is a value of the type, has a
// pointer that would come back as nil, because it points to nil.
func (s *Shape) Check(v reflect.Value) error {
	if err := s.Err(); err != nil || s.root == nil || !s.root.risky {
		return err
	}
	if path, found := s.root.vanishing(v); found {
		nothing := "nil, or to what is stored as nil"
		if s.rules.gob {
			nothing = "a zero value or to nil"
		}
		if path = strings.TrimPrefix(path, "."); path == "" {
			path = "itself"
		}
		return fmt.Errorf("%s: the pointer %s would come back as nil, because it points to %s",
			s.rules.Codec, path, nothing)
	}
	return nil
}

// vanishing returns the path from v, a value of p, to a pointer that would come back as nil, and
// whether there is one.
func (p *part) vanishing(v reflect.Value) (path string, found bool) {
	if p == nil || !p.risky {
		return "", false
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return "", false
		}
		if p.vanishes != nil && p.vanishes(v) {
			return "", true
		}
		return p.elem.vanishing(v.Elem())
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if path, found := p.elem.vanishing(v.Index(i)); found {
				return fmt.Sprintf("[%d]%s", i, path), true
			}
		}
	case reflect.Map:
		for entries := v.MapRange(); entries.Next(); {
			if path, found := p.elem.vanishing(entries.Value()); found {
				return fmt.Sprintf("[%v]%s", entries.Key(), path), true
			}
		}
	case reflect.Struct:
		for i := range p.fields {
			f := &p.fields[i]
			value := v.Field(f.index)
			if f.omitted != nil && f.omitted(value) {
				return "." + f.name, true
			}
			if path, found := f.vanishing(value); found {
				return "." + f.name + path, true
			}
		}
	}
	return "", false
}

// vanishes returns the function that reports whether a pointer to a value of t, which is not nil,
// would come back as nil. It returns nil if none does.
func (v *visitor) vanishes(t reflect.Type) func(p reflect.Value) bool {
	switch null := v.Null; t.Kind() {
	case reflect.Pointer, reflect.Interface:
		return func(p reflect.Value) bool { return p.Elem().IsNil() }
	case reflect.Slice, reflect.Map:
		if v.gob { // which stores nil as empty
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
