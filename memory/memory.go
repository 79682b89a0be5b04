package memory

import (
	"context"
	"hash/maphash"
	"math"
	"net/url"
	"runtime"
	"time"

	"github.com/cachewire/cachewire/core"
)

func init() { core.Register("memory", driver{}) }

type driver struct{}

// Open opens memory://?buckets=60&interval=15s&max_items=10000&max_bytes=64MiB.
func (driver) Open(_ context.Context, u *url.URL) (core.Backend, error) {
	p := core.NewParams(u)
	p.NoHost(u)
	opts := Options{
		Buckets:        p.Int("buckets", 0, 1, maxBuckets),
		BucketInterval: p.Duration("interval", 0, minInterval),
		MaxItems:       p.Int("max_items", 0, 0, math.MaxInt),
		MaxBytes:       p.Bytes("max_bytes", 0),
	}
	if err := p.Err(); err != nil {
		return nil, err
	}
	return New(&opts), nil
}

// Options are the settings of a Backend. A field that is 0 or less has its
// default.
type Options struct {
	// Buckets is how many buckets of expired items there are: 60 by default,
	// at most 3,600.
	Buckets int

	// BucketInterval is how far apart in time the buckets are: 15 seconds by
	// default, at least 10 milliseconds. Where there are stores enough, an item
	// that nobody reads is swept about an interval after its end.
	BucketInterval time.Duration

	// MaxItems is how many items are kept; by default there is no bound. Items
	// that have expired count until they are read or swept.
	MaxItems int

	// MaxBytes is how much memory the items may take, with a reckoning of what
	// each needs beside its key and value; by default there is no bound. An
	// item that alone takes more is core.ErrTooLarge. Of a value that
	// core.Shared stored the size is not known: it counts as if it were small.
	MaxBytes int64
}

const (
	defaultBuckets  = 60
	maxBuckets      = 3600
	defaultInterval = 15 * time.Second
	minInterval     = 10 * time.Millisecond
	minShards       = 256
	shardBits       = 10 // of a hash, which choose its shard
	maxShards       = 1 << shardBits
)

// A Backend keeps items in the memory of this process. It may be used by many
// goroutines at once.
type Backend struct {
	clock
	seed   maphash.Seed
	shards []shard // as many as a power of two
	bounds bounds
	sweeper
	reads readCounts
}

// New answers an empty Backend, for core.New. A nil opts is the zero Options.
func New(opts *Options) *Backend {
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.Buckets <= 0 {
		o.Buckets = defaultBuckets
	}
	if o.BucketInterval <= 0 {
		o.BucketInterval = defaultInterval
	}
	b := &Backend{
		seed:   maphash.MakeSeed(),
		shards: make([]shard, shardCount(o)),
		bounds: bounds{maxItems: int64(max(o.MaxItems, 0)), maxBytes: max(o.MaxBytes, 0)},
	}
	b.clock.init()
	b.sweeper.buckets = int64(min(o.Buckets, maxBuckets))
	b.sweeper.interval = int64(max(o.BucketInterval, minInterval))
	for i := range b.shards {
		b.shards[i].owner, b.shards[i].number = b, i
		b.shards[i].reset()
	}
	return b
}

// shardCount answers how many shards serve o: so many that writers seldom meet, and
// with a bound, few enough that each holds what eviction needs to choose well.
func shardCount(o Options) int {
	const itemsEach, bytesEach = 64, 256 << 10
	n := minShards
	for n < maxShards && n < 32*runtime.GOMAXPROCS(0) {
		n *= 2
	}
	for n > 1 && (o.MaxItems > 0 && o.MaxItems/n < itemsEach || o.MaxBytes > 0 && o.MaxBytes/int64(n) < bytesEach) {
		n /= 2
	}
	return n
}

func (b *Backend) hash(key string) uint64 { return maphash.String(b.seed, key) }

// shardOf answers the shard in which the key of that hash lies.
func (b *Backend) shardOf(hash uint64) *shard {
	return &b.shards[hash&uint64(len(b.shards)-1)]
}

// Stats answers what the Backend holds and has seen.
func (b *Backend) Stats(context.Context) (core.Stats, error) {
	var sum core.Stats
	for i := range b.shards {
		sh := &b.shards[i]
		sh.mu.Lock()
		sum.Items += uint64(sh.count)
		sum.Bytes += uint64(sh.bytes)
		sum.Evictions += sh.evictions
		sum.Expirations += sh.expirations
		sh.mu.Unlock()
	}
	for i := range b.reads {
		sum.Hits += b.reads[i].hits.Load()
		sum.Misses += b.reads[i].misses.Load()
	}
	return sum, nil
}

// Ping answers nil.
func (b *Backend) Ping(context.Context) error { return nil }

// Flush deletes everything, one shard after the other.
func (b *Backend) Flush(context.Context) error {
	for i := range b.shards {
		sh := &b.shards[i]
		sh.mu.Lock()
		b.bounds.release(int64(sh.count), sh.bytes)
		sh.reset()
		sh.mu.Unlock()
	}
	return nil
}

// Close lets go of everything.
func (b *Backend) Close() error {
	b.clock.close()
	return b.Flush(context.Background())
}
