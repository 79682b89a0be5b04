//go:build !race

package dependency_test

import (
	"testing"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/dependency"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/memory"
)

// The race detector allocates.
func TestAnItemWithoutTagsAllocatesNothingMore(t *testing.T) {
	c := cacheOf(t, must(memory.New(nil)))
	texts := must(dependency.NewTagged(c, encoding.Text(), nil))
	plain := must(core.NewTyped(c, encoding.Text()))
	allocs := func(set func() error) float64 {
		return testing.AllocsPerRun(100, func() {
			if err := set(); err != nil {
				t.Error(err)
			}
		})
	}
	tagged := allocs(func() error { return texts.Set(t.Context(), "k", "v", 0, dependency.Versions{}) })
	if want := allocs(func() error { return plain.Set(t.Context(), "k", "v", 0) }); tagged > want {
		t.Errorf("Set takes %v allocations, and that of a Typed %v", tagged, want)
	}
}
