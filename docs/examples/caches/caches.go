// Package caches configures an application with two caches from a JSON file. Their hooks
// count hits, measure times and log. The page docs/guide.md walks through it.
package caches

import (
	"encoding/json"
	"expvar"
	"fmt"
	"os"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/core/config"
	"github.com/cachewire/cachewire/core/hooks"

	// The drivers that the file may name.
	_ "github.com/cachewire/cachewire/memcache-pure"
	_ "github.com/cachewire/cachewire/memory"
	_ "github.com/cachewire/cachewire/null"
)

// Ratio and Timing have the figures of all caches that Open has returned.
var (
	Ratio  = new(hooks.HitRatio)
	Timing = new(hooks.Timing)
)

func init() {
	expvar.Publish("cache_hits", Ratio) // at /debug/vars
	expvar.Publish("cache_times", Timing)
}

// Open returns the caches that file configures. The caller must close them.
func Open(file string) (*config.Caches, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var c config.Config
	if err := json.Unmarshal(text, &c); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	caches, err := config.New(c, &config.Options{
		Hooks: map[string]core.Hook{"hit_ratio": Ratio, "timing": Timing, "log": &hooks.Log{}},
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return caches, nil
}
