//go:build !race

package dependency_test

import (
	"testing"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/dependency"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/memory"
)

// The race detector allocates as well, so this file is not built for it.
func TestSetWithoutTagsAllocatesNoMoreThanATyped(t *testing.T) {
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
	got := allocs(func() error {
		return texts.Set(t.Context(), "k", "v", 0, dependency.Versions{})
	})
	want := allocs(func() error { return plain.Set(t.Context(), "k", "v", 0) })
	if got > want {
		t.Errorf("Set makes %v allocations, and that of a Typed %v", got, want)
	}
}
