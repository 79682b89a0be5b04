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
	// maxChunk is the largest number of keys in one call of the cache. A call may have a
	// time-out, and more keys could take too long.
	maxChunk = 10_000

	// maxParallel is how many calls are made at once.
	maxParallel = 32
)

func (d *Dependency) getItems(
	ctx context.Context, keys []string,
) (map[string]core.Item, error) {
	all := make(map[string]core.Item, len(keys))
	err := inChunks(keys, identity, func(chunk []string) error {
		items, err := d.cache.GetItems(ctx, chunk)
		maps.Copy(all, items)
		return err
	})
	return all, err
}

func (d *Dependency) storeMulti(ctx context.Context, mode core.Mode, items []core.Item) error {
	key := func(item core.Item) string { return item.Key }
	return inChunks(items, key, func(chunk []core.Item) error {
		return d.cache.StoreMulti(ctx, mode, chunk)
	})
}

// identity is the function that inChunks needs for keys.
func identity(key string) string { return key }

// inChunks calls do, a multi verb, with all elements, up to maxChunk at a time. The function
// key returns the key of an element.
func inChunks[E any](all []E, key func(E) string, do func(chunk []E) error) error {
	if len(all) <= maxChunk {
		return do(all)
	}
	var failed core.MultiError
	for chunk := range slices.Chunk(all, maxChunk) {
		if err := do(chunk); err != nil {
			for _, e := range chunk {
				failed.Add(key(e), errorFor(key(e), err))
			}
		}
	}
	return failed.Err()
}

// each calls do with each element of all, up to maxParallel at once, and joins the errors.
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
