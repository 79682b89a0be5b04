package encoding

import (
	"fmt"
	"reflect"

	"github.com/cachewire/cachewire/core"
)

// configErrorf returns a core.ErrConfig.
func configErrorf(format string, args ...any) error {
	return fmt.Errorf("%w: encoding: "+format, append([]any{core.ErrConfig}, args...)...)
}

// isNilPointer reports whether v, which is not nil, has a pointer in it that is. Most methods
// would panic.
func isNilPointer(v any) bool {
	r := reflect.ValueOf(v)
	return r.Kind() == reflect.Pointer && r.IsNil()
}

// checkCodec checks codec, which wrapper wraps.
func checkCodec[T any](wrapper string, codec core.Codec[T], traits core.Traits) error {
	switch {
	case codec == nil:
		return configErrorf("%s: the codec is nil; want one like encoding.JSON[T]()", wrapper)
	case isNilPointer(codec):
		return configErrorf("%s: the codec is a nil %T; want one like encoding.JSON[T]()",
			wrapper, codec)
	}
	if _, ok := codec.(core.KeyedCodec[T]); ok {
		return configErrorf("%s: the codec binds values to their keys (%T); want it around %s, "+
			"not in it", wrapper, codec, wrapper)
	}
	if c, ok := codec.(core.CodecChecker); ok {
		return c.Check(traits)
	}
	return nil
}
