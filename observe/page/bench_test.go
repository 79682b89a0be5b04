package page_test

import (
	"context"
	"testing"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memory"
	"github.com/cachewire/cachewire/observe/page"
)

func BenchmarkGet(b *testing.B) {
	ctx := context.Background()
	for _, bench := range []struct {
		name string
		opts *page.Options
	}{{"none", nil}, {"page", &page.Options{}}, {"page/keys", &page.Options{Keys: 20}}} {
		b.Run(bench.name, func(b *testing.B) {
			opts := &core.Options{Name: "users"}
			if bench.opts != nil {
				opts.Hooks = []core.Hook{newPage(b, bench.opts)}
			}
			c := must(core.New(must(memory.New(nil)), opts))
			defer c.Close()
			if err := c.Set(ctx, "k", []byte("v"), 0); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				_, _ = c.Get(ctx, "k")
			}
		})
	}
}

func TestTheHookAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for _, keys := range []int{0, 20} {
		c := newCache(t, newPage(t, &page.Options{Keys: keys}), nil, "users")
		ctx := context.Background()
		if n := testing.AllocsPerRun(1000, func() { _, _ = c.Get(ctx, "absent") }); n > 0 {
			t.Errorf("with %d keys, a verb allocates %v times", keys, n)
		}
	}
}
