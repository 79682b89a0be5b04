package patterns

import (
	"context"
	"errors"
	"time"

	"github.com/cachewire/cachewire/core"
)

// loadAndStore loads a value for fl, to replace what a look into the cache has found. It
// stores the value unless the cache is down, because the callers would then wait for the
// cache once more.
func (c *Cached[T]) loadAndStore(
	ctx context.Context, r *request[T], fl *flight[T], found entry[T],
) (T, error) {
	var zero T
	storable := !found.down
	var o origin
	if storable {
		var err error
		if o, err = c.newOrigin(ctx, r.names); err != nil {
			storable = false
			if _, err := c.handleCacheError(ctx, err); err != nil {
				return zero, err
			}
		}
	}
	c.flights.begin(fl.job.flights, o)
	start := time.Now()
	v, err := callLoader(func() (T, error) { return r.load(ctx) })
	took := time.Since(start)
	c.observeLoaded(1, took, err)
	notFound := errors.Is(err, ErrNotFound)
	if err != nil && !notFound {
		if !c.flights.wasCancelled(fl.job) {
			c.pauses.fail(err, r.key)
		}
		return zero, err
	}
	c.pauses.end(r.key)
	if storable {
		storeErr := c.storeLoaded(ctx, fl, found, o, v, notFound, took)
		if _, err := c.handleCacheError(ctx, storeErr); err != nil {
			return zero, err
		}
	}
	if err != nil {
		return zero, err
	}
	return v, nil
}

// storeLoaded stores and wires the value that fl has loaded, or ErrNotFound, in the place of
// what a look had found. It stores nothing if the key was written or a name of the value was
// invalidated meanwhile, or if the lease is lost.
func (c *Cached[T]) storeLoaded(
	ctx context.Context, fl *flight[T], found entry[T], o origin,
	v T, notFound bool, took time.Duration,
) error {
	ctx, cancel := c.detach(ctx)
	defer cancel()
	names := o.names
	if !notFound {
		names = c.namesOf(fl.key, v, names)
	}
	facts, err := c.factsAt(ctx, o, [][]string{names})
	if err != nil {
		return err
	}
	var item stored[T]
	if notFound {
		item = c.notFoundItem(facts[0])
	} else {
		item = c.itemOf(fl.key, v, facts[0], took)
	}
	if item.ttl < 0 {
		return nil
	}
	if lease := c.flights.leaseOf(fl); lease != nil {
		if err := lease.check(ctx); err != nil {
			if err == ErrLost {
				return nil
			}
			return err
		}
	}
	if !c.flights.beginStore(fl) {
		return nil
	}
	defer c.flights.endStore(fl) // deferred, because the codec may panic
	if d := c.opts.Dependency; d != nil && len(names) != 0 {
		release, ok := d.Hold(o.moment, names...)
		if !ok {
			return nil
		}
		defer release()
	}
	if notFound && c.opts.NegativeTTL == 0 {
		return c.deleteOld(ctx, fl.key, found)
	}
	stored, err := c.replace(ctx, fl.key, found, item)
	if err != nil || !stored {
		return err
	}
	return c.wire(ctx, []string{fl.key}, names)
}

// replace stores item in the place of what a look had found. It reports false if the key was
// written meanwhile. If that value is stale, replace tries to replace it, too.
func (c *Cached[T]) replace(
	ctx context.Context, key string, found entry[T], item stored[T],
) (bool, error) {
	for again := false; ; again = true {
		item.token = found.token
		err := c.values.store(ctx, found.storeMode(), key, item)
		if !isWritten(err) {
			return err == nil, err
		}
		if again || errors.Is(err, core.ErrMiss) {
			return false, nil
		}
		if found, err = c.lookUp(ctx, key); err != nil || !found.exists || found.servable() {
			return false, nil
		}
	}
}

// storeMode returns the mode by which a value is stored in the place of e.
func (e *entry[T]) storeMode() core.Mode {
	switch {
	case !e.exists:
		return core.Add
	case e.token == nil: // it cannot be decoded
		return core.Set
	}
	return core.CompareAndSwap
}

// isWritten reports whether err means that a value was not stored because another one was.
func isWritten(err error) bool {
	return errors.Is(err, core.ErrExists) || errors.Is(err, core.ErrConflict) ||
		errors.Is(err, core.ErrMiss)
}

// deleteOld deletes what a look had found, because it would be served again.
func (c *Cached[T]) deleteOld(ctx context.Context, key string, found entry[T]) error {
	if !found.exists {
		return nil
	}
	var err error
	if found.token == nil {
		err = c.typed.Delete(ctx, key)
	} else {
		err = c.typed.CompareAndDelete(ctx, core.TypedItem[T]{Key: key, Token: found.token})
	}
	if isWritten(err) {
		return nil
	}
	return err
}
