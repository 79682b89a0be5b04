package core

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The errors of this package, for [errors.Is]. Verbs also return [errors.ErrUnsupported], if
// the backend does not support the verb, and the errors of contexts.
var (
	// ErrMiss means that the key is absent or has expired. Verbs return it unwrapped, so
	// that a miss costs no allocation.
	ErrMiss = errors.New("cachewire: miss")

	// ErrExists means that Add found the key present.
	ErrExists = errors.New("cachewire: key exists")

	// ErrConflict means that the item has changed since its token was read, or that the
	// token is nil or from another backend. IncrFrom and DecrFrom return it if other
	// callers add and delete the counter again and again.
	ErrConflict = errors.New("cachewire: changed since it was read")

	// ErrNotNumber means that the value is not a counter; see ParseCount.
	ErrNotNumber = errors.New("cachewire: not a number")

	// ErrInvalidKey means that the key is empty, longer than MaxKeyLen, or given twice to
	// StoreMulti.
	ErrInvalidKey = errors.New("cachewire: invalid key")

	// ErrInvalidTTL means that the time to live is negative.
	ErrInvalidTTL = errors.New("cachewire: invalid time to live")

	// ErrTooLarge means that the value is larger than the backend can keep.
	ErrTooLarge = errors.New("cachewire: value too large")

	// ErrUnavailable means that the backend cannot be reached, or has given up. It does not
	// say whether the key is present.
	ErrUnavailable = errors.New("cachewire: unavailable")

	// ErrClosed means that the Cache is closed, or the Cache from which WithPrefix made it.
	ErrClosed = errors.New("cachewire: closed")

	// ErrCodec means that a value cannot be encoded, or that the stored bytes are not a
	// value of the requested type.
	ErrCodec = errors.New("cachewire: codec")

	// ErrConfig means that a URL, an option or an argument of a constructor is wrong.
	ErrConfig = errors.New("cachewire: invalid configuration")

	// ErrNoNamespace means that a Client has no cache with this name.
	ErrNoNamespace = errors.New("cachewire: unknown namespace")
)

// isMiss reports whether err says that the key is absent. An error that also says that the
// backend cannot be reached, or that a codec failed, is not a miss.
func isMiss(err error) bool {
	return err == ErrMiss ||
		errors.Is(err, ErrMiss) && !errors.Is(err, ErrUnavailable) && !errors.Is(err, ErrCodec)
}

const textPrefix = "cachewire: "

// An Error is the error of a verb.
type Error struct {
	Verb   string // the method of Cache: "Get", "IncrFrom", …
	Key    string // as the caller gave it; empty for verbs without one
	Driver string // the package of the backend: "memory", "null", …
	Err    error  // the cause
}

func (e *Error) Error() string {
	if e == nil { // a driver may return a nil pointer for no error
		return "<nil>"
	}
	var b strings.Builder
	b.WriteString(textPrefix)
	b.WriteString(e.Verb)
	if e.Key != "" {
		b.WriteByte(' ')
		b.WriteString(quoteKey(e.Key))
	}
	fmt.Fprintf(&b, " (%s): %s", e.Driver, strings.TrimPrefix(e.Err.Error(), textPrefix))
	return b.String()
}

// Unwrap returns e.Err.
func (e *Error) Unwrap() error {
	if e == nil {
		return nil
	}
	return e.Err
}

// A MultiError is the error of a multi verb if some keys failed. The other keys succeeded.
// For each key that failed, Errors has the error that a single verb would wrap in an
// *Error. A MultiError has no Unwrap method on purpose.
//
// A backend sets only Errors; it should use Add and Err. The keys are those that the
// backend was called with. Cache replaces them with the keys of the caller.
type MultiError struct {
	Verb   string           // the method of Cache: "GetMulti", …
	Driver string           // the package of the backend
	Errors map[string]error // by key, as the caller gave it
	Total  int              // how many keys the caller gave, including duplicates
}

// Add records that key failed with err. It does nothing if err is nil.
func (e *MultiError) Add(key string, err error) {
	if err == nil {
		return
	}
	if isMiss(err) {
		err = ErrMiss
	}
	if e.Errors == nil {
		e.Errors = map[string]error{}
	}
	e.Errors[key] = err
}

// Err returns a copy of e as an error if a key failed, and nil otherwise.
func (e MultiError) Err() error {
	if len(e.Errors) == 0 {
		return nil
	}
	failed := e // a copy, and not the address of e, so that success does not allocate
	return &failed
}

// shownErrors is the largest number of keys in the text of a MultiError.
const shownErrors = 3

func (e *MultiError) Error() string {
	if e == nil {
		return "<nil>"
	}
	var b strings.Builder
	fmt.Fprintf(
		&b,
		"%s%s (%s): %d of %d keys failed",
		textPrefix,
		e.Verb,
		e.Driver,
		len(e.Errors),
		e.Total,
	)
	for i, key := range slices.Sorted(maps.Keys(e.Errors)) {
		switch {
		case i == 0:
			b.WriteString(": ")
		case i == shownErrors:
			b.WriteString("; …")
			return b.String()
		default:
			b.WriteString("; ")
		}
		b.WriteString(quoteKey(key) + ": " + strings.TrimPrefix(e.Errors[key].Error(), textPrefix))
	}
	return b.String()
}

// shownKey is the largest number of bytes of a key in the text of an error.
const shownKey = 100

func quoteKey(key string) string {
	if len(key) <= shownKey {
		return fmt.Sprintf("%q", key)
	}
	return fmt.Sprintf("%q… (%d bytes)", key[:shownKey], len(key))
}
