package redis_test

import (
	"errors"
	"sync"
	"testing"

	"github.com/cachewire/cachewire/conformance"
	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/redis"
	"github.com/cachewire/cachewire/redis/redistest"
)

// A setting is a way to run Redis, and the options for its servers.
type setting struct {
	name    string
	start   func(t testing.TB) []*redistest.Server
	options func(servers []*redistest.Server) *redis.Options
}

var settings = []setting{
	{"one server", startOne, func(servers []*redistest.Server) *redis.Options {
		return patient(servers[0].Addr())
	}},
	{"plain", startOne, func(servers []*redistest.Server) *redis.Options {
		opts := patient(servers[0].Addr())
		opts.Plain = true
		return opts
	}},
}

// longSettings take longer to start, or find few other faults.
var longSettings = []setting{
	{"cluster", func(t testing.TB) []*redistest.Server {
		return redistest.StartCluster(t, 3, nil)
	}, func(servers []*redistest.Server) *redis.Options {
		return patient(redistest.Cluster(servers).Addrs()...)
	}},
	{"socket", func(t testing.TB) []*redistest.Server {
		return []*redistest.Server{redistest.Start(t, &redistest.Options{Unix: true})}
	}, func(servers []*redistest.Server) *redis.Options {
		return patient(servers[0].Addr())
	}},
	{"sentinel", func(t testing.TB) []*redistest.Server {
		g := redistest.StartSentinel(t, nil)
		return []*redistest.Server{g.Primary, g.Sentinel}
	}, func(servers []*redistest.Server) *redis.Options {
		opts := patient(servers[1].Addr())
		opts.Master = redistest.MasterName
		return opts
	}},
	{"plain cluster", func(t testing.TB) []*redistest.Server {
		return redistest.StartCluster(t, 3, nil)
	}, func(servers []*redistest.Server) *redis.Options {
		opts := patient(redistest.Cluster(servers).Addrs()...)
		opts.Plain = true
		return opts
	}},
}

func startOne(t testing.TB) []*redistest.Server {
	return []*redistest.Server{redistest.Start(t, nil)}
}

// The build tag long adds longSettings. Then one follows the other, because the cases about time
// need a machine that is not too busy.
func TestConformance(t *testing.T) {
	t.Parallel()
	all := settings
	if longEnabled {
		all = append(all, longSettings...)
	}
	for _, s := range all {
		t.Run(s.name, func(t *testing.T) {
			if !longEnabled {
				t.Parallel()
			}
			fleet := redistest.NewFleet(func() []*redistest.Server { return s.start(t) })
			var behind sync.Map // the servers of each Backend
			config := conformance.Config{
				New: func(t testing.TB) core.Backend {
					servers := fleet.Take(t)
					b := open(t, s.options(servers))
					behind.Store(b, servers)
					return b
				},
				Parallel: true,
			}
			// A sentinel would fail over; see TestAFailoverUnderLoad.
			if s.name != "sentinel" && (longEnabled || s.name != "plain") {
				config.Stall = func(b core.Backend) (resume func(), err error) {
					return onServers(&behind, b,
						(*redistest.Server).Pause, (*redistest.Server).Resume)
				}
				config.Kill = func(b core.Backend) (restart func(), err error) {
					return onServers(&behind, b,
						(*redistest.Server).Kill, (*redistest.Server).Restart)
				}
			}
			conformance.Run(t, config)
		})
	}
}

// onServers calls do for each server of b. It returns a function that calls undo for each
// server, and waits until a cluster works again.
func onServers(behind *sync.Map, b core.Backend, do, undo func(*redistest.Server)) (func(), error) {
	found, ok := behind.Load(b)
	if !ok {
		return nil, errors.New("a Backend that New did not return")
	}
	servers := found.([]*redistest.Server)
	for _, s := range servers {
		do(s)
	}
	return func() {
		for _, s := range servers {
			undo(s)
		}
		if len(servers) > 1 {
			redistest.Cluster(servers).Await()
		}
	}, nil
}
