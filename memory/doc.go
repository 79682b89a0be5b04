// Package memory is a cache in the memory of this process.
//
//	cache, err := core.Open(ctx, "memory://?max_bytes=64MiB", nil)
//
// Without max_items or max_bytes it is unbounded: items that never expire stay until they
// are deleted. A program that has Options instead of a URL calls [New] and core.New.
//
// It is exact: an item leaves when its time to live is over, when it is deleted,
// or when a bound that was set must be kept, and for no other reason. Each key
// is linearizable. A time to live ends to the nanosecond of the system's
// monotonic clock, which on some systems stands still while the machine sleeps.
// Reads and increments of an item with more than a second to live trust a clock that
// ticks each 10 milliseconds while it is looked at: if the process does not get to run
// its timers for longer than a second, an item can be seen that much after its end.
//
// Reads take no lock, but of counters, of values of more than 1 MiB, and to drop an item that
// has expired. An item is as a rule one block of memory, of its key, its value and 32
// bytes. What Get answers is a part of that block, and keeps it.
//
// A Backend takes about 70 KiB before anything is stored, for at least 256 shards; less where a
// bound is small, and more where there are more than eight processors.
//
// # Expired items
//
// Every read looks at the time, so that an expired item is never seen. Those
// that nobody reads are swept by the stores: each item with a time to live lies
// in a bucket, by when it expires, and when an interval of BucketInterval is
// over, the stores that follow look through the bucket of that interval, a
// bounded part each. There are Buckets of them; items that live longer than all
// of these intervals wait in a second row of buckets. Nothing is swept while nothing
// is stored. There is no goroutine but that of the ticks, which come while the cache is
// in use, and end soon after, or with Close.
//
// # Bounds
//
// With MaxItems or MaxBytes set, a store first makes room, so that neither is
// ever exceeded. What goes is chosen
// by S3-FIFO (Yang and others, "FIFO queues are all you need for cache
// eviction", SOSP 2023): new items pass through a small queue and get into the
// main one only if they are read again, so that a scan over many keys does not
// drive out the items in use.
package memory
