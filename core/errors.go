package core

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The errors of this package, for [errors.Is]. Verbs also return [errors.ErrUnsupported], if
// the backend cannot do what is asked, and the errors of contexts.
var (
	// ErrMiss means that the key is absent or has expired. Verbs return it bare, so that a
	// miss costs no allocation.
	ErrMiss = errors.New("cachewire: miss")

	// ErrExists means that Add found the key present.
	ErrExists = errors.New("cachewire: key exists")

	// ErrConflict means that the item has changed since its token was read, or that the
	// token is nil or of another backend. IncrFrom returns it if the counter is deleted
	// again and again.
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

	// ErrUnavailable means that the backend cannot be reached, or gave up. It says nothing
	// about the key.
	ErrUnavailable = errors.New("cachewire: unavailable")

	// ErrClosed means that the Cache is closed, or the one whose WithPrefix returned it.
	ErrClosed = errors.New("cachewire: closed")

	// ErrCodec means that a value cannot be encoded, or that the stored bytes are not a
	// value of the type asked for.
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

// A MultiError is the error of a multi verb of which some keys failed; the others
// succeeded. The error of each key is the one that a single verb would wrap in an *Error. A
// MultiError has no Unwrap method on purpose.
//
// A backend sets only Errors, best by Add and Err, with the keys that it was given. Cache
// replaces them by the keys of the caller.
type MultiError struct {
	Verb   string           // the method of Cache: "GetMulti", …
	Driver string           // the package of the backend
	Errors map[string]error // by key, as the caller gave it
	Total  int              // how many keys were given; one given twice counts twice
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

// shownErrors is how many keys the text of a MultiError has.
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

// shownKey is how many bytes of a key the text of an error has.
const shownKey = 100

func quoteKey(key string) string {
	if len(key) <= shownKey {
		return fmt.Sprintf("%q", key)
	}
	return fmt.Sprintf("%q… (%d bytes)", key[:shownKey], len(key))
}
