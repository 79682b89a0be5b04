package memory_test

import (
	"testing"

	"github.com/cachewire/cachewire/conformance"
	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memory"
)

func TestConformance(t *testing.T) {
	conformance.Run(t, conformance.Config{
		New:      func(testing.TB) core.Backend { return memory.New(nil) },
		Synctest: true,
	})
}
