package core_test

import (
	"context"
	"testing"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/core/hooks"
)

// These benchmarks measure the cost of core: they call a verb of a backend that does nothing,
// directly and through a Cache.

func BenchmarkGet(b *testing.B) {
	ctx := context.Background()
	n := hitBackend()
	b.Run("bare", func(b *testing.B) {
		b.ReportAllocs()
		var backend core.Backend = n
		for b.Loop() {
			if _, err := backend.GetItem(ctx, longKey); err != nil {
				b.Fatal(err)
			}
		}
	})
	benchCaches(b, n, func(c *core.Cache) error { _, err := c.Get(ctx, longKey); return err })
}

func BenchmarkSet(b *testing.B) {
	ctx := context.Background()
	n := hitBackend()
	b.Run("bare", func(b *testing.B) {
		b.ReportAllocs()
		var backend core.Backend = n
		for b.Loop() {
			item := core.Item{Key: longKey, Value: smallValue}
			if err := backend.Store(ctx, core.Set, item); err != nil {
				b.Fatal(err)
			}
		}
	})
	benchCaches(b, n, func(c *core.Cache) error { return c.Set(ctx, longKey, smallValue, 0) })
}

func BenchmarkIncr(b *testing.B) {
	ctx := context.Background()
	n := hitBackend()
	b.Run("bare", func(b *testing.B) {
		b.ReportAllocs()
		var backend core.Backend = n
		for b.Loop() {
			if _, err := backend.Incr(ctx, longKey, 1); err != nil {
				b.Fatal(err)
			}
		}
	})
	benchCaches(b, n, func(c *core.Cache) error { _, err := c.Incr(ctx, longKey, 1); return err })
}

// A Typed with a codec that needs no key, and one with a codec that does.
func BenchmarkTyped(b *testing.B) {
	ctx := context.Background()
	for _, codec := range []struct {
		name  string
		codec core.Codec[uint64]
	}{{"plain", uintCodec{}}, {"keyed", keyedUint{}}} {
		typed := must(core.NewTyped(open(b, hitBackend(), nil), codec.codec))
		b.Run("Get/"+codec.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := typed.Get(ctx, longKey); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("Set/"+codec.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := typed.Set(ctx, longKey, 1<<60, 0); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// benchCaches measures call on a Cache over n without options, with a prefix, with hooks and
// with a time-out.
func benchCaches(b *testing.B, n *noop, call func(c *core.Cache) error) {
	b.Helper()
	for _, bench := range []struct {
		name string
		opts core.Options
	}{
		{"cache", core.Options{}},
		{"prefix", core.Options{Prefix: "prefix:"}},
		{"hook", core.Options{Hooks: []core.Hook{noopHook{}}}},
		{"ratio+timing", core.Options{
			Name:  "local",
			Hooks: []core.Hook{new(hooks.HitRatio), new(hooks.Timing)},
		}},
		{"timeout", core.Options{Timeout: 1 << 40}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			c := open(b, n, &bench.opts)
			b.ReportAllocs()
			for b.Loop() {
				if err := call(c); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
