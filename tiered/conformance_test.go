package tiered_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/cachewire/cachewire/backendtest"
	"github.com/cachewire/cachewire/conformance"
	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
	memcachepooled "github.com/cachewire/cachewire/memcache-pooled"
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

// The far half and the bus stall and are killed together, because they are one server. Faults begin
// when the copies of the time before have ended: until then they are served, by contract.
func TestConformanceOverRedis(t *testing.T) {
	t.Parallel()
	const nearTTL = 50 * time.Millisecond
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
			var behind sync.Map // the server of each Backend
			fault := func(do, undo func(*redistest.Server)) func(core.Backend) (func(), error) {
				return func(b core.Backend) (func(), error) {
					found, ok := behind.Load(b)
					if !ok {
						return nil, errors.New("a Backend that New did not return")
					}
					server := found.(*redistest.Server)
					do(server)
					time.Sleep(nearTTL)
					return func() { undo(server) }, nil
				}
			}
			conformance.Run(t, conformance.Config{
				New: func(t testing.TB) core.Backend {
					server := fleet.Take(t)[0]
					far := must(redis.New(&redis.Options{
						Addrs:    []string{server.Addr()},
						Timeout:  20 * time.Second,
						MaxValue: 4 << 20,
					}))
					opts := &tiered.Options{NearTTL: nearTTL}
					if bus != "none" {
						opts.Bus = must(far.OpenBus(bus))
					}
					b := newTier(far, opts)
					behind.Store(b, server)
					return b
				},
				Parallel: true,
				Stall:    fault((*redistest.Server).Pause, (*redistest.Server).Resume),
				Kill:     fault((*redistest.Server).Kill, (*redistest.Server).Restart),
			})
		})
	}
}
