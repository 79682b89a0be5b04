// Package memory keeps a cache in the memory of this process.
//
//	cache, err := core.Open(ctx, "memory://?max_bytes=64MiB", nil)
//
// Without max_items and max_bytes the cache is unbounded: items that never expire stay until
// they are deleted. A program that has Options instead of a URL calls [New] and core.New.
//
// The cache is exact: it removes an item when the item expires, when it is deleted, or when
// a bound requires it, and for no other reason. Each key is linearizable. A time to live is
// exact to the nanosecond of the system's monotonic clock, which on some systems stands
// still while the machine sleeps.
//
// Reads and increments of an item with more than a second to live use a coarse clock, which
// ticks every 10 milliseconds while it is in use. If the timers of the process are late by
// more than a second, these verbs may find an item that has already expired, but only for
// the part of the delay that exceeds one second.
//
// Reads take no lock, except reads of counters and of values of more than 1 MiB, and reads
// that remove an expired item. Most items are one block of memory, with the key, the value
// and 16 more bytes. With a bound, or if the item has flags or a key of more than 255 bytes,
// there are 32 more bytes. The slice that Get returns is a part of that block, and keeps the
// whole block in memory.
//
// An empty Backend takes about 80 KiB, for at least 256 shards. It takes less if a bound is
// small, and more if there are more than eight processors.
//
// # Expired items
//
// Every read checks the time, so that it does not return an expired item. Expired items that
// are not read are swept, by stores and by a timer. An expired item is in memory for at most
// one BucketInterval and the time that a sweep takes, even if the cache is not used: 15 seconds
// and a few milliseconds for a million items, by default. To leave the processor to others, the
// timer then waits three times as long as the sweep took.
//
// Each item with a time to live is in a bucket, chosen by the time at which it expires. When an
// interval of BucketInterval has passed, its bucket is swept. Options.Buckets is the number of
// these buckets. Items that expire later than their last interval wait in a second row of
// buckets. Each store does a bounded part of the work, and the timer does the rest.
//
// A Backend has no goroutine at rest. The coarse clock ticks while the cache is in use, and
// stops soon afterwards. The timer is set while there are items with a time to live, and fires
// when the first of them may have to be swept. Close stops both. A Backend that is not used any
// more and was not closed is garbage like any other value.
//
// # Idle items
//
// With Options.IdleTTL, or the parameter idle_ttl of the URL, an item also leaves when it was not
// used for so long. Each use begins that time again, but does not change the item's own time to
// live. Reads still take no lock. If the timers of the process are late, an item may leave as much
// earlier.
//
// # What happened
//
// Options.OnRemove is called with each item that expired or was evicted, replaced, deleted or
// flushed. Counts has the numbers of these items. Stats has those that all backends have. All
// iterates over the items.
//
// # Snapshots
//
// Save writes the items to a stream, and Load reads them, in the same program or after a restart.
// The stream has a version and a checksum. Load stores all items or none.
//
// # Bounds
//
// If MaxItems or MaxBytes is set, a store first makes room, so that neither bound is ever
// exceeded. New items enter a small queue, as in S3-FIFO (Yang and others, "FIFO queues are
// all you need for cache eviction", SOSP 2023). They move into the main queue only if their
// keys were used more often than the item that the main queue would lose, as in TinyLFU
// (Einziger and others, 2017). Uses count whether the key is present or not, and old ones
// count less. A scan over many keys therefore does not evict the items that are in use. The
// small queue grows if keys come back soon after they left it, and shrinks if they come back
// after they left the main queue. With Options.Weight, MaxBytes bounds the sum of weights
// that a function gives to the items.
package memory
