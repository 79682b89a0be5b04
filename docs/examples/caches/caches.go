// Package caches configures an application with two caches from a JSON file, with hooks
// that count, measure and log: docs/guide.md walks through it.
package caches

import (
	"encoding/json"
	"expvar"
	"fmt"
	"os"

	"github.com/cachewire/cachewire/core"

	// Drivers that the file may name.
	_ "github.com/cachewire/cachewire/memcache-pure"
	_ "github.com/cachewire/cachewire/memory"
	_ "github.com/cachewire/cachewire/null"
)

// What the hooks have seen.
var (
	Ratio  = new(core.HitRatio)
	Timing = new(core.Timing)
)

func init() {
	core.RegisterHook("hit_ratio", Ratio)
	core.RegisterHook("timing", Timing)
	core.RegisterHook("log", &core.Log{})
	expvar.Publish("cache_hits", Ratio) // at /debug/vars
	expvar.Publish("cache_times", Timing)
}

// Open answers the caches that the file names.
func Open(file string) (*core.Caches, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var config core.Config
	if err := json.Unmarshal(text, &config); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	caches, err := core.NewCaches(config)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return caches, nil
}
