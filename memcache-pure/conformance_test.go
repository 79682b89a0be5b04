package memcachepure_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/cachewire/cachewire/conformance"
	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache/memcachetest"
)

// TestMain lets many cases of the suite run in parallel, because they mostly wait for items
// to expire.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "64"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

func TestConformance(t *testing.T) {
	t.Parallel()
	for name, n := range map[string]int{"one server": 1, "three servers": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fleet := memcachetest.NewFleet(t, n, nil)
			conformance.Run(t, conformance.Config{
				New: func(t testing.TB) core.Backend {
					name := t.Name()
					if !longEnabled && strings.HasSuffix(name, "/multi-many") &&
						!strings.Contains(name, "/plain/") {
						t.Skip("ten thousand keys with a prefix or a Client run only in make long")
					}
					return openBackend(t, longTimeoutOptions, fleet.Take(t).Addrs()...)
				},
				Parallel: true,
			})
		})
	}
}

// The cases with faults run separately, because no other case may run at the same time.
func TestConformanceWithFaults(t *testing.T) {
	for name, n := range map[string]int{"one server": 1, "three servers": 3} {
		t.Run(name, func(t *testing.T) {
			fleet := memcachetest.NewFleet(t, n, nil)
			conformance.Run(t, conformance.Config{
				New: func(t testing.TB) core.Backend {
					if name := t.Name(); !strings.Contains(name, "/stall-") &&
						!strings.Contains(name, "/kill-") {
						t.Skip("runs in TestConformance")
					}
					return openBackend(t, longTimeoutOptions, fleet.Take(t).Addrs()...)
				},
				Stall: fleet.Stall,
				Kill:  fleet.Kill,
			})
		})
	}
}
