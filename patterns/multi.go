package patterns

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
)

// GetOrSetMulti returns the values of args. It reads them from c under the keys that key
// returns. For the values that are absent it calls load once, without those that another
// caller in this process is loading, and stores the results by SetMulti. Args for which
// load returns no value are not in the map, and ErrNotFound is stored for them if
// Options.NegativeTTL is set.
//
// With an error, the map has the values that could be read or loaded; it is never nil.
// In all other respects GetOrSetMulti is like Cached.GetOrSet.
func GetOrSetMulti[A comparable, T any](
	ctx context.Context, c *Cached[T], args []A, key func(A) string,
	load func(ctx context.Context, args []A) (map[A]T, error), names ...string,
) (map[A]T, error) {
	if key == nil || load == nil {
		return map[A]T{}, configErrorf("the loader or the function that makes keys is nil")
	}
	ctx = orBackground(ctx)
	b := &batch[A, T]{c: c, argOf: make(map[string]A, len(args)), load: load, names: names}
	keys := make([]string, 0, len(args))
	keyOf := make(map[A]string, len(args))
	for _, arg := range args {
		k := key(arg)
		if _, ok := b.argOf[k]; !ok {
			keys = append(keys, k)
			b.argOf[k] = arg
		}
		keyOf[arg] = k
	}
	values, err := b.get(ctx, keys)
	results := make(map[A]T, len(values))
	for arg, k := range keyOf {
		if v, ok := values[k]; ok {
			results[arg] = v
		}
	}
	return results, err
}

// A batch is a call of GetOrSetMulti.
type batch[A comparable, T any] struct {
	c     *Cached[T]
	argOf map[string]A // by key
	load  func(ctx context.Context, args []A) (map[A]T, error)
	names []string

	entries   map[string]entry[T] // by key: what the first look into the cache found
	lookUpErr error               // of the first look
}

// storable reports whether a value for fl may be stored, because the first look into the
// cache did not fail for its key.
func (b *batch[A, T]) storable(fl *flight[T]) bool {
	err := b.lookUpErr
	var multi *core.MultiError
	if errors.As(err, &multi) {
		err = multi.Errors[fl.key]
	}
	return err == nil || errors.Is(err, core.ErrCodec)
}

// get returns the values of keys, which are distinct.
func (b *batch[A, T]) get(ctx context.Context, keys []string) (map[string]T, error) {
	c := b.c
	endCount := c.flights.endCount.Load()
	entries, err := c.lookUpMulti(ctx, keys)
	_, fatal := c.handleMultiError(ctx, err)
	b.entries, b.lookUpErr = entries, err
	values := make(map[string]T, len(keys))
	var missing, dueKeys []string
	for _, key := range keys {
		e := entries[key]
		if !e.servable() {
			missing = append(missing, key)
			continue
		}
		c.observeServed(e.outcome(), 1)
		if e.err == nil {
			values[key] = e.value
		}
		if e.state == due {
			dueKeys = append(dueKeys, key)
		}
	}
	if len(dueKeys) != 0 {
		c.flights.refresh(ctx, dueKeys, func(ctx context.Context, group []*flight[T], _ bool) {
			if err := b.loadAndStore(ctx, b.stillMissing(ctx, group, entries)); err != nil {
				c.opts.OnError(ctx, err)
			}
		})
	}
	if fatal != nil {
		return values, fatal
	}
	var errs []error
	start := time.Now()
	run := func(ctx context.Context, group []*flight[T], endedSince bool) {
		if endedSince && b.lookUpErr == nil {
			group = b.stillMissing(ctx, group, nil)
		}
		_ = b.loadAndStore(ctx, group) // the error is also in each flight
	}
	for len(missing) != 0 {
		joined, err := c.flights.join(ctx, missing, endCount, run)
		if err != nil {
			return values, err
		}
		missing = nil
		for _, j := range joined {
			key := j.flight.key
			v, err := c.await(ctx, j, entries[key], start)
			switch {
			case err == nil:
				values[key] = v
			case err == errSkipped:
				missing = append(missing, key)
			case !errors.Is(err, ErrNotFound):
				errs = append(errs, err)
			}
		}
	}
	if len(errs) == 0 {
		return values, nil
	}
	return values, errs[0] // all keys of a load have the same error
}

// stillMissing looks into the cache again. It returns the flights of group whose key is
// absent or still has the value in old, and sets the outcomes of the others. Old may be
// nil.
func (b *batch[A, T]) stillMissing(
	ctx context.Context, group []*flight[T], old map[string]entry[T],
) []*flight[T] {
	keys := make([]string, len(group))
	for i, fl := range group {
		keys[i] = fl.key
	}
	entries, _ := b.c.lookUpMulti(ctx, keys) // what cannot be read is loaded
	var missing []*flight[T]
	for _, fl := range group {
		e := entries[fl.key]
		if e.servable() && (old == nil || e.freshUntil.After(old[fl.key].freshUntil)) {
			fl.value, fl.err = e.value, e.err
		} else {
			missing = append(missing, fl)
		}
	}
	return missing
}

// loadAndStore loads values for group and sets the outcomes of its flights. It stores the
// values that are storable. It returns an error that all flights have in common.
func (b *batch[A, T]) loadAndStore(ctx context.Context, group []*flight[T]) error {
	if len(group) == 0 {
		return nil
	}
	c := b.c
	fail := func(err error) error {
		for _, fl := range group {
			fl.err = err
		}
		return err
	}
	var facts encoding.Facts
	storable := slices.ContainsFunc(group, b.storable)
	if storable {
		var err error
		facts, err = c.factsFor(ctx, b.names)
		storable = err == nil // without its tags a value would never be stale
		if _, err := c.handleCacheError(ctx, err); err != nil {
			return fail(err)
		}
	}
	args := make([]A, len(group))
	for i, fl := range group {
		args[i] = b.argOf[fl.key]
		fl.loaded = true
	}
	start := time.Now()
	loaded, err := callLoader(func() (map[A]T, error) { return b.load(ctx, args) })
	took := time.Since(start)
	c.observeLoaded(len(group), took, err)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return fail(err)
	}
	found, notFound := map[string]value[T]{}, map[string]value[T]{}
	for i, fl := range group {
		v, ok := loaded[args[i]]
		if fl.value, fl.err = v, nil; !ok {
			fl.err = ErrNotFound
		}
		switch {
		case !storable || !b.storable(fl) || !c.flights.beginStore(fl):
		case ok:
			found[fl.key] = c.wrap(v, facts, took)
		default:
			notFound[fl.key] = notFoundValue[T](facts)
		}
	}
	ctx, cancel := c.detach(ctx)
	defer cancel()
	err = func() error {
		// Deferred, because the codec may panic. Before OnError, because that may write.
		defer func() {
			for key := range found {
				c.flights.endStore(key)
			}
			for key := range notFound {
				c.flights.endStore(key)
			}
		}()
		return errors.Join(b.storeLoaded(ctx, found, c.storeTTL()), b.storeNotFound(ctx, notFound))
	}()
	if _, err := c.handleMultiError(ctx, err); err != nil {
		return fail(err)
	}
	return nil
}

// storeLoaded stores and wires values.
func (b *batch[A, T]) storeLoaded(
	ctx context.Context, values map[string]value[T], ttl time.Duration,
) error {
	if len(values) == 0 {
		return nil
	}
	err := b.c.values.storeMulti(ctx, core.Set, values, ttl)
	keys := succeeded(slices.Collect(maps.Keys(values)), err)
	return errors.Join(err, b.c.wire(ctx, keys, b.names))
}

// storeNotFound stores values, which stand for ErrNotFound. If NegativeTTL is 0, it deletes
// the items under their keys instead, because they would be served again.
func (b *batch[A, T]) storeNotFound(ctx context.Context, values map[string]value[T]) error {
	c := b.c
	switch {
	case len(values) == 0:
		return nil
	case c.opts.NegativeTTL != 0:
		return b.storeLoaded(ctx, values, c.opts.NegativeTTL)
	}
	var old []string
	for key := range values {
		if b.entries[key].exists {
			old = append(old, key)
		}
	}
	return c.typed.DeleteMulti(ctx, old)
}

// handleMultiError is handleCacheError for the error of a multi verb. It is fatal as well
// if the caller can correct the error of a key.
func (c *Cached[T]) handleMultiError(ctx context.Context, err error) (down bool, fatal error) {
	var multi *core.MultiError
	if errors.As(err, &multi) {
		for _, err := range multi.Errors {
			if isCallerError(err) {
				return false, err
			}
		}
	}
	return c.handleCacheError(ctx, err)
}
