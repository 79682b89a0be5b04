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

// Cases of the suite mostly wait for a time to live to end, many at once.
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
					if !longEnabled && strings.HasSuffix(t.Name(), "/multi-many") && !strings.Contains(t.Name(), "/plain/") {
						t.Skip("ten thousand keys through a prefix or a Client: make long has them")
					}
					return open(t, patient, fleet.Take(t).Addrs()...)
				},
				Parallel: true,
			})
		})
	}
}
