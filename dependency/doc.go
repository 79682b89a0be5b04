// Package dependency invalidates many items of a cache with one call, in two ways.
//
// # Wires
//
// A [Dependency] wires items to a master key, which stands for what they depend on. Modules
// that know nothing of each other wire their items to the same master key, and one call
// deletes all of them.
//
//	orders, err := dependency.New(cache, nil)
//	err = orders.Add(ctx, "mk:order:100:", "page:100") // in one module
//	err = orders.Add(ctx, "mk:order:100:", "total:100") // in another
//	err = orders.Delete(ctx, "mk:order:100:")           // deletes both items
//
// Wires are stored as in wheezy.caching, a caching library for Python. The item under the
// master key is a counter of the items that have been wired. The items under the master key
// followed by 1, 2 and so on have the keys that are wired, as text. A Python program on the
// same memcached can wire items that Delete deletes, and delete items that Add has wired.
//
// So the key of a wire begins with the master key. If that ended in a digit, the wire could
// belong to another master key: "mk:order:1" followed by 11 is "mk:order:11" followed by 1.
// The verbs return core.ErrInvalidKey for such a master key, unless [Options].AnyMaster is
// set. End it in a delimiter.
//
// # What wires promise
//
// A Delete deletes the items that were wired before it began. An item that is wired while a
// Delete runs is deleted by that Delete or by the next one. This holds for any number of
// processes, if the cache evicts neither the counter nor the wires, and if no Python program
// deletes by the master key while a Go program adds to it: the delete of wheezy.caching loses
// keys that are wired meanwhile. New refuses a cache whose Traits say ByValue, such as Redis
// in plain mode: there a Delete could not distinguish a counter from a new one with the same
// number.
//
// If the counter was evicted, the next Delete still finds the first 100 wires. The next Add
// that finds an old wire makes the counter cover the others again.
//
// Set an item before you wire it, and wire it each time that you set it. Each time, it gets a
// new number. A wire should live as long as its item; see [Options].TTL. The counter never
// expires, because it would take another round trip to renew a time to live.
//
// Delete lets the numbers begin again at 1. It does so at once if no more than 100 numbers
// were given out. Otherwise, if wires have expired or keys are added all the time, it may
// leave that to a Delete some minutes later. Until then, up to a million numbers are given
// out.
//
// If an Add has drawn a number above 100 and not used it yet, a Delete claims that number for
// two minutes: it stores a wire that holds its own key, and Add takes another number. A
// Python program does not take another number: the key that it adds under this one is not wired.
//
// # Tags
//
// A [Tagged] is a typed cache whose items carry tags. Each tag has a version in the cache,
// and an item is stored with the versions of its tags. If one of them has changed, the item
// is a miss. There are no wires that could be lost: an item that is not proved fresh is
// stale. Python programs cannot read tags.
//
// A program reads the versions before it makes a value. If the tags are known only from the
// value, [Tags.Watch] and [Tags.Late] give them the versions of the time before.
//
// # Keys
//
// Wires and versions are items like others. So a program must not use their keys: no key of
// an item may be a master key, or a master key followed by digits, and none may begin with
// "~cw:". Add refuses to wire a key that is its master key followed by digits, and a Tagged
// refuses keys that begin with "~cw:".
//
// A master key has up to core.MaxKeyLen - 20 bytes. The name of a tag has any length.
//
// # What they cost
//
// The table has calls of the cache, for n items that depend on the same thing. A Delete takes
// 5 calls instead of 3 if more than 100 numbers were given out since the last Delete. Each
// further cache takes one more.
//
//	                  wires                      tags
//	store an item     Set, and 2 to wire it      1 to read the versions, and Set
//	read an item      1                          2, or 1 if it has no tags
//	drop all items    3 to 5, and n deletes      2 increments for each tag
//	memory            a wire for each item       a version for each tag, and some bytes an item
//	dropped items     are deleted                stay until they expire or are evicted
//
// With wires, reads cost nothing more. With tags, it costs little to drop many items.
package dependency
