package memory

import (
	"cmp"
	"context"
	"fmt"
	"hash/maphash"
	"math"
	"net/url"
	"runtime"
	"time"

	"github.com/cachewire/cachewire/core"
)

func init() { core.Register("memory", driver{}) }

type driver struct{}

// Open opens memory://?buckets=60&interval=15s&max_items=10000&max_bytes=64MiB&idle_ttl=1h.
func (driver) Open(_ context.Context, u *url.URL) (core.Backend, error) {
	p := core.NewParams(u)
	p.NoHost(u)
	opts := Options{
		Buckets:        p.Int("buckets", 0, 1, maxBuckets),
		BucketInterval: p.Duration("interval", 0, minInterval),
		MaxItems:       p.Int("max_items", 0, 0, math.MaxInt),
		MaxBytes:       p.Bytes("max_bytes", 0),
		IdleTTL:        p.Duration("idle_ttl", 0, minIdle),
	}
	if err := p.Err(); err != nil {
		return nil, err
	}
	return New(&opts)
}

// Options are the settings of a Backend. The zero value of a field is its default.
type Options struct {
	// Buckets is the number of buckets for the items that expire, at most 3,600. If 0, it
	// is 60.
	Buckets int

	// BucketInterval is the length of the interval of a bucket, at least 10 milliseconds.
	// If 0, it is 15 seconds. An expired item that is not read is removed at most one interval
	// after it expires, and the time that a sweep takes.
	BucketInterval time.Duration

	// MaxItems is the largest number of items. If 0, there is no bound. An expired item
	// counts until it is read or swept.
	MaxItems int

	// MaxBytes is the largest amount of memory that all items together may take, including
	// the overhead of each item. If 0, there is no bound. If an item alone takes more, its
	// store returns core.ErrTooLarge. A value that was stored through core.Shared counts as
	// a small value, unless it is a core.Sizer. If Weight is set, MaxBytes is not in bytes.
	MaxBytes int64

	// Weight returns the weight of an item. If it is set, the bound MaxBytes, which must be set
	// as well, and Stats.Bytes are sums of weights, not of bytes. Weight is called once for each
	// item that is about to be stored, before it is stored, and may be called by many goroutines
	// at once. A negative weight is 0. An item of weight 0 may be evicted while room is made for
	// another one. Incr and Decr do not change the weight. TTL and Token of the item are not set.
	Weight func(item Item) int64

	// IdleTTL is how long an item stays that is not used, at least one second. If 0, there is
	// no limit. Every read, store, Incr, Decr and Touch of the item begins this time again, but
	// the item still expires at the end of its own time to live. Keys, All and TTL do not use an
	// item, and report its own time to live. An item that is not used stays up to a 64th of
	// IdleTTL and 10 milliseconds longer than IdleTTL. Traits.MaxTTL is IdleTTL.
	IdleTTL time.Duration

	// OnRemove is called with each item that was removed, and with the reason. If nil, it costs
	// nothing. A goroutine calls it soon after the verb, one call at a time, and in the order in
	// which the items of a key were removed. Incr, Decr and Touch remove nothing. Token and TTL
	// of the item are not set.
	//
	// OnRemove may call all methods of the Backend but Close, which waits for it. Up to 16 MiB
	// of removed items wait to be passed to OnRemove. If there is no room for another, it is
	// not called with that one, which Counts.Lost counts. The items of one Flush wait in
	// addition. Close passes all items that are left, as Flushed, and returns after the last
	// call. Items that verbs store while Close runs may be lost. If OnRemove panics, the first
	// panic is logged to slog.Default, with the stack, and the next call follows.
	OnRemove func(item Item, reason Reason)
}

const (
	defaultBuckets  = 60
	maxBuckets      = 3600
	defaultInterval = 15 * time.Second
	minInterval     = 10 * time.Millisecond
	minIdle         = time.Second
	maxWeight       = 1 << 50 // keeps products of weights and shards from overflowing
	minShards       = 256
	shardBits       = 10 // the bits of a hash that choose its shard
	maxShards       = 1 << shardBits
)

// A Backend keeps items in the memory of this process. It may be used by many goroutines at
// once.
type Backend struct {
	clock
	seed   maphash.Seed
	idle   int64   // Options.IdleTTL, in nanoseconds
	shards []shard // their number is a power of two
	bounds bounds
	sweeper
	wakeTimer wakeTimer
	removals  removals
	reads     readCounts
}

// A Backend implements core.Backend and these interfaces.
var _ interface {
	core.Backend
	core.ValueGetter
	core.MultiGetter
	core.TTLReader
	core.ItemTTLReader
	core.Pinger
	core.StatsReader
	core.KeyLister
	core.SharedStorer
	core.TraitsReporter
} = (*Backend)(nil)

// New returns an empty Backend, for core.New. If opts is nil, New uses the zero Options. It
// returns core.ErrConfig if a field of opts is out of its range.
func New(opts *Options) (*Backend, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	b := &Backend{
		seed:   maphash.MakeSeed(),
		idle:   int64(o.IdleTTL),
		shards: make([]shard, shardCount(o)),
		bounds: bounds{maxItems: int64(o.MaxItems), maxBytes: o.MaxBytes},
	}
	b.bounds.layout.extended = b.bounds.isSet()
	if b.idle != 0 {
		b.bounds.layout.words++ // entry.limit
	}
	if o.Weight != nil {
		b.bounds.weight = o.Weight
		b.bounds.layout.words++ // for bounds.cost
	}
	b.clock.init()
	b.sweeper.buckets = int64(cmp.Or(o.Buckets, defaultBuckets))
	b.sweeper.interval = int64(cmp.Or(o.BucketInterval, defaultInterval))
	b.wakeTimer.init(b)
	b.removals.init(o.OnRemove)
	for i := range b.shards {
		b.shards[i].backend, b.shards[i].number = b, i
		b.shards[i].reset()
	}
	return b, nil
}

func (o *Options) check() error {
	outOfRange := func(field string, value any, want string) error {
		return fmt.Errorf("%w: memory: Options.%s is %v; want %s",
			core.ErrConfig, field, value, want)
	}
	switch {
	case o.Buckets < 0 || o.Buckets > maxBuckets:
		return outOfRange("Buckets", o.Buckets,
			fmt.Sprintf("1 to %d, or 0 for %d", maxBuckets, defaultBuckets))
	case o.BucketInterval != 0 && o.BucketInterval < minInterval:
		return outOfRange("BucketInterval", o.BucketInterval,
			fmt.Sprintf("%v or more, or 0 for %v", minInterval, defaultInterval))
	case o.MaxItems < 0:
		return outOfRange("MaxItems", o.MaxItems, "1 or more, or 0 for no bound")
	case o.MaxBytes < 0:
		return outOfRange("MaxBytes", o.MaxBytes, "1 or more, or 0 for no bound")
	case o.Weight != nil && (o.MaxBytes == 0 || o.MaxBytes > maxWeight):
		return outOfRange("MaxBytes", o.MaxBytes,
			fmt.Sprintf("1 to %d, because there is a Weight", int64(maxWeight)))
	case o.IdleTTL != 0 && o.IdleTTL < minIdle:
		return outOfRange("IdleTTL", o.IdleTTL, fmt.Sprintf("%v or more, or 0 for no limit", minIdle))
	}
	return nil
}

// shardCount returns the number of shards of a Backend with options o. It is large enough
// that writers seldom meet. If there is a bound, it is small enough that each shard holds
// the number of entries that eviction needs to choose well.
func shardCount(o Options) int {
	const itemsPerShard = 64
	bytesPerShard := int64(256 << 10)
	if o.Weight != nil {
		bytesPerShard = 1024 // a guess: it is not known what an item weighs
	}
	n := minShards
	for n < maxShards && n < 32*runtime.GOMAXPROCS(0) {
		n *= 2
	}
	for n > 1 && (o.MaxItems > 0 && o.MaxItems/n < itemsPerShard ||
		o.MaxBytes > 0 && o.MaxBytes/int64(n) < bytesPerShard) {
		n /= 2
	}
	return n
}

func (b *Backend) hash(key string) uint64 { return maphash.String(b.seed, key) }

// home returns the part of the hash of e's key that chooses its bucket.
func (b *Backend) home(e *entry) uint32 {
	if b.bounds.isSet() {
		return e.extension().hash
	}
	return homeOf(b.hash(e.key()))
}

// shardOf returns the shard of the key with this hash.
func (b *Backend) shardOf(hash uint64) *shard {
	return &b.shards[hash&uint64(len(b.shards)-1)]
}

// Traits returns the facts about the Backend, as core.TraitsReporter says.
func (b *Backend) Traits() core.Traits { return core.Traits{MaxTTL: time.Duration(b.idle)} }

// Ping returns nil.
func (b *Backend) Ping(context.Context) error { return nil }

// Flush deletes all items, one shard after the other.
func (b *Backend) Flush(context.Context) error {
	b.flush(b.removals.mayFlush())
	return nil
}

// flush deletes all items. If atWill is true, there is room for all of them to wait for
// OnRemove.
func (b *Backend) flush(atWill bool) {
	for i := range b.shards {
		sh := &b.shards[i]
		sh.mu.Lock()
		b.bounds.release(int64(sh.count), sh.bytes)
		sh.removed[Flushed] += uint64(sh.count)
		if b.removals.onRemove != nil && sh.count > 0 {
			table := sh.table.Load() // nothing writes to it any more
			rm := removal{table: table, items: sh.count, atWill: atWill, reason: Flushed}
			if !atWill {
				rm.bytes = table.size()
			}
			b.removals.add(rm)
		}
		sh.reset()
		sh.mu.Unlock()
	}
}

// Close deletes all items and stops the clock and the timer. It returns after the last call of
// OnRemove.
func (b *Backend) Close() error {
	b.clock.close()
	b.closeTimer()
	b.flush(true)
	b.removals.close()
	return nil
}
