package observe

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/cachewire/cachewire/core"
)

// A Reading is what Stats of a cache returned.
type Reading struct {
	Stats core.Stats
	Err   error // errors.ErrUnsupported if the backend has no Stats
}

// Known reports whether the backend has Stats, and they could be read.
func (r Reading) Known() bool { return r.Err == nil }

// Down reports whether the backend has Stats, and they could not be read.
func (r Reading) Down() bool { return r.Err != nil && !errors.Is(r.Err, errors.ErrUnsupported) }

// statsWorkers is how many caches ReadStats asks at once.
const statsWorkers = 16

// ReadStats calls Stats of all caches, several at a time, and returns what they returned, in
// the same order. It is over when ctx is done: give it a deadline, because a server may stall.
// A nil Cache reads as errors.ErrUnsupported.
func ReadStats(ctx context.Context, caches []*core.Cache) []Reading {
	readings := make([]Reading, len(caches))
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(statsWorkers, len(caches)) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(caches); i = int(next.Add(1)) - 1 {
				if caches[i] == nil {
					readings[i].Err = errors.ErrUnsupported
					continue
				}
				readings[i].Stats, readings[i].Err = caches[i].Stats(ctx)
			}
		})
	}
	workers.Wait()
	return readings
}
