package mapdriver_test

import (
	"testing"

	"github.com/cachewire/cachewire/conformance"
	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/docs/examples/mapdriver"
)

// TestConformance is the only test that the author of a driver must write.
func TestConformance(t *testing.T) {
	conformance.Run(t, conformance.Config{
		New:      func(testing.TB) core.Backend { return mapdriver.New() },
		Synctest: true, // it waits for nothing but the clock, which a bubble fakes
	})
}
