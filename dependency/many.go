package dependency

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/cachewire/cachewire/core"
)

const (
	// maxChunk is how many keys one call of the cache is given, which may have a
	// time-out.
	maxChunk = 10_000

	// maxParallel is how many calls are made side by side.
	maxParallel = 32
)

func (d *Dependency) getItems(ctx context.Context, keys []string) (map[string]core.Item, error) {
	all := make(map[string]core.Item, len(keys))
	err := chunked(keys, func(key string) string { return key }, func(some []string) error {
		items, err := d.cache.GetItems(ctx, some)
		maps.Copy(all, items)
		return err
	})
	return all, err
}

func (d *Dependency) storeMulti(ctx context.Context, mode core.Mode, items []core.Item) error {
	return chunked(items, func(item core.Item) string { return item.Key }, func(some []core.Item) error {
		return d.cache.StoreMulti(ctx, mode, some)
	})
}

// chunked has do, a multi verb, done for all, so many at a time.
func chunked[E any](all []E, key func(E) string, do func(some []E) error) error {
	if len(all) <= maxChunk {
		return do(all)
	}
	var failed core.MultiError
	for some := range slices.Chunk(all, maxChunk) {
		if err := do(some); err != nil {
			for _, e := range some {
				failed.Add(key(e), errorOf(err, key(e)))
			}
		}
	}
	return failed.Err()
}

// each calls do for each of all, some at a time, and joins the errors.
func each[E any](all []E, do func(i int, e E) error) error {
	if len(all) == 1 {
		return do(0, all[0])
	}
	errs := make([]error, len(all))
	slots := make(chan struct{}, maxParallel)
	var running sync.WaitGroup
	for i, e := range all {
		slots <- struct{}{}
		running.Go(func() {
			errs[i] = do(i, e)
			<-slots
		})
	}
	running.Wait()
	return errors.Join(errs...)
}
