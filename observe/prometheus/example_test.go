package cacheprom_test

import (
	"context"
	"fmt"
	"log"

	"github.com/cachewire/cachewire/core"
	_ "github.com/cachewire/cachewire/memory" // opens memory://
	cacheprom "github.com/cachewire/cachewire/observe/prometheus"
	"github.com/prometheus/client_golang/prometheus"
)

func Example() {
	ctx := context.Background()
	metrics := cacheprom.New()
	registry := prometheus.NewRegistry()
	registry.MustRegister(metrics)

	cache, err := core.Open(ctx, "memory://?max_items=1000", &core.Options{
		Name:  "users",
		Hooks: []core.Hook{metrics},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()
	if err := metrics.Add(cache); err != nil {
		log.Fatal(err)
	}

	_ = cache.Set(ctx, "user:1", []byte("Ann"), 0)
	families, err := registry.Gather() // promhttp.HandlerFor does so at each scrape
	if err != nil {
		log.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == "cachewire_backend_items" {
			fmt.Println(family.GetName(), family.GetMetric()[0].GetGauge().GetValue())
		}
	}
	// Output: cachewire_backend_items 1
}
