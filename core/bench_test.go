package core_test

import (
	"context"
	"testing"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/core/hooks"
)

// What the contract costs: the same verb of a backend that does nothing, bare
// and under a Cache.

func BenchmarkGet(b *testing.B) {
	ctx := context.Background()
	n := hit()
	b.Run("bare", func(b *testing.B) {
		b.ReportAllocs()
		var backend core.Backend = n
		for b.Loop() {
			if _, err := backend.GetItem(ctx, costKey); err != nil {
				b.Fatal(err)
			}
		}
	})
	through(b, n, func(c *core.Cache) error { _, err := c.Get(ctx, costKey); return err })
}

func BenchmarkSet(b *testing.B) {
	ctx := context.Background()
	n := hit()
	b.Run("bare", func(b *testing.B) {
		b.ReportAllocs()
		var backend core.Backend = n
		for b.Loop() {
			if err := backend.Store(ctx, core.Set, core.Item{Key: costKey, Value: costValue}); err != nil {
				b.Fatal(err)
			}
		}
	})
	through(b, n, func(c *core.Cache) error { return c.Set(ctx, costKey, costValue, 0) })
}

func BenchmarkIncr(b *testing.B) {
	ctx := context.Background()
	n := hit()
	b.Run("bare", func(b *testing.B) {
		b.ReportAllocs()
		var backend core.Backend = n
		for b.Loop() {
			if _, err := backend.Incr(ctx, costKey, 1); err != nil {
				b.Fatal(err)
			}
		}
	})
	through(b, n, func(c *core.Cache) error { _, err := c.Incr(ctx, costKey, 1); return err })
}

func BenchmarkTypedSet(b *testing.B) {
	ctx := context.Background()
	through(b, hit(), func(c *core.Cache) error {
		return must(core.NewTyped(c, numbers{})).Set(ctx, costKey, 1<<60, 0)
	})
}

// through measures call on a Cache over n: as it is, with a prefix, with a hook
// and with a time-out.
func through(b *testing.B, n *noop, call func(c *core.Cache) error) {
	b.Helper()
	for _, bench := range []struct {
		name string
		opts core.Options
	}{
		{"cache", core.Options{}},
		{"prefix", core.Options{Prefix: "prefix:"}},
		{"hook", core.Options{Hooks: []core.Hook{silent{}}}},
		{"ratio+timing", core.Options{Name: "local", Hooks: []core.Hook{new(hooks.HitRatio), new(hooks.Timing)}}},
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
