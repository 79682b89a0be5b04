package core

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// What can go wrong, for [errors.Is]. Beside these there are
// [errors.ErrUnsupported], for what a backend cannot do, and the errors of
// contexts.
var (
	// ErrMiss: the key is absent, or its time to live is over. Verbs return it
	// bare, so that a miss costs no allocation.
	ErrMiss = errors.New("cachewire: miss")

	// ErrExists: Add met a key that is present.
	ErrExists = errors.New("cachewire: key exists")

	// ErrConflict: the item changed since its token was read, or the token is
	// nil or another backend's. Of IncrFrom: others kept deleting the counter.
	ErrConflict = errors.New("cachewire: changed since it was read")

	// ErrNotNumber: the value is not a counter; see ParseCount.
	ErrNotNumber = errors.New("cachewire: not a number")

	// ErrInvalidKey: the key is empty, longer than MaxKeyLen, or given twice to
	// StoreMulti.
	ErrInvalidKey = errors.New("cachewire: invalid key")

	// ErrInvalidTTL: the time to live is negative.
	ErrInvalidTTL = errors.New("cachewire: invalid time to live")

	// ErrTooLarge: the value is larger than the backend can keep.
	ErrTooLarge = errors.New("cachewire: value too large")

	// ErrUnavailable: the backend cannot be reached, or gave up. Nothing is
	// said of the key.
	ErrUnavailable = errors.New("cachewire: unavailable")

	// ErrClosed: the Cache, or the one it was made from, is closed.
	ErrClosed = errors.New("cachewire: closed")

	// ErrCodec: a value cannot be encoded, or what is stored is not a value of
	// the type asked for.
	ErrCodec = errors.New("cachewire: codec")

	// ErrConfig: a URL or an option is wrong.
	ErrConfig = errors.New("cachewire: invalid configuration")

	// ErrNoNamespace: a Client has no cache under this name.
	ErrNoNamespace = errors.New("cachewire: unknown namespace")
)

// isMiss tells whether err says that the key is absent and nothing else. What
// also says that the backend cannot be reached, or that a codec failed, is no
// miss.
func isMiss(err error) bool {
	return err == ErrMiss || errors.Is(err, ErrMiss) && !errors.Is(err, ErrUnavailable) && !errors.Is(err, ErrCodec)
}

const textPrefix = "cachewire: "

// An Error tells which verb failed, on what, and why.
type Error struct {
	Verb   string // the method of Cache: "Get", "IncrFrom", …
	Key    string // as the caller gave it; empty for verbs without one
	Driver string // the backend's package: "memory", "null", …
	Err    error  // what the backend or the Cache found
}

func (e *Error) Error() string {
	if e == nil { // of a driver that answers a nil pointer for no error
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

// Unwrap answers e.Err.
func (e *Error) Unwrap() error {
	if e == nil {
		return nil
	}
	return e.Err
}

// A MultiError tells which keys of a multi verb failed; the others were done.
// Each key's error is what a single verb would wrap in an *Error. A MultiError
// has no Unwrap method on purpose.
//
// A backend fills in Errors and nothing else, best by Add and Err; its keys are
// those that it was given, and Cache puts the caller's in their place.
type MultiError struct {
	Verb   string           // the method of Cache: "GetMulti", …
	Driver string           // the backend's package
	Errors map[string]error // why, by key as the caller gave it
	Total  int              // how many keys were given, those given twice counted twice
}

// Add notes that key failed with err. A nil err is not noted.
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

// Err answers a MultiError like e if a key failed, else nil.
func (e MultiError) Err() error {
	if len(e.Errors) == 0 {
		return nil
	}
	failed := e // here and not by e's address, so that success allocates nothing
	return &failed
}

// shownErrors is how many keys the text of a MultiError tells of.
const shownErrors = 3

func (e *MultiError) Error() string {
	if e == nil {
		return "<nil>"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s%s (%s): %d of %d keys failed", textPrefix, e.Verb, e.Driver, len(e.Errors), e.Total)
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

// shownKey is how many bytes of a key an error's text shows.
const shownKey = 100

func quoteKey(key string) string {
	if len(key) <= shownKey {
		return fmt.Sprintf("%q", key)
	}
	return fmt.Sprintf("%q… (%d bytes)", key[:shownKey], len(key))
}
