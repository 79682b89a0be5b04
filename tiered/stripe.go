package tiered

import (
	"context"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cachewire/cachewire/core"
)

// stripeCount is how many stripes there are. Keys in the same stripe only cost each other a copy
// that is not kept.
const stripeCount = 1024

// A stripe keeps order among reads and writes of the keys whose hash chooses it. A read keeps a
// copy only if no write and no Notice has come between, by the epoch.
type stripe struct {
	mu      sync.Mutex
	epoch   uint64             // guarded by mu; changed by each write and Notice
	writers int                // guarded by mu; writes in progress
	flights map[string]*flight // guarded by mu; the last read of each key that is in progress

	_ [32]byte // makes a stripe a line of the processor's cache
}

// A flight is a read of far, for which other reads of the key may wait.
type flight struct {
	sent  time.Duration // when it was sent, as Backend.now
	epoch uint64        // of the stripe when it was sent
	keeps bool          // no write was in progress when it was sent

	done     chan struct{} // closed when the fields below are set
	item     core.Item
	err      error
	canceled bool // err is that of the context of the goroutine that read
}

// A copied is what near holds: an item of far, or the fact that there is none. It does not
// change, but for ready.
type copied struct {
	item   core.Item
	absent bool

	// ready says that the copy ends in time. It is set after near has the copy, because only
	// then is known when near has taken it.
	ready atomic.Bool
}

// copyOverhead is about what a copy takes besides its value, with the token of a driver.
const copyOverhead = 160

// Size returns how much memory the copy takes, as core.Sizer says.
func (c *copied) Size() int { return copyOverhead + len(c.item.Value) }

func (b *Backend) stripeOf(key string) *stripe {
	return &b.stripes[maphash.String(b.seed, key)%stripeCount]
}

// begin returns the flight for a read of key. If join is true, it is the caller's to wait for;
// otherwise the caller reads, and must call end.
func (b *Backend) begin(key string) (f *flight, join bool) {
	s := b.stripeOf(key)
	now := b.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	f = s.flights[key]
	// A flight is joined only if what it returns may be returned by a read that begins now: no
	// write of this process has ended since it was sent, and it is not older than a copy may be.
	if f != nil && f.keeps && f.epoch == s.epoch && now-f.sent < b.opts.NearTTL {
		return f, true
	}
	f = &flight{sent: now, epoch: s.epoch, keeps: s.writers == 0, done: make(chan struct{})}
	if s.flights == nil {
		s.flights = map[string]*flight{}
	}
	s.flights[key] = f // an older one no longer keeps its copy
	return f, false
}

// end sets the result of a flight, and keeps a copy of it if that is allowed.
func (b *Backend) end(key string, f *flight) {
	s := b.stripeOf(key)
	s.mu.Lock()
	if s.flights[key] == f {
		delete(s.flights, key)
		if f.keeps && f.epoch == s.epoch {
			b.keep(key, f)
		}
	}
	s.mu.Unlock()
	close(f.done)
}

// slack is taken from the life of a copy. If near takes longer than this to store the copy, the
// copy is not used.
const slack = time.Millisecond

// keep stores a copy of what f has read. The caller holds the lock of the stripe.
func (b *Backend) keep(key string, f *flight) {
	life := b.opts.NearTTL
	if b.bus != nil && !b.bus.up.Load() {
		life = min(life, b.opts.MaxStale)
	}
	c := &copied{item: f.item}
	switch {
	case f.err == core.ErrMiss:
		life = min(life, b.opts.NegativeTTL)
		c.item, c.absent = core.Item{}, true
	case f.err != nil || len(f.item.Value) > b.opts.MaxValue:
		return
	case f.item.TTL > 0:
		life = min(life, f.item.TTL)
	}
	c.item.Key, c.item.TTL = "", 0
	now := b.now()
	left := f.sent + life - slack - now
	if left <= 0 {
		return
	}
	ctx := context.Background()
	err := b.near.StoreShared(ctx, core.Set, core.Item{Key: key, TTL: left}, c)
	if err == nil && b.now()-now <= slack {
		c.ready.Store(true)
	} else {
		_ = b.near.Delete(ctx, key)
	}
}

// drop drops the copy of the item under key, and keeps reads that were sent before from keeping
// theirs. It reports whether there was a copy.
func (b *Backend) drop(key string) bool {
	s := b.stripeOf(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.epoch++
	return b.near.Delete(context.Background(), key) == nil
}

// dropAll is drop for all keys.
func (b *Backend) dropAll() {
	b.eachStripe(func(s *stripe) { s.epoch++ })
	_ = b.near.Flush(context.Background())
}

// dropMatching is drop for all keys for which match returns true. It returns how many copies
// there were.
func (b *Backend) dropMatching(match func(key string) bool) (dropped uint64) {
	b.eachStripe(func(s *stripe) { s.epoch++ })
	for key, err := range b.near.Keys(context.Background(), "") {
		if err != nil {
			b.dropAll()
			return dropped
		}
		if match(key) && b.drop(key) {
			dropped++
		}
	}
	return dropped
}

func (b *Backend) eachStripe(do func(s *stripe)) {
	for i := range b.stripes {
		s := &b.stripes[i]
		s.mu.Lock()
		do(s)
		s.mu.Unlock()
	}
}
