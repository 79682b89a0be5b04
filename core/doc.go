// Package core defines one cache contract for Go.
//
// An application uses a [Cache], or a [Typed] cache of its own values. A URL given to
// [Open], or a [Backend] given to [New], decides where the items are kept:
//
//	cache, err := core.Open(ctx, os.Getenv("CACHE_URL"), nil) // memory://, null://, …
//	if err != nil {
//		return err
//	}
//	defer cache.Close()
//	err = cache.Set(ctx, "greeting", []byte("hello"), time.Minute)
//
// To use a URL scheme, a program imports the package of its driver, as with database/sql.
//
// # The contract
//
// The methods of a Cache are called verbs. They correspond to the commands of memcached,
// and do the same on every backend. Package conformance tests that:
//
//	verb                         key absent or expired        key present
//	Get                          ErrMiss                      the value
//	Set                          stored                       replaced
//	Add                          stored                       ErrExists
//	Replace                      ErrMiss                      replaced
//	CompareAndSwap               ErrMiss                      replaced, or ErrConflict
//	CompareAndDelete             ErrMiss                      deleted, or ErrConflict
//	Delete                       ErrMiss                      deleted
//	Incr, Decr                   ErrMiss                      the new number, or ErrNotNumber
//	IncrFrom, DecrFrom           stored as initial ± delta    the new number, or ErrNotNumber
//	Touch                        ErrMiss                      a new time to live
//
// Add, Replace, the compare verbs and the counters are atomic: if goroutines or processes
// call them at once, the result is as if the calls had run one after another in some order.
//
// A key is any string of 1 to [MaxKeyLen] bytes. A value is any sequence of bytes,
// including none. Nil and the empty value are the same, and reading it is a hit. A counter
// is a value of decimal digits, at most 2^64 - 1. Incr wraps around at 2^64, and Decr stops
// at 0.
//
// # Time to live
//
// A time to live of 0 means the default of the Cache, which [Options] or the URL sets. If
// neither sets it, it is [Forever]. An item stored for Forever never expires. If the time
// to live is negative, verbs return [ErrInvalidTTL].
//
// An item does not expire early. It can be gone earlier for three reasons: the backend
// evicts it to make room, the backend loses its memory, or the time to live is longer than
// Traits.MaxTTL. An expired item is gone after one Traits.Resolution at the latest; see
// [Traits].
//
// # Many keys
//
// If some keys fail, the Multi verbs still process the others. They return nil, or a
// [*MultiError] with an error for each key that failed. If the context is done, each
// remaining key fails with the context's error. If the Cache is closed, they return an
// [*Error] around [ErrClosed] instead. A MultiError does not unwrap: errors.Is must not
// report a miss because one key of many was missing.
//
// # Errors
//
// A miss is [ErrMiss] itself. Every other error of a single verb is an [*Error] with the
// verb, the key and the driver; [errors.Is] and [errors.As] reach the sentinel and the
// cause. If the backend cannot be reached, verbs return [ErrUnavailable], never a miss. If
// the backend cannot do what a verb needs, the verb returns [errors.ErrUnsupported].
//
// # Ownership
//
// A Cache keeps no reference to the bytes that it is called with. The bytes that it returns
// may be shared with other readers: they never change, and callers must not write to them.
// Their capacity is their length, so that append copies them.
//
// # Contexts
//
// A verb whose context is done returns the context's error within 50 milliseconds, even if
// the server does not respond. A write that was abandoned in this way may still take place.
// A nil context means context.Background().
package core
