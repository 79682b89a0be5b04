// Package tiered keeps copies of a shared cache's items in the memory of the process. It makes
// one backend of two: near, in memory, and far, such as Redis or memcached.
//
//	cache, err := core.Open(ctx, "tiered://?near=memory%3A%2F%2F%3Fmax_bytes%3D64MiB"+
//		"&far=redis%3A%2F%2Fcache.example.org", nil)
//
// A program that has Options instead of a URL calls [New] and core.New. A program that reads a
// file of package config names the two halves there.
//
// A read is served by a copy, or reads far and keeps a copy. Every other verb goes far, always,
// and drops the copy. So:
//
//   - A process sees its own writes at once.
//   - It sees the writes of others at most NearTTL late, 2 seconds by default, whatever fails.
//   - With a bus that works it sees them sooner, and NearTTL may be longer.
//
// docs/tiers.md of this repository states the contract in full, with the cases in which a tier is
// the wrong choice. Keys about which a program decides something, such as those of locks and
// limits, belong in Options.Bypass.
//
// # The URL
//
//	parameter      of Options   default   meaning
//	near                                  the URL of near, with each & as %26 and each % as %25
//	far                                   the URL of far, in the same form
//	near_ttl       NearTTL      2s        how long a copy is served
//	negative_ttl   NegativeTTL  0         how long a miss is remembered
//	max_value      MaxValue     64KiB     the longest value that is kept near
//	bypass         Bypass                 a prefix of keys without copies; may be given often
//	bus            Bus          none      none, poll, or a kind that far has
//	max_stale      MaxStale     5s        how long copies are trusted while the bus is silent
//	poll           PollOptions  1s        how often the bus poll reads
//
// The two URLs cannot have prefix and default_ttl, which belong to the URL of the tier. They are
// opened by core.DefaultRegistry.
package tiered
