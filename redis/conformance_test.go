package redis_test

import (
	"testing"

	"github.com/cachewire/cachewire/conformance"
	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/redis"
	"github.com/cachewire/cachewire/redis/redistest"
)

// The build tag long adds a cluster, a unix socket and a sentinel.
func TestConformance(t *testing.T) {
	t.Parallel()
	one := func() []*redistest.Server { return []*redistest.Server{redistest.Start(t, nil)} }
	run := func(name string, start func() []*redistest.Server, options func(servers []*redistest.Server) *redis.Options) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fleet := redistest.NewFleet(start)
			conformance.Run(t, conformance.Config{
				New:      func(t testing.TB) core.Backend { return open(t, options(fleet.Take(t))) },
				Parallel: true,
			})
		})
	}
	run("one server", one, func(servers []*redistest.Server) *redis.Options { return patient(servers[0].Addr()) })
	run("plain", one, func(servers []*redistest.Server) *redis.Options {
		opts := patient(servers[0].Addr())
		opts.Plain = true
		return opts
	})
	if !longEnabled {
		return
	}
	run("cluster", func() []*redistest.Server { return redistest.StartCluster(t, 3, nil) },
		func(servers []*redistest.Server) *redis.Options {
			return patient(redistest.Cluster(servers).Addrs()...)
		})
	run("socket", func() []*redistest.Server {
		return []*redistest.Server{redistest.Start(t, &redistest.Options{Unix: true})}
	}, func(servers []*redistest.Server) *redis.Options { return patient(servers[0].Addr()) })
	run("sentinel", func() []*redistest.Server {
		g := redistest.StartSentinel(t, nil)
		return []*redistest.Server{g.Primary, g.Sentinel}
	}, func(servers []*redistest.Server) *redis.Options {
		opts := patient(servers[1].Addr())
		opts.Master = redistest.MasterName
		return opts
	})
}
