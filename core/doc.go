// Package core is one cache contract for Go.
//
// An application is written against [Cache] and [Typed]; which cache stands
// behind them is decided by a URL given to [Open], or by a [Backend] given to
// [New]:
//
//	cache, err := core.Open(ctx, os.Getenv("CACHE_URL"), nil) // memory://, null://, …
//	if err != nil {
//		return err
//	}
//	defer cache.Close()
//	err = cache.Set(ctx, "greeting", []byte("hello"), time.Minute)
//
// A driver is known once its package is imported, as in database/sql.
//
// # The contract
//
// The verbs are those of memcached, under the names of the Go methods. They
// mean the same on every backend, and package conformance proves it:
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
//	IncrFrom, DecrFrom           stored as initial, moved     the new number, or ErrNotNumber
//	Touch                        ErrMiss                      a new time to live
//
// Add, Replace, the compare verbs and the counters are atomic: of any number
// of goroutines or processes that race, the outcome is that of some order in
// which they ran one at a time.
//
// A key is any string of 1 to [MaxKeyLen] bytes. A value is any bytes; nil and
// the empty value are the same value, and finding it is a hit. A counter is a
// value of decimal digits, at most 2^64 - 1: Incr wraps around there, Decr
// stops at 0.
//
// # Time to live
//
// A time to live of 0 is the default of the Cache, which [Options] set and which
// is [Forever] if they do not. An item stored for Forever never expires. A
// negative time to live is [ErrInvalidTTL]. An item is never gone before its time, unless the backend needs its room, loses its memory,
// or says in [Traits] that it keeps nothing for so long; it is gone at the latest
// one Traits.Resolution after its time.
//
// # Many keys
//
// The Multi verbs do what can be done and return nil or a [*MultiError] with an
// error for each key that failed, which is the context's where the context was
// done. Once the Cache is closed they return an [*Error] around [ErrClosed]
// instead. A MultiError does not unwrap: that one key of many was missing says
// nothing of the whole.
//
// # Errors
//
// [ErrMiss] comes back as it is. Every other error of a single verb is an
// [*Error] with the verb, the key and the driver; [errors.Is] and [errors.As]
// reach the sentinel and the cause. A backend that cannot be reached is
// [ErrUnavailable], never a miss. What a backend cannot do at all is
// [errors.ErrUnsupported].
//
// # Ownership
//
// A Cache keeps no reference to the bytes it is given. The bytes it returns may
// be shared with other readers: they never change, and must not be written to;
// their capacity is their length, so that append copies.
//
// # Contexts
//
// A context that is done ends a verb within 50 milliseconds, with the context's
// error, however dead the server. A write abandoned in this way may still take
// place. A nil context is context.Background().
package core
