// Command prometheus serves the metrics of a cache at http://localhost:2112/metrics. See
// docs/observe.md.
package main

import (
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/cachewire/cachewire/core"
	_ "github.com/cachewire/cachewire/memory" // opens memory://
	cacheprom "github.com/cachewire/cachewire/observe/prometheus"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

func main() {
	l, err := net.Listen("tcp", "localhost:2112")
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(run(context.Background(), l))
}

// run serves the metrics on l until ctx is done.
func run(ctx context.Context, l net.Listener) error {
	metrics := cacheprom.New()
	registry := prometheus.NewRegistry()
	if err := registry.Register(metrics); err != nil { // once, for all caches
		return err
	}
	cache, err := core.Open(ctx, "memory://?max_items=10000", &core.Options{
		Name:  "users",
		Hooks: []core.Hook{metrics},
	})
	if err != nil {
		return err
	}
	defer cache.Close()
	if err := metrics.Add(cache); err != nil {
		return err
	}
	if err := cache.Set(ctx, "user:1", []byte("Ann"), time.Hour); err != nil {
		return err
	}
	if _, err := cache.Get(ctx, "user:1"); err != nil {
		return err
	}

	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	defer context.AfterFunc(ctx, func() { server.Close() })()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
