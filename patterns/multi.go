package patterns

import (
	"context"
	"errors"
	"time"

	"github.com/cachewire/cachewire/core"
)

// GetOrSetMulti returns the values of keys. It calls load once with the keys that are absent,
// except those that another caller in this process is loading, and stores the results. Keys
// for which load returns no value are not in the map, and ErrNotFound is stored for them if
// Options.NegativeTTL is set.
//
// With an error, the map has the values that could be read or loaded; it is never nil. Values
// that load returns together with an error are stored and returned as well. In all other
// respects GetOrSetMulti is like Cached.GetOrSet. If the keys are made from other values, use
// the function of the same name.
func (c *Cached[T]) GetOrSetMulti(
	ctx context.Context, keys []string,
	load func(ctx context.Context, keys []string) (map[string]T, error), names ...string,
) (map[string]T, error) {
	return GetOrSetMulti(ctx, c, keys, func(key string) string { return key }, load, names...)
}

// GetOrSetMulti is Cached.GetOrSetMulti for values of args, which are kept under the keys that
// key returns.
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
		if err := checkKey(k); err != nil {
			return map[A]T{}, err
		}
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
	err := errorOf(b.lookUpErr, fl.key)
	return err == nil || errors.Is(err, core.ErrCodec)
}

// get returns the values of keys, which are distinct.
func (b *batch[A, T]) get(ctx context.Context, keys []string) (map[string]T, error) {
	c := b.c
	endCount := c.flights.endCount.Load()
	b.entries, b.lookUpErr = c.lookUpMulti(ctx, keys)
	_, fatal := c.handleMultiError(ctx, b.lookUpErr)
	values := make(map[string]T, len(keys))
	var errs []error
	var missing, dueKeys []string
	for _, key := range keys {
		e := b.entries[key]
		if !e.servable() {
			missing = append(missing, key)
			continue
		}
		c.observeServed(e.outcome(), 1)
		if e.err == nil {
			values[key] = e.value
		}
		if paused, _ := c.pauses.check(key); e.state == due && !paused {
			dueKeys = append(dueKeys, key)
		}
	}
	o := joinOptions[T]{ctx: ctx, endCount: endCount}
	if len(dueKeys) != 0 {
		o.load = func(ctx context.Context, group []*flight[T], _ bool) {
			if err := b.loadAndStore(ctx, b.stillMissing(ctx, group, true)); err != nil {
				c.opts.OnError(ctx, err)
			}
		}
		c.flights.refresh(dueKeys, &o)
	}
	if fatal != nil {
		c.observeDone(ctx, len(missing))
		return values, fatal
	}
	missing = b.withoutPauses(missing, values, &errs)
	start := time.Now()
	o.inline = ctx.Done() == nil && c.opts.SoftTimeout == 0
	o.load = func(ctx context.Context, group []*flight[T], endedSince bool) {
		if endedSince && b.lookUpErr == nil {
			group = b.stillMissing(ctx, group, false)
		}
		_ = b.loadAndStore(ctx, group) // the error is also in each flight
	}
	for len(missing) != 0 {
		o.outdated = c.outdated(ctx, missing...)
		joined, job, err := c.flights.joinMulti(missing, &o)
		if err != nil {
			return values, err
		}
		missing = missing[:0:0]
		// The flights of the job come first: a caller that runs it must not wait before.
		for _, started := range []bool{true, false} {
			for _, j := range joined {
				if j.started != started {
					continue
				}
				key := j.flight.key
				e := b.entries[key]
				v, err := c.await(ctx, &j, job, &e, start)
				job = nil // it runs
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
	}
	return values, firstError(errs...) // all keys of a load have the same error
}

// withoutPauses returns the keys that must be loaded. For keys that pause, it adds the values
// that are served to values, and the errors that are returned again to errs.
func (b *batch[A, T]) withoutPauses(
	keys []string, values map[string]T, errs *[]error,
) []string {
	c := b.c
	var left []string
	for _, key := range keys {
		e := b.entries[key]
		switch paused, err := c.pauses.check(key); {
		case paused && e.state == expired:
			c.observeServed(e.outcome(), 1)
			if e.err == nil {
				values[key] = e.value
			}
		case err != nil:
			c.observeServed(LoadError, 1)
			*errs = append(*errs, err)
		default:
			left = append(left, key)
		}
	}
	return left
}

// stillMissing looks into the cache again. It returns the flights of group whose key is
// absent, and sets the outcomes of the others. If refresh is set, a key is also returned if it
// still has the value that the first look has found.
func (b *batch[A, T]) stillMissing(
	ctx context.Context, group []*flight[T], refresh bool,
) []*flight[T] {
	keys := make([]string, len(group))
	for i, fl := range group {
		keys[i] = fl.key
	}
	b.c.flights.beginLook(group...)
	entries, _ := b.c.lookUpMulti(ctx, keys) // keys that cannot be read are loaded
	var missing []*flight[T]
	for _, fl := range group {
		e := entries[fl.key]
		if e.servable() && (!refresh || e.freshUntil.After(b.entries[fl.key].freshUntil)) {
			fl.value, fl.err = e.value, e.err
		} else {
			missing = append(missing, fl)
		}
	}
	return missing
}

// loadAndStore loads values for group and sets the outcomes of its flights. It stores the
// values that are storable. It returns an error that flights have in common.
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
	keys := make([]string, 0, len(group)) // those that are storable
	args := make([]A, len(group))
	for i, fl := range group {
		args[i] = b.argOf[fl.key]
		if b.storable(fl) {
			keys = append(keys, fl.key)
		}
	}
	o := origin{}
	var found map[string]entry[T]
	if len(keys) != 0 {
		var err error
		if o, err = c.newOrigin(ctx, b.names); err != nil {
			keys = nil
			if _, err := c.handleCacheError(ctx, err); err != nil {
				return fail(err)
			}
		}
		found = b.found(ctx, keys)
	}
	c.flights.begin(group, o)
	start := time.Now()
	loaded, err := callLoader(func() (map[A]T, error) { return b.load(ctx, args) })
	took := time.Since(start)
	c.observeLoaded(len(group), took, err)
	if errors.Is(err, ErrNotFound) {
		err = nil
	}
	var ended, failed []string
	items := make([]loadedItem[T], 0, len(group))
	for i, fl := range group {
		v, ok := loaded[args[i]]
		switch fl.value = v; {
		case ok:
			fl.err = nil
		case err != nil:
			fl.err = err
			failed = append(failed, fl.key)
			continue
		default:
			fl.err = ErrNotFound
		}
		ended = append(ended, fl.key)
		if e, ok := found[fl.key]; ok {
			items = append(items, loadedItem[T]{fl: fl, found: e})
		}
	}
	c.pauses.end(ended...)
	if err != nil && !c.flights.wasCancelled(group[0].job) {
		c.pauses.fail(err, failed...)
	}
	if _, err := c.handleMultiError(ctx, c.storeLoadedMulti(ctx, items, o, took)); err != nil {
		return fail(err)
	}
	return err
}

// found returns what is in the cache under keys, with tokens, for the values that replace it.
func (b *batch[A, T]) found(ctx context.Context, keys []string) map[string]entry[T] {
	found := make(map[string]entry[T], len(keys))
	var existing []string
	for _, key := range keys {
		e := b.entries[key]
		e.exists = e.exists || errorOf(b.lookUpErr, key) != nil // it cannot be decoded
		if found[key] = e; e.exists {
			existing = append(existing, key)
		}
	}
	if len(existing) != 0 {
		tokens := b.c.values.tokens(ctx, existing)
		for _, key := range existing {
			e := found[key]
			e.token = tokens[key]
			found[key] = e
		}
	}
	return found
}

// A loadedItem is what a batch has loaded for a flight.
type loadedItem[T any] struct {
	fl    *flight[T]
	found entry[T] // what was in the cache before
	names []string
	item  stored[T]
}

// storeLoadedMulti is storeLoaded for many values, without leases.
func (c *Cached[T]) storeLoadedMulti(
	ctx context.Context, items []loadedItem[T], o origin, took time.Duration,
) error {
	if len(items) == 0 {
		return nil
	}
	ctx, cancel := c.detach(ctx)
	defer cancel()
	all := make([][]string, len(items))
	for i := range items {
		it := &items[i]
		if it.names = o.names; it.fl.err == nil {
			it.names = c.namesOf(it.fl.key, it.fl.value, it.names)
		}
		all[i] = it.names
	}
	facts, err := c.factsAt(ctx, o, all)
	if err != nil {
		return err
	}
	byMode := map[core.Mode]map[string]stored[T]{}
	old := map[string]any{} // tokens of items to delete
	var keys []string
	var names [][]string
	for i := range items {
		it := &items[i]
		notFound := it.fl.err != nil
		if notFound {
			it.item = c.notFoundItem(facts[i])
		} else {
			it.item = c.itemOf(it.fl.key, it.fl.value, facts[i], took)
		}
		if it.item.ttl < 0 || !c.flights.beginStore(it.fl) {
			continue
		}
		defer c.flights.endStore(it.fl) // deferred, because the codec may panic
		if d := c.opts.Dependency; d != nil && len(it.names) != 0 {
			release, ok := d.Hold(o.moment, it.names...)
			if !ok {
				continue
			}
			defer release()
		}
		if notFound && c.opts.NegativeTTL == 0 {
			if it.found.exists {
				old[it.fl.key] = it.found.token
			}
			continue
		}
		mode := it.found.storeMode()
		it.item.token = it.found.token
		if byMode[mode] == nil {
			byMode[mode] = map[string]stored[T]{}
		}
		byMode[mode][it.fl.key] = it.item
		keys, names = append(keys, it.fl.key), append(names, it.names)
	}
	var failed core.MultiError
	for mode, items := range byMode {
		if err := c.values.storeMulti(ctx, mode, items); err != nil {
			for key := range items {
				failed.Add(key, errorOf(err, key))
			}
		}
	}
	wireErr := c.wireMulti(ctx, keys, names, failed.Err())
	for key, err := range failed.Errors {
		if isWritten(err) {
			delete(failed.Errors, key)
		}
	}
	return errors.Join(failed.Err(), wireErr, c.deleteOldMulti(ctx, old))
}

// deleteOldMulti is deleteOld for many keys, with their tokens.
func (c *Cached[T]) deleteOldMulti(ctx context.Context, old map[string]any) error {
	var items []core.Item
	var keys []string
	for key, token := range old {
		if token != nil {
			items = append(items, core.Item{Key: key, Token: token})
		} else {
			keys = append(keys, key)
		}
	}
	var failed core.MultiError
	if len(items) != 0 {
		err := c.typed.Cache().StoreMulti(ctx, core.CompareAndDelete, items)
		for _, item := range items {
			if err := errorOf(err, item.Key); !isWritten(err) {
				failed.Add(item.Key, err)
			}
		}
	}
	if len(keys) != 0 {
		err := c.typed.DeleteMulti(ctx, keys)
		for _, key := range keys {
			failed.Add(key, errorOf(err, key))
		}
	}
	return failed.Err()
}
