// Package memory is a cache in the memory of this process.
//
//	cache, err := core.New(memory.New(&memory.Options{MaxBytes: 64 << 20}), nil)
//
// or, once the package is imported,
//
//	cache, err := core.Open(ctx, "memory://?max_bytes=64MiB", nil)
//
// It is exact: an item leaves when its time to live is over, when it is deleted,
// or when a bound that was set must be kept, and for no other reason. Each key
// is linearizable. A time to live ends to the nanosecond of the system's
// monotonic clock, which on some systems stands still while the machine sleeps.
//
// # Expired items
//
// Every read looks at the time, so that an expired item is never seen. Those
// that nobody reads are swept by the stores: each item with a time to live lies
// in a bucket, by when it expires, and when an interval of BucketInterval is
// over, the stores that follow look through the bucket of that interval, a
// bounded part each. There are Buckets of them; items that live longer than all
// of these intervals wait in a second row of buckets. There is no goroutine, and
// nothing is swept while nothing is stored.
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
