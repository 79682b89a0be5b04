package encoding

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/cachewire/cachewire/core"
)

// A Shape describes a type whose values a codec stores by reflection: what would vanish from
// them, and whether they can contain themselves. It is for authors of codecs: Err refuses the
// type, and Check refuses single values. A Shape may be used by many goroutines at once.
type Shape struct {
	rules ShapeRules
	typ   reflect.Type

	once sync.Once // sets the fields below
	err  error
	root *part
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

	// Null reports whether v, which encodes itself and is not nil, is written as null. If
	// Null is nil, no such value is.
	Null func(v reflect.Value) bool

	// gob says that the codec is the one of package gob.
	gob bool
}

// NewShape returns the Shape of t for a codec with these rules. It examines t when Err or
// Check is called for the first time, so that types can be registered until then.
func NewShape(t reflect.Type, rules ShapeRules) *Shape { return &Shape{rules: rules, typ: t} }

// Err returns core.ErrConfig, with the name of a field, if a struct would lose everything:
// none of its fields is stored, and at least one is unexported. The struct may be the type
// itself or a part of it. Err does not examine types that encode themselves, and fields that
// a tag drops.
//
// Err also returns core.ErrConfig if the codec cannot set a field that it stores, because the
// field is in an unexported struct that is embedded by pointer, and if a struct embeds
// itself.
func (s *Shape) Err() error {
	s.once.Do(func() {
		v := visitor{ShapeRules: s.rules, parts: map[visited]*part{}}
		if s.root, s.err = v.visit(s.typ, true, ""); s.err != nil {
			s.err = fmt.Errorf(
				"%w: encoding: %s[%v]: %w",
				core.ErrConfig,
				s.rules.Codec,
				s.typ,
				s.err,
			)
			return
		}
		v.findRisks()
	})
	return s.err
}

// A part is a type in the type of a Shape, or that type itself. A type that encodes itself is
// not a part.
type part struct {
	elem   *part   // of a pointer, slice, array or map
	fields []field // of a struct, those that are stored

	stored bool   // whether any field of the struct is stored
	lost   string // the path of a field of the struct that is not stored

	// vanishes reports whether p, a pointer that is not nil, would come back as nil. If
	// vanishes is nil, no pointer does.
	vanishes func(p reflect.Value) bool

	visiting bool // whether visit is examining its parts
	loops    bool // whether values can contain values of the same type, and so themselves

	risky bool // whether values have a part with vanishes or loops
}

// A field is a field of a part.
type field struct {
	*part
	index int
	name  string

	// omitted reports whether the codec leaves out v, the value of the field, although it is
	// not nil. If omitted is nil, the codec never does.
	omitted func(v reflect.Value) bool
}

// A visitor finds the parts of a type.
type visitor struct {
	ShapeRules
	parts map[visited]*part
}

// A visited is a type that a visitor has seen. If it is not addressable, methods of its pointer
// do not count.
type visited struct {
	reflect.Type
	addressable bool
	embedded    bool
}

// visit returns t as a part, or nil if t encodes itself. It returns an error if values of t
// or of its parts vanish. The part is at path.
func (v *visitor) visit(t reflect.Type, addressable bool, path string) (_ *part, err error) {
	now := visited{t, addressable, false}
	if p, ok := v.parts[now]; ok {
		if p != nil && p.visiting {
			p.loops = true
		}
		return p, nil
	}
	p := &part{visiting: true}
	defer func() { p.visiting = false }()
	v.parts[now] = p
	if t.Kind() == reflect.Pointer { // a pointer has the methods of its element
		p.vanishes = v.vanishes(t.Elem())
		p.elem, err = v.visit(t.Elem(), true, path)
		return p, err
	}
	if v.Encodes(t, addressable) {
		v.parts[now] = nil
		return nil, nil
	}
	switch t.Kind() {
	case reflect.Slice:
		p.elem, err = v.visit(t.Elem(), true, path+"[]")
	case reflect.Array:
		p.elem, err = v.visit(t.Elem(), addressable, path+"[]")
	case reflect.Map:
		if _, err = v.visit(t.Key(), false, path+"[key]"); err == nil {
			p.elem, err = v.visit(t.Elem(), false, path+"[]")
		}
	case reflect.Struct:
		if err = v.visitFields(p, t, addressable, path); err == nil && !p.stored && p.lost != "" {
			err = errLost(p.lost, t)
		}
	}
	return p, err
}

func errLost(field string, t reflect.Type) error {
	return fmt.Errorf("the field %s is unexported, and %v has no field that is stored; want "+
		"an exported field, a type that encodes itself, or a tag that drops it", field, t)
}

// visitFields visits the fields of p, which is the struct t.
func (v *visitor) visitFields(p *part, t reflect.Type, addressable bool, path string) error {
	for i := range t.NumField() {
		f := t.Field(i)
		at := join(path, f.Name)
		var fp *part
		var err error
		stored := f.IsExported()
		switch {
		case f.Name == "_" || v.dropped(f):
			continue
		case f.Anonymous && !(v.gob && stored) && v.isPlainStruct(f.Type, addressable):
			fp, stored, err = v.visitEmbedded(f, addressable, at)
		case stored:
			fp, err = v.visit(f.Type, addressable, at)
		}
		switch {
		case err != nil:
			return err
		case stored:
			p.stored = true
			p.fields = append(p.fields, field{fp, i, f.Name, v.omitted(f.Type)})
		case p.lost == "" && (!f.IsExported() && (!f.Anonymous || v.gob || fp == nil)):
			p.lost = at
		}
	}
	return nil
}

// isPlainStruct reports whether t is a struct that does not encode itself, or points to one.
func (v *visitor) isPlainStruct(t reflect.Type, addressable bool) bool {
	if t.Kind() == reflect.Pointer {
		t, addressable = t.Elem(), true
	}
	return t.Kind() == reflect.Struct && !v.Encodes(t, addressable)
}

// visitEmbedded returns the part of f, an embedded struct or a pointer to one, and whether any of
// its fields is stored.
func (v *visitor) visitEmbedded(
	f reflect.StructField, addressable bool, path string,
) (_ *part, stored bool, err error) {
	t, isPointer := f.Type, false
	if t.Kind() == reflect.Pointer {
		t, addressable, isPointer = t.Elem(), true, true
	}
	now := visited{t, addressable, true}
	p, ok := v.parts[now]
	if !ok {
		p = &part{visiting: true}
		v.parts[now] = p
		if err := v.visitFields(p, t, addressable, path); err != nil {
			return nil, false, err
		}
		p.visiting = false
	} else if p.visiting && !v.named(f) {
		return nil, false, fmt.Errorf("the fields of %s cannot be stored, because %v embeds "+
			"itself; want a field with a name", path, t)
	}
	switch {
	case p.stored && !f.IsExported() && (isPointer || v.gob):
		return nil, false, fmt.Errorf(
			"the exported fields of %s cannot be stored and read, because "+
				"the embedded type is unexported; want an exported type",
			path,
		)
	case !p.stored && p.lost != "" && !v.gob:
		return nil, false, errLost(p.lost, t)
	}
	if isPointer {
		pointer := &part{elem: p}
		v.parts[visited{f.Type, addressable, true}] = pointer
		return pointer, p.stored, nil
	}
	return p, p.stored, nil
}

// dropped reports whether a tag drops f.
func (v *visitor) dropped(f reflect.StructField) bool {
	for _, name := range v.Tags {
		if tag, ok := f.Tag.Lookup(name); ok {
			return tag == "-"
		}
	}
	return false
}

// named reports whether a tag makes a field of f, an embedded struct, so that its own fields are
// not those of the struct that embeds it.
func (v *visitor) named(f reflect.StructField) bool {
	return slices.ContainsFunc(v.Tags, func(name string) bool {
		tag := f.Tag.Get(name)
		return tag != "" && tag[0] != ',' || strings.Contains(tag, ",noinline")
	})
}

// findRisks sets risky of all parts.
func (v *visitor) findRisks() {
	for changed := true; changed; {
		changed = false
		for _, p := range v.parts {
			if p != nil && !p.risky && p.isRisky() {
				p.risky, changed = true, true
			}
		}
	}
}

func (p *part) isRisky() bool {
	return p.vanishes != nil || p.loops || p.elem != nil && p.elem.risky ||
		slices.ContainsFunc(p.fields, func(f field) bool {
			return f.omitted != nil || f.part != nil && f.risky
		})
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
