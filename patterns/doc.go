// Package patterns loads values that a cache does not have, once for all their callers.
//
//	users, err := core.NewTyped(cache, encoding.JSON[User]())
//	cached, err := patterns.New(users, &patterns.Options[User]{TTL: time.Minute})
//
//	u, err := cached.GetOrCreate(ctx, "user:1", func(ctx context.Context) (User, error) {
//		return db.LoadUser(ctx, 1)
//	})
//
// A [Cached] is a typed cache with common settings. Its patterns differ in who loads a
// value: with [Cached.GetOrCreate] it is one caller among all processes, with
// [Cached.GetOrSet] one caller in each process. [Cached.GetOrSetMulti] loads many values at
// once. [Memoize1] and its siblings turn a function into a cached function with the same
// signature. [Cached.With] has options for single calls.
//
// # Values that do not exist
//
// A loader returns [ErrNotFound] if the value does not exist, and the pattern then returns
// that error. If [Options].NegativeTTL is set, ErrNotFound is stored for that long.
//
// # Sharing a load
//
// Callers of a key in one process share one load. It runs under a context of its own, which
// has the values of the first caller's context and no deadline. Each caller waits as long as
// its own context allows. When the last one has left, the load is cancelled, or goes on for
// Options.Linger.
//
// Each caller gets a value of its own, as with a hit: the value is encoded once, and decoded
// for each caller that joins the load. Values that no caller can change, such as strings,
// numbers and structs of them, are shared. So are values that cannot be encoded, and values
// of [core.Shared], which callers always share, and must not change.
//
// A loader must pass its context on when it calls a pattern. Then a load that waits for
// itself, directly or through others, gets [ErrRecursive]. Otherwise it waits without end.
//
// # Freshness
//
// By its [Options], a Cached can serve a value while the value is loaded again (SoftTTL,
// Early), or if it cannot be loaded (FailSafe, SoftTimeout). For that it stores facts with
// the value, in the envelope of package encoding, which programs in other languages do not
// read. A Cached also reads values without an envelope. Programs in other languages have
// stored them, or this program, before it used these options.
//
// # What an invalidation promises
//
// A load never overwrites a value that any process has written meanwhile: it stores by Add,
// or by CompareAndSwap in the place of the item that it found. The table is about calls that
// begin after an invalidation has returned nil. "Never" means that neither these calls nor
// any later ones get a value that was loaded before the invalidation.
//
//	invalidation              in this process   in other processes
//	Tags.Invalidate           never             never
//	Dependency.Delete         never             a load that runs there may store its value
//	Set, Delete of a Cached   never             after a Delete, as above
//
// The middle column is about callers of the same Cached, or of one that its With returned,
// and of the same Dependency. Another Cached, a core.Typed or a core.Cache on the same keys
// is like another process. [Cached.GetOrCreate] stores nothing if it has lost its lease, but
// between its last look at the lease and its store, another process may delete the key.
//
// If a tag's version is evicted, items with the tag are stale. If the counter or a wire of a
// Dependency is evicted, an item may stay; see package dependency. If a memcached server was
// ejected (dead=eject) and comes back, its keys have the values from before. An item that was
// deleted meanwhile is present again, and a version that was raised meanwhile is the old one.
// Then nothing in this table holds. Use dead=fail where stale values do harm.
//
// # If the loader fails
//
// A key whose load has failed pauses: for Options.Pause, and longer after each further
// failure. Meanwhile a value that is due or kept by FailSafe is served at once. So callers do
// not wait for a database that is down, and the database does not get a query from each of
// them. If there is no such value, the loader is called, or the last error is returned again
// if Options.ErrorTTL is set. Each process has pauses of its own.
//
// # Errors of the cache
//
// If the cache cannot be reached, or a stored value cannot be decoded, the loader is called,
// once for all callers in this process, and Options.OnError is called with the error.
// Errors that a caller can correct are returned to the caller: an invalid key, invalid
// options, a cache that is closed, or one that cannot do what the codec needs
// (errors.ErrUnsupported).
//
// # Keys
//
// Locks, and the versions of tags, are items whose keys begin with "~cw:". The verbs of a
// Cached return core.ErrInvalidKey for such a key. Any other key works in all patterns, up to
// core.MaxKeyLen bytes: the key of a lock that would be longer is hashed.
//
// # Locks
//
// [OnePass] lets one of many callers through. [Optimistic] changes a value that other
// callers change, too. Both avoid duplicate work. Neither is safe for money, because a cache
// may lose what it stores.
package patterns
