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

// GetOrSetMulti answers a value for each of args: those that are in c under the keys
// which key makes, and for the others what load loads, which is stored by SetMulti. Load
// is asked once, for all that are missing and that nobody else in this process loads
// already. Those for which it has no value are not in the answer.
//
// What could be had is answered beside an error. In all else it is Cached.GetOrSet.
func GetOrSetMulti[A comparable, T any](ctx context.Context, c *Cached[T], args []A, key func(A) string,
	load func(ctx context.Context, args []A) (map[A]T, error), names ...string) (map[A]T, error) {
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
	answer := make(map[A]T, len(values))
	for arg, k := range keyOf {
		if v, ok := values[k]; ok {
			answer[arg] = v
		}
	}
	return answer, err
}

// A batch is a call of GetOrSetMulti.
type batch[A comparable, T any] struct {
	c     *Cached[T]
	argOf map[string]A // by key
	load  func(ctx context.Context, args []A) (map[A]T, error)
	names []string

	entries map[string]entry[T] // by key: what the cache had
	failed  error               // what it could not tell
}

// storable tells whether the cache could tell that it has no value for fl.
func (b *batch[A, T]) storable(fl *flight[T]) bool {
	err := b.failed
	var multi *core.MultiError
	if errors.As(err, &multi) {
		err = multi.Errors[fl.key]
	}
	return err == nil || errors.Is(err, core.ErrCodec)
}

// get answers the values of keys, which are distinct.
func (b *batch[A, T]) get(ctx context.Context, keys []string) (map[string]T, error) {
	c := b.c
	began := c.flights.ended.Load()
	entries, err := c.lookMulti(ctx, keys)
	_, fatal := c.pardonMulti(ctx, err)
	b.entries, b.failed = entries, err
	values := make(map[string]T, len(keys))
	var missing, dueKeys []string
	for _, key := range keys {
		e := entries[key]
		if !e.served() {
			missing = append(missing, key)
			continue
		}
		c.served(e.outcome(), 1)
		if e.err == nil {
			values[key] = e.value
		}
		if e.state == due {
			dueKeys = append(dueKeys, key)
		}
	}
	if len(dueKeys) != 0 {
		c.flights.refresh(ctx, dueKeys, func(ctx context.Context, mine []*flight[T], _ bool) {
			if err := b.make(ctx, b.stillMissing(ctx, mine, entries)); err != nil {
				c.opts.OnError(ctx, err)
			}
		})
	}
	if fatal != nil {
		return values, fatal
	}
	var errs []error
	start := time.Now()
	for len(missing) != 0 {
		joined, err := c.flights.join(ctx, missing, began, func(ctx context.Context, mine []*flight[T], ended bool) {
			if ended && b.failed == nil {
				mine = b.stillMissing(ctx, mine, nil)
			}
			_ = b.make(ctx, mine) // it is in each flight
		})
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
	return values, errs[0] // a load's error is the same for all its keys
}

// stillMissing answers those of mine whose value is not in the cache by now, or is still
// that of old, and gives the others theirs.
func (b *batch[A, T]) stillMissing(ctx context.Context, mine []*flight[T], old map[string]entry[T]) []*flight[T] {
	keys := make([]string, len(mine))
	for i, fl := range mine {
		keys[i] = fl.key
	}
	entries, _ := b.c.lookMulti(ctx, keys) // what cannot be read is loaded
	var missing []*flight[T]
	for _, fl := range mine {
		if e := entries[fl.key]; e.served() && (old == nil || e.until.After(old[fl.key].until)) {
			fl.value, fl.err = e.value, e.err
		} else {
			missing = append(missing, fl)
		}
	}
	return missing
}

// make loads values for mine, stores those of which the cache could tell that it has none,
// and leaves them there. It answers what went wrong with all.
func (b *batch[A, T]) make(ctx context.Context, mine []*flight[T]) error {
	if len(mine) == 0 {
		return nil
	}
	c := b.c
	fail := func(err error) error {
		for _, fl := range mine {
			fl.err = err
		}
		return err
	}
	var facts encoding.Facts
	storable := slices.ContainsFunc(mine, b.storable)
	if storable {
		var err error
		facts, err = c.before(ctx, b.names)
		storable = err == nil // without its tags a value would never be stale
		if _, err := c.pardon(ctx, err); err != nil {
			return fail(err)
		}
	}
	args := make([]A, len(mine))
	for i, fl := range mine {
		args[i] = b.argOf[fl.key]
		fl.loaded = true
	}
	start := time.Now()
	loaded, err := guard(func() (map[A]T, error) { return b.load(ctx, args) })
	took := time.Since(start)
	c.loaded(len(mine), took, err)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return fail(err)
	}
	found, none := map[string]value[T]{}, map[string]value[T]{}
	for i, fl := range mine {
		v, ok := loaded[args[i]]
		if fl.value, fl.err = v, nil; !ok {
			fl.err = ErrNotFound
		}
		switch {
		case !storable || !b.storable(fl) || !c.flights.mayStore(fl):
		case ok:
			found[fl.key] = c.wrap(v, facts, took)
		default:
			none[fl.key] = notFound[T](facts)
		}
	}
	ctx, cancel := c.detach(ctx)
	defer cancel()
	err = func() error {
		defer func() { // also if the codec panics; and before OnError, which may write
			for key := range found {
				c.flights.stored(key)
			}
			for key := range none {
				c.flights.stored(key)
			}
		}()
		return errors.Join(b.keep(ctx, found, c.storeTTL()), b.keepNotFound(ctx, none))
	}()
	if _, err := c.pardonMulti(ctx, err); err != nil {
		return fail(err)
	}
	return nil
}

func (b *batch[A, T]) keep(ctx context.Context, all map[string]value[T], ttl time.Duration) error {
	if len(all) == 0 {
		return nil
	}
	err := b.c.values.storeMulti(ctx, core.Set, all, ttl)
	return errors.Join(err, b.c.wire(ctx, without(slices.Collect(maps.Keys(all)), err), b.names))
}

func (b *batch[A, T]) keepNotFound(ctx context.Context, all map[string]value[T]) error {
	c := b.c
	switch {
	case len(all) == 0:
		return nil
	case c.opts.NegativeTTL != 0:
		return b.keep(ctx, all, c.opts.NegativeTTL)
	}
	// What there is of before would be served again.
	var old []string
	for key := range all {
		if b.entries[key].over {
			old = append(old, key)
		}
	}
	return c.typed.DeleteMulti(ctx, old)
}

// pardonMulti is pardon for the error of a multi verb, in which a key's mistake is the
// caller's, too.
func (c *Cached[T]) pardonMulti(ctx context.Context, err error) (down bool, fatal error) {
	var multi *core.MultiError
	if errors.As(err, &multi) {
		for _, err := range multi.Errors {
			if isMistake(err) {
				return false, err
			}
		}
	}
	return c.pardon(ctx, err)
}
