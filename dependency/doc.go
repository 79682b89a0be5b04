// Package dependency invalidates many items of a cache with one call, in two ways.
//
// # Wires
//
// A [Dependency] is a wire between items: modules that know nothing of each other
// wire their items to a master key, which says what they depend on, and one call
// drops all of them.
//
//	orders, err := dependency.New(cache, nil)
//	err = orders.Add(ctx, "mk:order:100:", "page:100") // in one module
//	err = orders.Add(ctx, "mk:order:100:", "total:100") // in another
//	err = orders.Delete(ctx, "mk:order:100:")           // both items are gone
//
// What is stored is what wheezy.caching stores, a caching library for Python: under
// the master key how many items have been wired, as a counter; under the master key
// followed by 1, by 2 and so on the keys that are wired, as text. A Python program
// on the same memcached wires what Delete deletes, and deletes what Add wired.
//
// So a master key takes the space of keys that begin with it, and one that ends in
// a digit could meet another: "mk:order:1" followed by 11 is "mk:order:11" followed
// by 1. A master key that ends in a digit is core.ErrInvalidKey; end it in a
// delimiter.
//
// # What wires promise
//
// Items that were wired before a Delete began are deleted by it. An item that is
// wired while a Delete runs is deleted by this one or by the next. That holds for
// any number of processes, and wants that the cache does not evict what is stored
// under the master key, and that no Python program deletes by it while Go adds: its
// delete loses what is wired beside it.
//
// Where the counter was evicted, the next Delete still finds the first 100 wires,
// and the next Add that meets an old wire makes the counter cover the others again.
//
// Set an item before you wire it, and wire it each time: it takes a number each time.
// Its wire should live as long as it does: see [Options].TTL. The counter lives for
// ever, as that costs no round trip, and begins anew with a Delete: at once if no more
// than 100 numbers were given out; else where wires have expired, or keys are being
// added all the time, it can take a Delete some minutes later. Up to a million numbers
// are given out until then.
//
// A Delete beside which an Add has drawn a number above 100 claims that number for two
// minutes: the wire then holds its own key, and Add takes another number. A Python
// program does not: what it adds by this number is not wired.
//
// # Tags
//
// A [Tagged] is a typed cache whose items carry tags. Each tag has a version in the
// cache, and an item is stored with the versions of its tags; one whose versions have
// changed is a miss. There is no wire to be lost: what cannot be proved fresh is
// stale. Python programs do not know of tags.
//
// # What they cost
//
// In calls of the cache; n is the number of items that hang together. It takes 3 calls to
// drop them, and 5 if more than 100 numbers were given out since the last time; each
// further cache from which they are dropped is one more.
//
//	                  wires                      tags
//	store an item     Set, and 2 to wire it      1 for the versions before it is made, and Set
//	read an item      1                          2, or 1 if it has no tags
//	drop all          3 to 5, and n deletes      1 increment for each tag
//	memory            a wire an item             a version a tag, and some bytes an item
//	dropped items     are gone                   stay until they expire or are evicted
//
// Wires cost nothing to read, and tags nothing to drop.
package dependency
