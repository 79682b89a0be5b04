package tiered

import (
	"context"
	"fmt"
	"testing"
	"time"

	rediscache "github.com/go-redis/cache/v9"
	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memory"
	"github.com/cachewire/cachewire/redis"
	"github.com/cachewire/cachewire/redis/redistest"
	"github.com/cachewire/cachewire/tiered"
)

const (
	ttl      = time.Hour
	keyCount = 1000 // all fit into memory
	timeout  = 10 * time.Second
)

var (
	value = make([]byte, 100)
	keys  [keyCount]string
)

func init() {
	for i := range keys {
		keys[i] = fmt.Sprintf("a-key-of-some-thirty-six-bytes-%05d", i)
	}
}

// A rival reads and writes in front of a server.
type rival struct {
	get func(i int) error
	set func(i int) error
}

// check has no b.Helper, which takes longer than a hit.
func check(b *testing.B, err error) {
	if err != nil {
		b.Fatal(err)
	}
}

func newCache(b *testing.B, backend core.Backend) rival {
	b.Helper()
	c, err := core.New(backend, nil)
	check(b, err)
	b.Cleanup(func() { c.Close() })
	ctx := context.Background()
	return rival{
		get: func(i int) error { _, err := c.Get(ctx, keys[i%keyCount]); return err },
		set: func(i int) error { return c.Set(ctx, keys[i%keyCount], value, ttl) },
	}
}

func newMemory(b *testing.B) *memory.Backend {
	b.Helper()
	m, err := memory.New(&memory.Options{MaxBytes: 64 << 20})
	check(b, err)
	return m
}

func newRedis(b *testing.B, addr string) *redis.Backend {
	b.Helper()
	r, err := redis.New(&redis.Options{Addrs: []string{addr}, Timeout: timeout})
	check(b, err)
	return r
}

// newTier returns a tier over Redis with a bus of this kind, or without one.
func newTier(b *testing.B, addr, kind string) rival {
	b.Helper()
	far := newRedis(b, addr)
	opts := &tiered.Options{NearTTL: ttl}
	if kind != "" {
		bus, err := far.OpenBus(kind)
		check(b, err)
		opts.Bus = bus
	}
	tier, err := tiered.New(newMemory(b), far, opts)
	check(b, err)
	for deadline := time.Now().Add(timeout); kind != ""; time.Sleep(time.Millisecond) {
		s, err := tier.Stats(context.Background())
		check(b, err)
		if s.Near.BusUp {
			break
		}
		if time.Now().After(deadline) {
			b.Fatal("the bus does not work")
		}
	}
	return newCache(b, tier)
}

// newGoRedisCache returns go-redis/cache with its TinyLFU in front of Redis.
func newGoRedisCache(b *testing.B, addr string) rival {
	client := goredis.NewClient(&goredis.Options{Addr: addr})
	b.Cleanup(func() { client.Close() })
	c := rediscache.New(&rediscache.Options{
		Redis: client, LocalCache: rediscache.NewTinyLFU(10*keyCount, ttl),
	})
	ctx := context.Background()
	return rival{
		get: func(i int) error {
			var got []byte
			return c.Get(ctx, keys[i%keyCount], &got)
		},
		set: func(i int) error {
			return c.Set(&rediscache.Item{Ctx: ctx, Key: keys[i%keyCount], Value: value, TTL: ttl})
		},
	}
}

// newRueidis returns the client-side caching of rueidis: in its default mode, or by broadcast.
func newRueidis(b *testing.B, addr string, tracking ...string) rival {
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{addr}, ForceSingleClient: true, ClientTrackingOptions: tracking,
	})
	check(b, err)
	b.Cleanup(client.Close)
	ctx := context.Background()
	return rival{
		get: func(i int) error {
			command := client.B().Get().Key(keys[i%keyCount]).Cache()
			_, err := client.DoCache(ctx, command, ttl).AsBytes()
			return err
		},
		set: func(i int) error {
			command := client.B().Set().Key(keys[i%keyCount]).Value(string(value)).Ex(ttl).Build()
			return client.Do(ctx, command).Error()
		},
	}
}

// each runs do for each rival, with a server of its own: a rival that hears of changes must not
// hear of those of another one.
func each(b *testing.B, do func(b *testing.B, r rival)) {
	for _, c := range []struct {
		name string
		open func(b *testing.B, addr string) rival
	}{
		{"memory", func(b *testing.B, _ string) rival { return newCache(b, newMemory(b)) }},
		{"tier", func(b *testing.B, addr string) rival { return newTier(b, addr, "") }},
		{"tier tracking", func(b *testing.B, addr string) rival {
			return newTier(b, addr, "tracking")
		}},
		{"tier pubsub", func(b *testing.B, addr string) rival {
			return newTier(b, addr, "pubsub")
		}},
		{"go-redis-cache", newGoRedisCache},
		{"rueidis", func(b *testing.B, addr string) rival { return newRueidis(b, addr) }},
		{"rueidis broadcast", func(b *testing.B, addr string) rival {
			return newRueidis(b, addr, "BCAST")
		}},
		{"redis", func(b *testing.B, addr string) rival { return newCache(b, newRedis(b, addr)) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			server := redistest.Start(b, nil)
			do(b, c.open(b, server.Addr()))
		})
	}
}

// fill stores all keys and reads them, so that there are copies.
func fill(b *testing.B, r rival) {
	b.Helper()
	for i := range keyCount {
		check(b, r.set(i))
	}
	time.Sleep(50 * time.Millisecond) // the server's messages about these changes
	for i := range keyCount {
		check(b, r.get(i))
	}
}

// BenchmarkHit reads keys that have copies in the process.
func BenchmarkHit(b *testing.B) {
	each(b, func(b *testing.B, r rival) {
		fill(b, r)
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			check(b, r.get(i))
		}
	})
}

// BenchmarkHitParallel is BenchmarkHit by a goroutine for each processor.
func BenchmarkHitParallel(b *testing.B) {
	each(b, func(b *testing.B, r rival) {
		fill(b, r)
		b.ReportAllocs()
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			for i := 0; pb.Next(); i++ {
				if err := r.get(i); err != nil {
					b.Error(err)
				}
			}
		})
	})
}

// BenchmarkSetAndGet writes a key and reads it, which goes to the server again where a write drops
// the copy.
func BenchmarkSetAndGet(b *testing.B) {
	each(b, func(b *testing.B, r rival) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			check(b, r.set(i))
			check(b, r.get(i))
		}
	})
}

// BenchmarkMixed reads, and writes one key before each hundredth read.
func BenchmarkMixed(b *testing.B) {
	each(b, func(b *testing.B, r rival) {
		fill(b, r)
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if i%100 == 0 {
				check(b, r.set(i/100*7))
			}
			check(b, r.get(i))
		}
	})
}
