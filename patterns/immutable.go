package patterns

import "reflect"

// isImmutable reports whether callers can share a value of T without harm: one caller cannot
// change what another one reads.
func isImmutable[T any]() bool { return isImmutableType(reflect.TypeFor[T]()) }

func isImmutableType(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Bool, reflect.String,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64,
		reflect.Uintptr,
		reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128:
		return true
	case reflect.Array:
		return isImmutableType(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if !isImmutableType(t.Field(i).Type) {
				return false
			}
		}
		return true
	}
	return false
}
