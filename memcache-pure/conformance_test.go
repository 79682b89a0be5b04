package memcachepure_test

import (
	"flag"
	"os"
	"testing"

	"github.com/cachewire/cachewire/conformance"
	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache/memcachetest"
)

// Cases of the suite mostly wait for a time to live to end, many at once.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "16"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

func TestConformance(t *testing.T) {
	for name, n := range map[string]int{"one server": 1, "three servers": 3} {
		t.Run(name, func(t *testing.T) {
			fleet := memcachetest.NewFleet(t, n, nil)
			conformance.Run(t, conformance.Config{
				New:      func(t testing.TB) core.Backend { return open(t, patient, fleet.Take(t).Addrs()...) },
				Parallel: true,
			})
		})
	}
}
