package caches_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/core/config"
	"github.com/cachewire/cachewire/core/hooks"
	"github.com/cachewire/cachewire/memory"
)

// Get returns the same cache each time. Create returns a new one.
func Example_aliases() {
	ctx := context.Background()
	timing := new(hooks.Timing)
	caches, err := config.New(config.Config{Caches: map[string]config.Cache{
		"default": {URL: "memory://"},
		"alt": {
			URL:     "memory://?max_items=1000",
			Timeout: config.Duration(time.Second),
			Hooks:   []string{"timing"},
		},
	}}, &config.Options{Hooks: map[string]core.Hook{"timing": timing}})
	if err != nil {
		log.Fatal(err)
	}
	defer caches.Close()

	cache, err := caches.Get(ctx, "default")
	if err != nil {
		log.Fatal(err)
	}
	_ = cache.Set(ctx, "key", []byte("value"), 0)
	again, _ := caches.Get(ctx, "default")
	value, _ := again.Get(ctx, "key")
	fmt.Printf("%s, %v\n", value, again == cache)

	alt, err := caches.Create(ctx, "alt", func(c *config.Cache) { c.Prefix = "test:" })
	if err != nil {
		log.Fatal(err)
	}
	defer alt.Close()
	_ = alt.Set(ctx, "key", []byte("other"), 0)
	value, _ = alt.Get(ctx, "key")
	fmt.Printf("%s\n", value)

	var backend *memory.Backend // its methods are outside the contract
	fmt.Println(alt.As(&backend))
	// Output:
	// value, true
	// other
	// true
}

// A cache has two ready-made hooks and a hook of the program. The program makes a thousand
// reads of six keys. Three of the keys are present.
func Example_hooks() {
	ctx := context.Background()
	ratio, timing := new(hooks.HitRatio), new(hooks.Timing)
	cache, err := core.Open(ctx, "memory://", &core.Options{
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

	lookups := ratio.Snapshot()["main"].Lookups
	times := timing.Snapshot()["main"]
	fmt.Println(lookups.Ratio.Ratio > 0.5, lookups.Hits+lookups.Misses)
	get, set := times["Get"], times["Set"]
	fmt.Println(get.Min > 0, set.Min > 0, get.Max > 0, set.Max > 0)
	fmt.Println(get.Count, set.Count)
	// Output:
	// true 1000
	// true true true true
	// 1000 3
}

// A storeLogger logs each key before Set stores it.
type storeLogger struct{}

func (storeLogger) Before(ctx context.Context, op *core.Op) context.Context {
	if op.Verb == "Set" {
		slog.DebugContext(ctx, "about to store", "key", op.Key)
	}
	return ctx
}

func (storeLogger) After(context.Context, *core.Op) {}
