package tiered_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cachewire/cachewire/backendtest"
	"github.com/cachewire/cachewire/conformance"
	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
	memcachepooled "github.com/cachewire/cachewire/memcache-pooled"
	memcachepure "github.com/cachewire/cachewire/memcache-pure"
	"github.com/cachewire/cachewire/memcache/memcachetest"
	"github.com/cachewire/cachewire/redis"
	"github.com/cachewire/cachewire/redis/redistest"
	"github.com/cachewire/cachewire/tiered"
)

// A process on a tier alone sees no difference to the far cache.
func TestConformance(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string]*tiered.Options{
		"defaults": nil,
		"misses":   {NearTTL: time.Minute, NegativeTTL: time.Minute},
		"bypass":   {Bypass: []string{"k", "suite: k"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conformance.Run(t, conformance.Config{
				New:      func(testing.TB) core.Backend { return newTier(newMemory(), opts) },
				Synctest: true,
			})
		})
	}
}

// With the build tag long, the suite runs over every kind of server.
func TestConformanceOverServers(t *testing.T) {
	t.Parallel()
	if !longEnabled {
		t.Skip("the suite over Redis, with faults and a bus, runs in TestConformanceOverRedis")
	}
	kinds := append([]backendtest.Kind{
		backendtest.Memory,
		backendtest.ByValue,
		{Name: "memcached, pooled", Open: func(t testing.TB) core.Backend {
			server := memcachetest.StartN(t, 1, nil).Addrs()[0]
			return must(memcachepooled.New([]memcache.Server{{Addr: server}},
				&memcachepooled.Options{Options: memcache.Options{Timeout: 30 * time.Second}}))
		}},
	}, backendtest.Servers...)
	// One after the other: the cases about time need a machine that is not too busy.
	for _, kind := range kinds {
		t.Run(kind.Name, func(t *testing.T) {
			conformance.Run(t, conformance.Config{
				New: func(t testing.TB) core.Backend {
					return newTier(kind.Open(t), &tiered.Options{NearTTL: time.Second})
				},
				Parallel: true,
			})
		})
	}
}

// faultTTL is NearTTL in runs with faults.
const faultTTL = 50 * time.Millisecond

// afterCopies returns the Stall or Kill of the suite for tiers. It calls inject with the far half,
// and returns when the copies of the time before have ended: until then they are served, by
// contract.
func afterCopies[F core.Backend](inject func(far F) (undo func(), err error)) func(core.Backend) (
	func(), error) {
	return func(b core.Backend) (func(), error) {
		var far F
		if !b.(*tiered.Backend).As(&far) {
			return nil, errors.New("not a Backend that New returned")
		}
		undo, err := inject(far)
		time.Sleep(faultTTL)
		return undo, err
	}
}

// The far half and the bus stall and are killed together, because they are one server.
func TestConformanceOverRedis(t *testing.T) {
	t.Parallel()
	buses := []string{"tracking"}
	if longEnabled {
		buses = append(buses, "pubsub", "none")
	}
	for _, bus := range buses {
		t.Run(bus, func(t *testing.T) {
			t.Parallel()
			fleet := redistest.NewFleet(func() []*redistest.Server {
				return []*redistest.Server{redistest.Start(t, nil)}
			})
			var behind sync.Map // the server of each far half
			fault := func(do, undo func(*redistest.Server)) func(core.Backend) (func(), error) {
				return afterCopies(func(far *redis.Backend) (func(), error) {
					found, ok := behind.Load(far)
					if !ok {
						return nil, errors.New("a Backend that New did not return")
					}
					server := found.(*redistest.Server)
					do(server)
					return func() { undo(server) }, nil
				})
			}
			conformance.Run(t, conformance.Config{
				New: func(t testing.TB) core.Backend {
					server := fleet.Take(t)[0]
					far := must(redis.New(&redis.Options{
						Addrs:    []string{server.Addr()},
						Timeout:  20 * time.Second,
						MaxValue: 4 << 20,
					}))
					behind.Store(far, server)
					opts := &tiered.Options{NearTTL: faultTTL}
					if bus != "none" {
						opts.Bus = must(far.OpenBus(bus))
					}
					return newTier(far, opts)
				},
				Parallel: true,
				Stall:    fault((*redistest.Server).Pause, (*redistest.Server).Resume),
				Kill:     fault((*redistest.Server).Kill, (*redistest.Server).Restart),
			})
		})
	}
}

// The same over memcached, with the counters of the bus in it. Without the build tag long, only the
// cases with faults run, without a bus.
func TestConformanceOverMemcachedWithFaults(t *testing.T) {
	buses := []string{"none"}
	if longEnabled {
		buses = append(buses, "poll")
	}
	for _, bus := range buses {
		t.Run(bus, func(t *testing.T) {
			fleet := memcachetest.NewFleet(t, 1, nil)
			conformance.Run(t, conformance.Config{
				New: func(t testing.TB) core.Backend {
					if name := t.Name(); !strings.Contains(name, "/stall-") &&
						!strings.Contains(name, "/kill-") {
						t.Skip("runs in TestConformanceOverServers")
					}
					far := must(memcachepure.New([]memcache.Server{{Addr: fleet.Take(t).Addrs()[0]}},
						&memcachepure.Options{Options: memcache.Options{Timeout: 30 * time.Second}}))
					opts := &tiered.Options{NearTTL: faultTTL}
					if bus == "poll" {
						opts.Bus = must(tiered.NewPoll(far, nil))
					}
					return newTier(far, opts)
				},
				Stall: afterCopies(func(far *memcachepure.Backend) (func(), error) {
					return fleet.Stall(far)
				}),
				Kill: afterCopies(func(far *memcachepure.Backend) (func(), error) {
					return fleet.Kill(far)
				}),
			})
		})
	}
}
