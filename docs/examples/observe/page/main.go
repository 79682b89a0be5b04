// Command page serves the live page of a cache at http://localhost:8080/debug/cache/. See
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
	"github.com/cachewire/cachewire/observe/page"
)

func main() {
	l, err := net.Listen("tcp", "localhost:8080") // reached from this machine only
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(run(context.Background(), l))
}

// run serves the page on l until ctx is done.
func run(ctx context.Context, l net.Listener) error {
	p, err := page.New(&page.Options{Keys: 10, LookUp: true})
	if err != nil {
		return err
	}
	defer p.Close()
	cache, err := core.Open(ctx, "memory://?max_items=10000", &core.Options{
		Name:  "users",
		Hooks: []core.Hook{p},
	})
	if err != nil {
		return err
	}
	defer cache.Close()
	if err := p.Add(cache); err != nil {
		return err
	}
	if err := cache.Set(ctx, "user:1", []byte("Ann"), time.Hour); err != nil {
		return err
	}

	mux := http.NewServeMux()
	mux.Handle("/debug/cache/", p)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	server.RegisterOnShutdown(func() { p.Close() }) // ends the live updates
	stopped := make(chan error, 1)
	defer context.AfterFunc(ctx, func() {
		stopped <- server.Shutdown(context.WithoutCancel(ctx))
	})()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}
