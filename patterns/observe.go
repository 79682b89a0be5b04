package patterns

import (
	"context"
	"errors"
	"time"

	"github.com/cachewire/cachewire/core"
)

// An Observer is called with what the patterns of a Cached do, for metrics. It is called by
// many goroutines at once, and callers wait for it. A core.Hook sees whether an item is in
// the cache; an Observer sees whether the item could be served.
//
// The signatures have no types of this package, so that an Observer need not import it.
// HitRatio of package core/hooks is an Observer.
type Observer interface {
	// Served is called once for each key that a caller requested, or once for several keys
	// with the same outcome. Cache is Options.Name, which is the name of the core.Cache unless
	// it is set; outcome is one of the constants below. Served is not called if a call fails
	// because of its arguments or its cache.
	Served(cache, outcome string, keys int)

	// Loaded is called when a loader has returned, whether callers wait for it or not. It
	// is called once for a loader of several keys. Took is how long the loader took. Err is
	// the error of the loader, or nil if that is ErrNotFound.
	Loaded(cache string, keys int, took time.Duration, err error)
}

// The outcomes with which Observer.Served is called. They say what a caller got.
const (
	Hit       = "hit"        // a fresh value of the cache
	Stale     = "stale"      // a value of the cache that is due or has expired
	Negative  = "negative"   // an ErrNotFound that is stored in the cache
	Miss      = "miss"       // no value: Get and GetMulti only, which load nothing
	Loaded    = "loaded"     // a value or ErrNotFound from the caller's own load
	Waited    = "waited"     // a value or ErrNotFound from the load of another caller or process
	LoadError = "load_error" // the error of a load, by this or another caller, perhaps earlier
	TimedOut  = "timed_out"  // ErrTimeout, or the error of the caller's context
)

// observeServed calls Served of the Observer, if there is one.
func (c *Cached[T]) observeServed(outcome string, keys int) {
	if c.opts.Observer != nil && keys > 0 {
		c.opts.Observer.Served(c.opts.Name, outcome, keys)
	}
}

// observeDone calls Served with TimedOut if a call has failed because ctx is done.
func (c *Cached[T]) observeDone(ctx context.Context, keys int) {
	if orBackground(ctx).Err() != nil {
		c.observeServed(TimedOut, keys)
	}
}

// observeLoaded calls Loaded of the Observer, if there is one.
func (c *Cached[T]) observeLoaded(keys int, took time.Duration, err error) {
	if c.opts.Observer == nil {
		return
	}
	if errors.Is(err, ErrNotFound) {
		err = nil
	}
	c.opts.Observer.Loaded(c.opts.Name, keys, took, err)
}

// observeMulti calls Served of the Observer for a GetMulti of keys that found entries and
// returned err. It does not count keys that failed, unless ctx is done.
func (c *Cached[T]) observeMulti(
	ctx context.Context, keys []string, entries map[string]entry[T], err error,
) {
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
		case e.servable():
			outcomes[e.outcome()]++
		case multi == nil || multi.Errors[key] == nil:
			outcomes[Miss]++
		case orBackground(ctx).Err() != nil:
			outcomes[TimedOut]++
		}
		seen[key] = true
	}
	for outcome, n := range outcomes {
		c.observeServed(outcome, n)
	}
}

// outcome returns the outcome for a caller who is served e.
func (e *entry[T]) outcome() string {
	switch {
	case e.err != nil:
		return Negative
	case e.state == fresh:
		return Hit
	}
	return Stale
}

// outcome returns the outcome for a caller who waited for j, with context ctx, and got err.
func (j *joinedFlight[T]) outcome(ctx context.Context, err error) string {
	switch {
	case errors.Is(err, ErrTimeout), err != nil && ctx.Err() != nil:
		return TimedOut
	case err != nil && !errors.Is(err, ErrNotFound):
		return LoadError
	case j.started && j.flight.loaded:
		return Loaded
	}
	return Waited
}
