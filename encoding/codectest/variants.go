package codectest

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
)

// variantDepth is how deep variants looks into a value.
const variantDepth = 4

// variants returns the zero, nil and empty values of T, and copies of values in which a single
// exported field is zero, nil or empty.
func variants[T any](values []T) (all []T) {
	t := reflect.TypeFor[T]()
	found := empties(t)
	for i := range values {
		found = append(found, varied(reflect.ValueOf(&values[i]).Elem(), variantDepth)...)
	}
	var distinct []reflect.Value
	for _, v := range found {
		same := func(other reflect.Value) bool { return equality{}.values(v, other) }
		if slices.ContainsFunc(distinct, same) {
			continue
		}
		distinct = append(distinct, v)
		p := reflect.New(t)
		p.Elem().Set(v)
		all = append(all, *p.Interface().(*T))
	}
	return all
}

// empties returns the values of t that are empty, or that contain only one empty value. A
// codec could mistake them for each other.
func empties(t reflect.Type) []reflect.Value {
	all := []reflect.Value{reflect.Zero(t)}
	switch t.Kind() {
	case reflect.Pointer:
		for _, v := range empties(t.Elem()) {
			p := reflect.New(t.Elem())
			p.Elem().Set(v)
			all = append(all, p)
		}
	case reflect.Slice:
		all = append(all, reflect.MakeSlice(t, 0, 0), reflect.MakeSlice(t, 1, 1))
	case reflect.Map:
		one := reflect.MakeMap(t)
		if key := reflect.Zero(t.Key()); key.Comparable() {
			one.SetMapIndex(key, reflect.Zero(t.Elem()))
		}
		all = append(all, reflect.MakeMap(t), one)
	}
	return all
}

// varied returns copies of v in which one exported field is one of its empties.
func varied(v reflect.Value, depth int) (all []reflect.Value) {
	if depth == 0 {
		return nil
	}
	t := v.Type()
	switch t.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		for _, elem := range varied(v.Elem(), depth-1) {
			p := reflect.New(t.Elem())
			p.Elem().Set(elem)
			all = append(all, p.Convert(t))
		}
	case reflect.Slice:
		if v.Len() == 0 {
			return nil
		}
		for _, elem := range slices.Concat(empties(t.Elem()), varied(v.Index(0), depth-1)) {
			s := reflect.MakeSlice(t, v.Len(), v.Len())
			reflect.Copy(s, v)
			s.Index(0).Set(elem)
			all = append(all, s)
		}
	case reflect.Map:
		if v.Len() == 0 {
			return nil
		}
		key := slices.MinFunc(v.MapKeys(), func(x, y reflect.Value) int {
			return cmp.Compare(fmt.Sprint(x), fmt.Sprint(y)) // always the same one
		})
		for _, elem := range slices.Concat(empties(t.Elem()), varied(v.MapIndex(key), depth-1)) {
			m := reflect.MakeMapWithSize(t, v.Len())
			for entries := v.MapRange(); entries.Next(); {
				m.SetMapIndex(entries.Key(), entries.Value())
			}
			m.SetMapIndex(key, elem)
			all = append(all, m)
		}
	case reflect.Struct:
		for i := range t.NumField() {
			if !t.Field(i).IsExported() {
				continue
			}
			fields := slices.Concat(empties(t.Field(i).Type), varied(v.Field(i), depth-1))
			for _, field := range fields {
				s := reflect.New(t).Elem()
				s.Set(v)
				s.Field(i).Set(field)
				all = append(all, s)
			}
		}
	}
	return all
}
