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
// Importing the package of a driver makes its URL scheme known, as in database/sql.
//
// # The contract
//
// The verbs are those of memcached, under the names of the Go methods. They mean the
// same on every backend; package conformance tests that:
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
// Add, Replace, the compare verbs and the counters are atomic: if goroutines or
// processes race, the result is that of some order in which they ran one at a time.
//
// A key is any string of 1 to [MaxKeyLen] bytes. A value is any bytes; nil and the
// empty value are the same value, and reading it is a hit. A counter is a value of
// decimal digits, at most 2^64 - 1: Incr wraps around there, Decr stops at 0.
//
// # Time to live
//
// A time to live of 0 is the default of the Cache: the one that [Options] or the URL
// set, or else [Forever]. An item stored for Forever never expires. A negative time to
// live is [ErrInvalidTTL].
//
// An item does not expire early. It can be gone earlier if the backend needs its room,
// loses its memory, or says in [Traits] that it keeps nothing for so long. It is gone
// at the latest one Traits.Resolution after it expires.
//
// # Many keys
//
// The Multi verbs do what they can, and return nil or a [*MultiError] with an error for
// each key that failed. If the context is done, that is the context's error for each
// remaining key. Only a closed Cache makes them return an [*Error] instead, around
// [ErrClosed]. A MultiError does not unwrap: errors.Is must not report a miss because one
// key of many was missing.
//
// # Errors
//
// A miss is [ErrMiss] itself. Every other error of a single verb is an [*Error] with the
// verb, the key and the driver; [errors.Is] and [errors.As] reach the sentinel and the
// cause. A backend that cannot be reached is [ErrUnavailable], never a miss. A backend
// returns [errors.ErrUnsupported] for what it cannot do at all.
//
// # Ownership
//
// A Cache keeps no reference to the bytes it is given. The bytes it returns may be shared
// with other readers: they never change, and must not be written to. Their capacity is
// their length, so that append copies them.
//
// # Contexts
//
// A verb whose context is done returns the context's error within 50 milliseconds, even if
// the server does not respond. A write that was abandoned in this way may still take place.
// A nil context means context.Background().
package core
