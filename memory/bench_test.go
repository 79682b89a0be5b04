package memory_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memory"
)

const benchKeys = 100000

// A plainMap is what an application without a cache would use: a map under one lock, without
// times to live.
type plainMap struct {
	mu sync.Mutex
	m  map[string][]byte // guarded by mu
}

func (p *plainMap) get(key string) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.m[key]
}

func (p *plainMap) set(key string, value []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.m[key] = append([]byte(nil), value...)
}

// benchmarkMix runs Gets and Sets. Of a hundred calls, writes are Sets.
func benchmarkMix(b *testing.B, writes int) {
	keys := make([]string, benchKeys)
	value := make([]byte, 100)
	for i := range keys {
		keys[i] = fmt.Sprintf("key-%032d", i)
	}
	run := func(name string, get func(key string), set func(key string)) {
		b.Run(name, func(b *testing.B) {
			for _, key := range keys {
				set(key)
			}
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				r := rand.New(rand.NewPCG(rand.Uint64(), 1))
				for pb.Next() {
					n := r.Uint64()
					key := keys[n%benchKeys]
					if int(n>>32%100) < writes {
						set(key)
					} else {
						get(key)
					}
				}
			})
		})
	}
	ctx := context.Background()
	for name, opts := range map[string]*memory.Options{
		"memory":  nil,
		"bounded": {MaxItems: benchKeys / 2},
	} {
		cache, err := core.New(must(memory.New(opts)), nil)
		if err != nil {
			b.Fatal(err)
		}
		run(name, func(key string) { cache.Get(ctx, key) }, func(key string) {
			if err := cache.Set(ctx, key, value, time.Hour); err != nil {
				b.Error(err)
			}
		})
	}
	p := &plainMap{m: map[string][]byte{}}
	run("map", func(key string) { p.get(key) }, func(key string) { p.set(key, value) })
}

func BenchmarkRead(b *testing.B)       { benchmarkMix(b, 0) }
func BenchmarkMostlyRead(b *testing.B) { benchmarkMix(b, 10) }
func BenchmarkWrite(b *testing.B)      { benchmarkMix(b, 100) }

func BenchmarkIncr(b *testing.B) {
	cache, err := core.New(must(memory.New(nil)), nil)
	if err != nil {
		b.Fatal(err)
	}
	ctx := context.Background()
	if err := cache.Set(ctx, "n", []byte("0"), 0); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := cache.Incr(ctx, "n", 1); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEvict stores absent keys in a full cache, so that each Set evicts an item. With
// reads, each new item is read once.
func BenchmarkEvict(b *testing.B) {
	for _, items := range []int{10_000, 1_000_000} {
		for _, reads := range []int{0, 1} {
			b.Run(fmt.Sprintf("%d,reads=%d", items, reads), func(b *testing.B) {
				opts := &memory.Options{MaxItems: items}
				cache, err := core.New(must(memory.New(opts)), nil)
				if err != nil {
					b.Fatal(err)
				}
				ctx := context.Background()
				keys := make([]string, 4*items)
				for i := range keys {
					keys[i] = fmt.Sprintf("key-%032d", i)
				}
				value := make([]byte, 100)
				n := 0
				set := func() {
					key := keys[n%len(keys)]
					n++
					if err := cache.Set(ctx, key, value, time.Hour); err != nil {
						b.Error(err)
					}
					for range reads {
						cache.Get(ctx, key)
					}
				}
				for range 2 * items {
					set()
				}
				b.ReportAllocs()
				for b.Loop() {
					set()
				}
			})
		}
	}
}
