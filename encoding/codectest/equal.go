package codectest

import (
	"bytes"
	"reflect"
	"slices"
)

// An equality compares values.
type equality struct{ nilIsEmpty bool }

// values reports whether x and y, which are of the same type, are equal. It is
// reflect.DeepEqual with the exceptions of Config.Equal and, if the codec cannot distinguish
// them, nil and empty.
func (q equality) values(x, y reflect.Value) bool {
	if !x.IsValid() || !y.IsValid() {
		return x.IsValid() == y.IsValid()
	}
	if x.Type() != y.Type() {
		return false
	}
	kind := x.Kind()
	switch kind {
	case reflect.Pointer, reflect.Interface:
		if x.IsNil() || y.IsNil() {
			return x.IsNil() && y.IsNil()
		}
		if equal, ok := byMethod(x, y); ok {
			return equal
		}
		return q.values(x.Elem(), y.Elem())
	case reflect.Slice, reflect.Map:
		if x.IsNil() != y.IsNil() && !q.nilIsEmpty || x.Len() != y.Len() {
			return false
		}
	}
	if equal, ok := byMethod(x, y); ok {
		return equal
	}
	switch kind {
	case reflect.Slice, reflect.Array:
		if kind == reflect.Slice && x.Type().Elem().Kind() == reflect.Uint8 {
			return bytes.Equal(x.Bytes(), y.Bytes())
		}
		for i := range x.Len() {
			if !q.values(x.Index(i), y.Index(i)) {
				return false
			}
		}
		return true
	case reflect.Map:
		return q.maps(x, y)
	case reflect.Struct:
		for i := range x.NumField() {
			if !q.values(x.Field(i), y.Field(i)) {
				return false
			}
		}
		return true
	case reflect.Float32, reflect.Float64:
		return sameFloat(x.Float(), y.Float())
	case reflect.Complex64, reflect.Complex128:
		cx, cy := x.Complex(), y.Complex()
		return sameFloat(real(cx), real(cy)) && sameFloat(imag(cx), imag(cy))
	case reflect.Func:
		return x.IsNil() && y.IsNil()
	}
	return x.Equal(y)
}

func sameFloat(x, y float64) bool { return x == y || x != x && y != y }

// maps compares maps of the same length. Keys that are in only one of them, as pointers and
// NaN always are, are compared by what they are.
func (q equality) maps(x, y reflect.Value) bool {
	var lonely []reflect.Value // keys and elements, in turn
	for ys := y.MapRange(); ys.Next(); {
		if !x.MapIndex(ys.Key()).IsValid() {
			lonely = append(lonely, ys.Key(), ys.Value())
		}
	}
next:
	for xs := x.MapRange(); xs.Next(); {
		if v := y.MapIndex(xs.Key()); v.IsValid() {
			if !q.values(xs.Value(), v) {
				return false
			}
			continue
		}
		for i := 0; i < len(lonely); i += 2 {
			if q.values(xs.Key(), lonely[i]) && q.values(xs.Value(), lonely[i+1]) {
				lonely = slices.Delete(lonely, i, i+2)
				continue next
			}
		}
		return false
	}
	return true
}

// byMethod compares x and y by a method Equal of their type or of a pointer to it, as time.Time
// has, or by Cmp, as math/big has. It reports whether there is one.
func byMethod(x, y reflect.Value) (equal, ok bool) {
	if !x.CanInterface() || !y.CanInterface() || x.Kind() == reflect.Interface {
		return false, false
	}
	if x.Kind() != reflect.Pointer && x.CanAddr() && y.CanAddr() {
		x, y = x.Addr(), y.Addr() // a pointer has the methods of both
	}
	for _, name := range []string{"Equal", "Cmp"} {
		m := x.MethodByName(name)
		if !m.IsValid() || m.Type().NumIn() != 1 || m.Type().NumOut() != 1 {
			continue
		}
		arg := y
		if m.Type().In(0) != arg.Type() && arg.Kind() == reflect.Pointer {
			arg = arg.Elem()
		}
		if m.Type().In(0) != arg.Type() {
			continue
		}
		switch result := m.Call([]reflect.Value{arg})[0]; result.Kind() {
		case reflect.Bool:
			return result.Bool(), true
		case reflect.Int:
			return result.Int() == 0, true
		}
	}
	return false, false
}
