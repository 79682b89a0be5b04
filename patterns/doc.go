// Package patterns loads what a cache does not have: once, however many ask.
//
//	users, err := core.NewTyped(cache, encoding.JSON[User]())
//	cached, err := patterns.New(users, &patterns.Options{TTL: time.Minute})
//
//	u, err := cached.GetOrCreate(ctx, "user:1", func(ctx context.Context) (User, error) {
//		return db.LoadUser(ctx, 1)
//	})
//
// A [Cached] is a typed cache under common settings. Of its patterns, [Cached.GetOrCreate]
// has one caller load a value in all processes together, [Cached.GetOrSet] and
// [Cached.GetOrAdd] one in each process, and [GetOrSetMulti] loads many values at once.
// [Memoize1] and its like turn a function into a cached one of the same signature.
//
// # Nothing found
//
// A loader that finds out that there is nothing answers [ErrNotFound], and so does the
// pattern. It is stored if [Options].NegativeTTL is set, for that long.
//
// # How fresh
//
// By [Options] a value can be served while it is loaded anew (SoftTTL, Early), and where
// it cannot be loaded (FailSafe, SoftTimeout). Then facts are stored beside it, in the
// envelope of package encoding, which programs in other languages do not read. Values
// without an envelope, that such a program wrote or this one before, are read as well.
//
// # When the cache fails
//
// Where the cache cannot be reached the loader is asked, once for all callers in this
// process, and Options.OnError is told. So it is where what is stored cannot be decoded.
// Errors that a caller can mend are the caller's: a wrong key, wrong options, a cache that
// is closed, or that cannot do what the codec needs (errors.ErrUnsupported).
//
// # Locks
//
// [OnePass] lets one of many through, and [Optimistic] changes a value that others change,
// too. Both spare work. Neither guards money: a cache may lose what it has.
package patterns
