package tiered_test

import (
	"testing"
	"time"

	"github.com/cachewire/cachewire/backendtest"
	"github.com/cachewire/cachewire/conformance"
	"github.com/cachewire/cachewire/core"
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
			conformance.Run(t, conformance.Config{
				New:      func(testing.TB) core.Backend { return newTier(newMemory(), opts) },
				Synctest: true,
			})
		})
	}
}

func TestConformanceInRealTime(t *testing.T) {
	t.Parallel()
	conformance.Run(t, conformance.Config{
		New:      func(testing.TB) core.Backend { return newTier(newMemory(), nil) },
		Parallel: true,
	})
}

func TestConformanceOverServers(t *testing.T) {
	t.Parallel()
	for _, kind := range backendtest.Servers {
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			conformance.Run(t, conformance.Config{
				New: func(t testing.TB) core.Backend {
					return newTier(kind.Open(t), &tiered.Options{NearTTL: time.Second})
				},
				Parallel: true,
			})
		})
	}
}
