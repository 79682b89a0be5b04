// Package patterns loads values that a cache does not have, once for all their callers.
//
//	users, err := core.NewTyped(cache, encoding.JSON[User]())
//	cached, err := patterns.New(users, &patterns.Options{TTL: time.Minute})
//
//	u, err := cached.GetOrCreate(ctx, "user:1", func(ctx context.Context) (User, error) {
//		return db.LoadUser(ctx, 1)
//	})
//
// A [Cached] is a typed cache with common settings. Its patterns differ in who loads a
// value: with [Cached.GetOrCreate] it is one caller among all processes, with
// [Cached.GetOrSet] and [Cached.GetOrAdd] one caller in each process. [GetOrSetMulti] loads
// many values at once. [Memoize1] and its siblings turn a function into a cached function
// with the same signature.
//
// # Values that do not exist
//
// A loader returns [ErrNotFound] if the value does not exist, and the pattern then returns
// that error. If [Options].NegativeTTL is set, ErrNotFound is stored for that long.
//
// # Freshness
//
// By its [Options], a Cached can serve a value while the value is loaded again (SoftTTL,
// Early), or if it cannot be loaded (FailSafe, SoftTimeout). For that it stores facts with
// the value, in the envelope of package encoding, which programs in other languages do not
// read. A Cached also reads values without an envelope, which such programs wrote, or this
// program before it used these options.
//
// # Errors of the cache
//
// If the cache cannot be reached, or a stored value cannot be decoded, the loader is called,
// once for all callers in this process, and Options.OnError is called with the error.
// Errors that a caller can correct are returned to the caller: an invalid key, invalid
// options, a cache that is closed, or one that cannot do what the codec needs
// (errors.ErrUnsupported).
//
// # Locks
//
// [OnePass] lets one of many callers through. [Optimistic] changes a value that other
// callers change, too. Both avoid duplicate work. Neither is safe for money, because a cache
// may lose what it stores.
package patterns
