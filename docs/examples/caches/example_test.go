package caches_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memory"
)

// Two names, of which one is always the same cache, and of the other a new one is made.
func Example_aliases() {
	ctx := context.Background()
	caches, err := core.NewCaches(core.Config{Caches: map[string]core.CacheConfig{
		"default": {URL: "memory://"},
		"alt":     {URL: "memory://?max_items=1000", Timeout: core.Duration(time.Second), Hooks: []string{"hit_ratio", "timing"}},
	}})
	if err != nil {
		log.Fatal(err)
	}
	defer caches.Close()

	cache, err := caches.Get(ctx, "default") // always the same
	if err != nil {
		log.Fatal(err)
	}
	_ = cache.Set(ctx, "key", []byte("value"), 0)
	again, _ := caches.Get(ctx, "default")
	value, _ := again.Get(ctx, "key")
	fmt.Printf("%s, %v\n", value, again == cache)

	alt, err := caches.Create(ctx, "alt", func(c *core.CacheConfig) { c.Prefix = "test:" }) // a new one
	if err != nil {
		log.Fatal(err)
	}
	defer alt.Close()
	_ = alt.Set(ctx, "key", []byte("other"), 0)
	value, _ = alt.Get(ctx, "key")
	fmt.Printf("%s\n", value)

	var raw *memory.Backend // what stands behind it, outside of the contract
	fmt.Println(alt.As(&raw))
	// Output:
	// value, true
	// other
	// true
}

// A hook of one's own beside two that are ready to use, and a thousand reads of six keys, of
// which three are there.
func Example_hooks() {
	ctx := context.Background()
	ratio, timing := new(core.HitRatio), new(core.Timing)
	cache, err := core.New(memory.New(nil), &core.Options{
		Name: "main", Prefix: "main:", Hooks: []core.Hook{ratio, timing, storeLogger{}},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()

	for key, value := range map[string]string{"a": "1", "b": "2", "c": "3"} {
		_ = cache.Set(ctx, key, []byte(value), 0)
	}
	keys := []string{"a", "b", "c", "c", "d", "e", "f"} // c twice, so that more than half are hits
	r := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		_, _ = cache.Get(ctx, keys[r.IntN(len(keys))])
	}

	main := ratio.Snapshot()["main"]
	times := timing.Snapshot()["main"]
	fmt.Println(main.Ratio.Ratio > 0.5, main.Hits+main.Misses)
	fmt.Println(times["Get"].Min > 0, times["Set"].Min > 0, times["Get"].Max > 0, times["Set"].Max > 0)
	fmt.Println(times["Get"].Count, times["Set"].Count)
	// Output:
	// true 1000
	// true true true true
	// 1000 3
}

// storeLogger logs what is about to be stored.
type storeLogger struct{}

func (storeLogger) Before(ctx context.Context, op *core.Op) context.Context {
	if op.Verb == "Set" {
		slog.DebugContext(ctx, "about to store", "keys", op.Keys)
	}
	return ctx
}

func (storeLogger) After(context.Context, *core.Op) {}
