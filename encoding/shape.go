package encoding

import (
	"fmt"
	"reflect"
	"sync"
	"unicode/utf8"

	"github.com/cachewire/cachewire/core"
)

// A Shape knows what would vanish from values of a type if a codec stored them by reflection.
// It is for authors of codecs: Err refuses the type, and Check single values. A Shape may be
// used by many goroutines at once.
type Shape struct {
	rules ShapeRules
	typ   reflect.Type

	once   sync.Once // sets what is below
	err    error
	risky  bool                  // whether a value may have pointers that vanish
	opaque map[reflect.Type]bool // the types in typ that encode themselves
}

// ShapeRules say how a codec stores values by reflection.
type ShapeRules struct {
	// Codec is the name of the codec, for errors.
	Codec string

	// Tags are the names of the struct tags whose name "-" drops a field. If a field has
	// several of them, the first counts.
	Tags []string

	// Encodes reports whether values of t encode themselves, such as by a method MarshalJSON.
	// If addressable is true, methods of the pointer count as well.
	Encodes func(t reflect.Type, addressable bool) bool

	// Null reports whether v, which encodes itself and is not nil, is written as null. If nil,
	// no such value is.
	Null func(v reflect.Value) bool

	// gob says that the rules are those of package gob.
	gob bool
}

// NewShape returns the Shape of t for a codec with these rules. It looks at t when Err or
// Check is called for the first time, so that types can be registered until then.
func NewShape(t reflect.Type, rules ShapeRules) *Shape { return &Shape{rules: rules, typ: t} }

// Err returns core.ErrConfig, with the name of the field, if values of the type would lose
// all that they have, in the type itself or in a part of it: a struct has no field that is
// stored, and at least one that is unexported. A type that encodes itself, and a field that a
// tag drops, are not looked into.
//
// It does the same if the codec cannot set a field that it stores: one of an unexported
// struct that is embedded by pointer.
func (s *Shape) Err() error {
	s.once.Do(func() {
		s.opaque = map[reflect.Type]bool{}
		s.err = s.visit(s.typ, true, "", map[visited]bool{})
		if s.err != nil {
			s.err = fmt.Errorf("%w: encoding: %s[%v]: %w", core.ErrConfig, s.rules.Codec, s.typ, s.err)
		}
	})
	return s.err
}

// Check returns what Err returns, or an error if v, which is a value of the type, has a
// pointer that would come back as nil, because it points to nil.
func (s *Shape) Check(v reflect.Value) error {
	if err := s.Err(); err != nil || !s.risky {
		return err
	}
	if path, found := s.vanishing(v, ""); found {
		return fmt.Errorf("%s: the pointer %s would come back as nil, because it points to %s",
			s.rules.Codec, path, s.nothing())
	}
	return nil
}

func (s *Shape) nothing() string {
	if s.rules.gob {
		return "a zero value or to nil"
	}
	return "nil, or to what is stored as nil"
}

// A visited is a type that visit has seen or, if embedded is true, that embedded has seen. If
// it is not addressable, methods of its pointer do not count.
type visited struct {
	reflect.Type
	addressable bool
	embedded    bool
}

// visit returns an error if values of t, which is a part of the type, vanish. The part is at
// path. It sets risky. What it has seen is in seen, with whether fields of an embedded type are
// stored.
func (s *Shape) visit(t reflect.Type, addressable bool, path string, seen map[visited]bool) error {
	now := visited{t, addressable, false}
	if _, ok := seen[now]; ok {
		return nil
	}
	seen[now] = true
	if t.Kind() == reflect.Pointer { // which has the methods of what it points to
		s.risky = s.risky || !s.rules.gob && nilable(t.Elem().Kind()) ||
			s.rules.Null != nil && s.encodes(t.Elem(), true)
		return s.visit(t.Elem(), true, path, seen)
	}
	if s.encodes(t, addressable) {
		return nil
	}
	switch t.Kind() {
	case reflect.Slice:
		return s.visit(t.Elem(), true, path+"[]", seen)
	case reflect.Array:
		return s.visit(t.Elem(), addressable, path+"[]", seen)
	case reflect.Map:
		if err := s.visit(t.Key(), false, path+"[key]", seen); err != nil {
			return err
		}
		return s.visit(t.Elem(), false, path+"[]", seen)
	case reflect.Struct:
		stored, lost, err := s.fields(t, addressable, path, seen)
		if err == nil && !stored && lost != "" {
			err = errLost(lost, t)
		}
		return err
	}
	return nil
}

func errLost(field string, t reflect.Type) error {
	return fmt.Errorf("the field %s is unexported, and %v has no field that is stored; want "+
		"an exported field, a type that encodes itself, or a tag that drops it", field, t)
}

// fields visits the fields of t, and reports whether any of them is stored. If there is a
// field that is not, lost is its path, unless a tag drops it.
func (s *Shape) fields(
	t reflect.Type, addressable bool, path string, seen map[visited]bool,
) (stored bool, lost string, err error) {
	for i := range t.NumField() {
		f := t.Field(i)
		at := join(path, f.Name)
		switch {
		case f.Name == "_" || s.dropped(f):
		case f.Anonymous && s.isPlainStruct(f.Type, addressable):
			var has bool
			if has, err = s.embedded(f, addressable, at, seen); has {
				stored = true
			} else if lost == "" && !f.IsExported() && s.rules.gob {
				lost = at
			}
		case f.IsExported():
			stored = true
			s.risky = s.risky || s.rules.gob && f.Type.Kind() == reflect.Pointer
			err = s.visit(f.Type, addressable, at, seen)
		case lost == "":
			lost = at
		}
		if err != nil {
			return false, "", err
		}
	}
	return stored, lost, nil
}

// isPlainStruct reports whether t is a struct that does not encode itself, or points to one.
func (s *Shape) isPlainStruct(t reflect.Type, addressable bool) bool {
	if t.Kind() == reflect.Pointer {
		t, addressable = t.Elem(), true
	}
	return t.Kind() == reflect.Struct && !s.encodes(t, addressable)
}

// encodes reports whether values of t encode themselves, and remembers it.
func (s *Shape) encodes(t reflect.Type, addressable bool) bool {
	encodes := s.rules.Encodes(t, addressable)
	s.opaque[t] = s.opaque[t] || encodes
	return encodes
}

// embedded visits the fields of f, an embedded struct, and reports whether any of them is
// stored.
func (s *Shape) embedded(
	f reflect.StructField, addressable bool, path string, seen map[visited]bool,
) (stored bool, err error) {
	t, isPointer := f.Type, false
	if t.Kind() == reflect.Pointer {
		t, addressable, isPointer = t.Elem(), true, true
	}
	now := visited{t, addressable, true}
	if stored, ok := seen[now]; ok {
		return stored, nil
	}
	seen[now] = false // of a type that embeds itself, only other fields count
	stored, lost, err := s.fields(t, addressable, path, seen)
	seen[now] = stored
	switch {
	case err != nil:
		return false, err
	case stored && !f.IsExported() && (isPointer || s.rules.gob):
		return false, fmt.Errorf("the exported fields of %s cannot be stored and read, because "+
			"the embedded type is unexported; want an exported type", path)
	case !stored && lost != "" && (f.IsExported() || !s.rules.gob):
		return false, errLost(lost, t)
	}
	s.risky = s.risky || isPointer && s.rules.gob
	return stored, nil
}

// isUTF8 reports whether all strings in v are UTF-8, except those in values that encode
// themselves.
func (s *Shape) isUTF8(v reflect.Value) bool {
	if s.opaque[v.Type()] {
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
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if (f.IsExported() || f.Anonymous) && !s.dropped(f) && !s.isUTF8(v.Field(i)) {
				return false
			}
		}
	}
	return true
}

// dropped reports whether a tag drops f.
func (s *Shape) dropped(f reflect.StructField) bool {
	for _, name := range s.rules.Tags {
		if tag, ok := f.Tag.Lookup(name); ok {
			return tag == "-"
		}
	}
	return false
}

// vanishing returns the path of a pointer in v that would come back as nil. The path of v is
// path.
func (s *Shape) vanishing(v reflect.Value, path string) (string, bool) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return "", false
		}
		if s.pointsToNil(v) {
			return pathOr(path, "itself"), true
		}
		return s.vanishing(v.Elem(), path)
	case reflect.Slice, reflect.Array:
		if !hasParts(v.Type().Elem().Kind()) {
			return "", false
		}
		for i := range v.Len() {
			if found, ok := s.vanishing(v.Index(i), fmt.Sprintf("%s[%d]", path, i)); ok {
				return found, true
			}
		}
	case reflect.Map:
		if !hasParts(v.Type().Elem().Kind()) {
			return "", false
		}
		for entries := v.MapRange(); entries.Next(); {
			if found, ok := s.vanishing(entries.Value(), fmt.Sprintf("%s[%v]", path, entries.Key())); ok {
				return found, true
			}
		}
	case reflect.Struct:
		if s.opaque[v.Type()] {
			return "", false
		}
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if !f.IsExported() && !f.Anonymous || s.dropped(f) {
				continue
			}
			at := join(path, f.Name)
			if field := v.Field(i); s.rules.gob && omittedPointer(field) {
				return at, true
			} else if found, ok := s.vanishing(field, at); ok {
				return found, true
			}
		}
	}
	return "", false
}

// pointsToNil reports whether p, which is not nil, points to nil.
func (s *Shape) pointsToNil(p reflect.Value) bool {
	switch e := p.Elem(); e.Kind() {
	case reflect.Pointer, reflect.Interface:
		return e.IsNil()
	case reflect.Slice, reflect.Map:
		return e.IsNil() && !s.rules.gob // which stores it as empty
	default:
		return s.rules.Null != nil && s.opaque[e.Type()] && s.rules.Null(e)
	}
}

// omittedPointer reports whether package gob leaves out field, a pointer that is not nil,
// because there is a zero value at its end.
func omittedPointer(field reflect.Value) bool {
	if field.Kind() != reflect.Pointer || field.IsNil() {
		return false
	}
	v := field.Elem()
	for ; v.Kind() == reflect.Pointer && !encodesGob(v.Type(), true); v = v.Elem() {
		if v.IsNil() {
			return true
		}
	}
	switch v.Kind() {
	case reflect.Slice:
		return v.Len() == 0
	case reflect.Struct, reflect.Array:
		return encodesGob(v.Type(), true) && v.IsZero()
	}
	return v.IsZero()
}

func nilable(kind reflect.Kind) bool {
	switch kind {
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface:
		return true
	}
	return false
}

// hasParts reports whether a value of this kind may have pointers in it. What is in an
// interface is not looked into: it comes back as another type in most codecs.
func hasParts(kind reflect.Kind) bool {
	switch kind {
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Array, reflect.Struct:
		return true
	}
	return false
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func pathOr(path, other string) string {
	if path == "" {
		return other
	}
	return path
}
