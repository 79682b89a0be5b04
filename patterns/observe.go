package patterns

import (
	"context"
	"errors"
	"time"

	"github.com/cachewire/cachewire/core"
)

// An Observer is called with what the patterns of a Cached do, for metrics. It is called by
// many goroutines at once, and callers wait for it. The hit ratio of a core.Hook tells
// whether items are in the cache; an Observer is told whether they were of use.
//
// The signatures have no types of this package, so that an Observer need not import it.
// hooks.HitRatio of package core/hooks is one.
type Observer interface {
	// Served is called once for each key that a caller asked for, or once for several
	// keys with the same outcome. The cache is the Name of the core.Options, the
	// outcome is one of the constants below. A call that fails because of its arguments
	// or its cache is not counted.
	Served(cache, outcome string, keys int)

	// Loaded is called when a loader has returned, whether callers wait for it or not.
	// It is called once for a loader of several keys. The error is the loader's; it is
	// nil if the loader returned ErrNotFound.
	Loaded(cache string, keys int, took time.Duration, err error)
}

// The outcomes that an Observer is called with.
const (
	Hit       = "hit"        // a value of the cache that is fresh
	Stale     = "stale"      // a value of the cache that is due or has expired
	Negative  = "negative"   // ErrNotFound, as the cache has it
	Miss      = "miss"       // nothing; only Get and GetMulti, which load nothing
	Loaded    = "loaded"     // what the caller's own load returned, or ErrNotFound
	Waited    = "waited"     // what another caller or process loaded meanwhile
	LoadError = "load_error" // the error of a load, the caller's own or another's
	TimedOut  = "timed_out"  // nothing: ErrTimeout, or the caller's context was done first
)

// served calls the Observer, if there is one.
func (c *Cached[T]) served(outcome string, keys int) {
	if c.opts.Observer != nil && keys > 0 {
		c.opts.Observer.Served(c.typed.Cache().Name(), outcome, keys)
	}
}

// loaded calls the Observer, if there is one.
func (c *Cached[T]) loaded(keys int, took time.Duration, err error) {
	if c.opts.Observer == nil {
		return
	}
	if errors.Is(err, ErrNotFound) {
		err = nil
	}
	c.opts.Observer.Loaded(c.typed.Cache().Name(), keys, took, err)
}

// observeMulti calls the Observer with what GetMulti found and err left open.
func (c *Cached[T]) observeMulti(keys []string, entries map[string]entry[T], err error) {
	var multi *core.MultiError
	if err != nil && !errors.As(err, &multi) {
		return
	}
	outcomes := map[string]int{}
	seen := make(map[string]bool, len(keys))
	for _, key := range keys {
		e := entries[key]
		switch {
		case seen[key]:
		case e.served():
			outcomes[e.outcome()]++
		case multi == nil || multi.Errors[key] == nil:
			outcomes[Miss]++
		}
		seen[key] = true
	}
	for outcome, n := range outcomes {
		c.served(outcome, n)
	}
}

// outcome returns the outcome of an entry that is served.
func (e entry[T]) outcome() string {
	switch {
	case e.err != nil:
		return Negative
	case e.state == fresh:
		return Hit
	}
	return Stale
}

// outcome returns the outcome for a caller of j who got err from the flight, or gave up.
func (j joined[T]) outcome(ctx context.Context, err error) string {
	switch {
	case errors.Is(err, ErrTimeout), err != nil && ctx.Err() != nil:
		return TimedOut
	case err != nil && !errors.Is(err, ErrNotFound):
		return LoadError
	case j.mine && j.flight.loaded:
		return Loaded
	}
	return Waited
}
