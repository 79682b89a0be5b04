package memory_test

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Yiling-J/theine-go"
	"github.com/allegro/bigcache/v3"
	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memory"
	"github.com/coocood/freecache"
	"github.com/dgraph-io/ristretto/v2"
	"github.com/hashicorp/golang-lru/v2/expirable"
	"github.com/jellydator/ttlcache/v3"
	"github.com/maypok86/otter/v2"
	gocache "github.com/patrickmn/go-cache"
	"github.com/puzpuzpuz/xsync/v4"
)

// ttl is the time to live of each entry. None expires while a benchmark runs.
const ttl = time.Hour

// A store is a cache of bytes, with the methods that a benchmark needs.
type store interface {
	get(key string) ([]byte, bool)
	set(key string, value []byte)
}

// A rival opens a store for n entries, which is closed at the end of the benchmark.
type rival struct {
	name string
	open func(b testing.TB, n int) store
}

// rivals are the caches and then two bare maps, which show what a cache could reach at best.
// Each of them has a time to live for each entry.
var rivals = []rival{
	{"cachewire", openCachewire},
	{"cachewire,bare", openBare},
	{"otter", func(b testing.TB, n int) store { return openOtter(b, n, nil) }},
	{"otter,coarse", func(b testing.TB, n int) store {
		clock := otter.NewCoarseClock(10 * time.Millisecond)
		b.Cleanup(clock.Stop)
		return openOtter(b, n, clock)
	}},
	{"ristretto", openRistretto},
	{"theine", openTheine},
	{"bigcache", openBigcache},
	{"freecache", openFreecache},
	{"ttlcache", openTTLCache},
	{"go-cache", openGoCache},
	{"expirable", openExpirable},
	{"xsync", openXsync},
	{"sync.Map", openSyncMap},
}

type cachewire struct{ *core.Cache }

func openCachewire(b testing.TB, _ int) store {
	c, err := core.New(must(memory.New(nil)), nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	return cachewire{c}
}

func (c cachewire) get(key string) ([]byte, bool) {
	v, err := c.Get(context.Background(), key)
	return v, err == nil
}

func (c cachewire) set(key string, value []byte) {
	_ = c.Set(context.Background(), key, value, ttl)
}

type bare struct{ *memory.Backend }

func openBare(b testing.TB, _ int) store {
	m := must(memory.New(nil))
	b.Cleanup(func() { m.Close() })
	return bare{m}
}

func (c bare) get(key string) ([]byte, bool) {
	value, err := c.Get(context.Background(), key)
	return value, err == nil
}

func (c bare) set(key string, value []byte) {
	_ = c.Store(context.Background(), core.Set, core.Item{Key: key, Value: value, TTL: ttl})
}

// clone copies value for the caches that keep the caller's slice. A caller that uses its
// slice again would do the same. cachewire copies, too.
func clone(value []byte) []byte { return append([]byte(nil), value...) }

type otterStore struct{ *otter.Cache[string, []byte] }

func openOtter(b testing.TB, n int, clock otter.Clock) store {
	c := otter.Must(&otter.Options[string, []byte]{
		InitialCapacity:  n,
		ExpiryCalculator: otter.ExpiryWriting[string, []byte](ttl),
		Clock:            clock,
	})
	b.Cleanup(func() { c.StopAllGoroutines() })
	return otterStore{c}
}

func (c otterStore) get(key string) ([]byte, bool) { return c.GetIfPresent(key) }
func (c otterStore) set(key string, value []byte)  { c.Set(key, clone(value)) }

type ristrettoStore struct {
	*ristretto.Cache[string, []byte]
}

func openRistretto(b testing.TB, n int) store {
	c, err := ristretto.NewCache(&ristretto.Config[string, []byte]{
		NumCounters:        int64(10 * n),
		MaxCost:            int64(2 * n),
		BufferItems:        64,
		IgnoreInternalCost: true,
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(c.Close)
	return ristrettoStore{c}
}

func (c ristrettoStore) get(key string) ([]byte, bool) { return c.Get(key) }
func (c ristrettoStore) set(key string, value []byte)  { c.SetWithTTL(key, clone(value), 1, ttl) }

type theineStore struct {
	*theine.Cache[string, []byte]
}

func openTheine(b testing.TB, n int) store {
	c, err := theine.NewBuilder[string, []byte](int64(2 * n)).Build()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(c.Close)
	return theineStore{c}
}

func (c theineStore) get(key string) ([]byte, bool) { return c.Get(key) }
func (c theineStore) set(key string, value []byte)  { c.SetWithTTL(key, clone(value), 1, ttl) }

type bigcacheStore struct{ *bigcache.BigCache }

func openBigcache(b testing.TB, n int) store {
	if strconv.IntSize == 32 {
		b.Skip("bigcache v3.1.0 panics on 32-bit systems: its 64-bit counters are not aligned")
	}
	config := bigcache.DefaultConfig(ttl)
	config.MaxEntriesInWindow, config.MaxEntrySize, config.Verbose = n, 200, false
	c, err := bigcache.New(context.Background(), config)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	return bigcacheStore{c}
}

func (c bigcacheStore) get(key string) ([]byte, bool) {
	v, err := c.Get(key)
	return v, err == nil
}

func (c bigcacheStore) set(key string, value []byte) { _ = c.Set(key, value) }

type freecacheStore struct{ *freecache.Cache }

func openFreecache(_ testing.TB, n int) store { return freecacheStore{freecache.NewCache(n * 400)} }

func (c freecacheStore) get(key string) ([]byte, bool) {
	v, err := c.Get([]byte(key))
	return v, err == nil
}

func (c freecacheStore) set(key string, value []byte) {
	_ = c.Set([]byte(key), value, int(ttl/time.Second))
}

type ttlcacheStore struct {
	*ttlcache.Cache[string, []byte]
}

func openTTLCache(testing.TB, int) store {
	return ttlcacheStore{ttlcache.New(
		ttlcache.WithTTL[string, []byte](ttl),
		ttlcache.WithDisableTouchOnHit[string, []byte](),
	)}
}

func (c ttlcacheStore) get(key string) ([]byte, bool) {
	item := c.Get(key)
	if item == nil {
		return nil, false
	}
	return item.Value(), true
}

func (c ttlcacheStore) set(key string, value []byte) {
	c.Set(key, clone(value), ttlcache.DefaultTTL)
}

type goCacheStore struct{ *gocache.Cache }

func openGoCache(testing.TB, int) store { return goCacheStore{gocache.New(ttl, 0)} }

func (c goCacheStore) get(key string) ([]byte, bool) {
	v, ok := c.Get(key)
	if !ok {
		return nil, false
	}
	return v.([]byte), true
}

func (c goCacheStore) set(key string, value []byte) { c.SetDefault(key, clone(value)) }

type expirableStore struct {
	*expirable.LRU[string, []byte]
}

func openExpirable(_ testing.TB, n int) store {
	return expirableStore{expirable.NewLRU[string, []byte](2*n, nil, ttl)}
}

func (c expirableStore) get(key string) ([]byte, bool) { return c.Get(key) }
func (c expirableStore) set(key string, value []byte)  { c.Add(key, clone(value)) }

// An expiringValue is a value in a bare map.
type expiringValue struct {
	value   []byte
	expires int64 // in nanoseconds since 1970
}

// coarseClock returns the time for the bare maps, in nanoseconds since 1970. It is updated
// until the end of the benchmark.
func coarseClock(b testing.TB) *atomic.Int64 {
	now := new(atomic.Int64)
	now.Store(time.Now().UnixNano())
	ticks := time.NewTicker(10 * time.Millisecond)
	done := make(chan struct{})
	var updater sync.WaitGroup
	updater.Go(func() {
		for {
			select {
			case t := <-ticks.C:
				now.Store(t.UnixNano())
			case <-done:
				return
			}
		}
	})
	b.Cleanup(func() { ticks.Stop(); close(done); updater.Wait() })
	return now
}

type xsyncStore struct {
	m   *xsync.Map[string, expiringValue]
	now *atomic.Int64
}

func openXsync(b testing.TB, n int) store {
	return xsyncStore{xsync.NewMap[string, expiringValue](xsync.WithPresize(n)), coarseClock(b)}
}

func (s xsyncStore) get(key string) ([]byte, bool) {
	e, ok := s.m.Load(key)
	return e.value, ok && s.now.Load() < e.expires
}

func (s xsyncStore) set(key string, value []byte) {
	s.m.Store(key, expiringValue{clone(value), s.now.Load() + int64(ttl)})
}

type syncMapStore struct {
	m   *sync.Map
	now *atomic.Int64
}

func openSyncMap(b testing.TB, _ int) store { return syncMapStore{new(sync.Map), coarseClock(b)} }

func (s syncMapStore) get(key string) ([]byte, bool) {
	v, ok := s.m.Load(key)
	if !ok {
		return nil, false
	}
	e := v.(expiringValue)
	return e.value, s.now.Load() < e.expires
}

func (s syncMapStore) set(key string, value []byte) {
	s.m.Store(key, expiringValue{clone(value), s.now.Load() + int64(ttl)})
}

// must returns v, and panics if there is an error.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
