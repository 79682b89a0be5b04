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
	return New(&opts)
}

// Options are the settings of a Backend.
type Options struct {
	// Buckets is how many buckets there are for the items that expire, at most 3,600. If
	// 0, it is 60.
	Buckets int

	// BucketInterval is how far apart in time the buckets are, at least 10 milliseconds.
	// If 0, it is 15 seconds. If there are enough stores, an expired item that is not read
	// is swept about an interval after its end.
	BucketInterval time.Duration

	// MaxItems is how many items are kept. If 0, there is no bound. Items that have expired
	// count until they are read or swept.
	MaxItems int

	// MaxBytes is how much memory the items may take, including what each needs beside its
	// key and value. If 0, there is no bound. To store an item that alone takes more
	// returns core.ErrTooLarge. The size of a value that core.Shared stored is not known:
	// it counts as a small one.
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

// These are the abilities of a Backend beyond core.Backend.
var _ interface {
	core.Backend
	core.ValueGetter
	core.MultiGetter
	core.TTLReader
	core.Pinger
	core.StatsReader
	core.KeyLister
	core.SharedStorer
} = (*Backend)(nil)

// New returns an empty Backend, for core.New. A nil opts is the zero Options. The error is
// core.ErrConfig: a field of opts is out of its range.
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
		shards: make([]shard, shardCount(o)),
		bounds: bounds{maxItems: int64(o.MaxItems), maxBytes: o.MaxBytes},
	}
	b.clock.init()
	b.sweeper.buckets = int64(cmp.Or(o.Buckets, defaultBuckets))
	b.sweeper.interval = int64(cmp.Or(o.BucketInterval, defaultInterval))
	for i := range b.shards {
		b.shards[i].owner, b.shards[i].number = b, i
		b.shards[i].reset()
	}
	return b, nil
}

func (o *Options) check() error {
	wrong := func(field string, value any, want string) error {
		return fmt.Errorf("%w: memory: Options.%s is %v, want %s", core.ErrConfig, field, value, want)
	}
	switch {
	case o.Buckets < 0 || o.Buckets > maxBuckets:
		return wrong("Buckets", o.Buckets, fmt.Sprintf("1 to %d, or 0 for %d", maxBuckets, defaultBuckets))
	case o.BucketInterval != 0 && o.BucketInterval < minInterval:
		return wrong("BucketInterval", o.BucketInterval, fmt.Sprintf("%v or more, or 0 for %v", minInterval, defaultInterval))
	case o.MaxItems < 0:
		return wrong("MaxItems", o.MaxItems, "1 or more, or 0 for no bound")
	case o.MaxBytes < 0:
		return wrong("MaxBytes", o.MaxBytes, "1 or more, or 0 for no bound")
	}
	return nil
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
