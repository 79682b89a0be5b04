package lockout

import (
	"context"
	"errors"
	"slices"

	"github.com/cachewire/cachewire/core"
)

// found is what one read of the cache returned.
type found struct {
	one  core.Item            // if there was one key, or the one that item has returned last
	many map[string]core.Item // if there were several
	err  error                // the error of the read; a miss is none
	miss bool                 // whether there was one key, and it is absent
}

// read reads keys in one round trip. No keys cost none.
func read(ctx context.Context, cache *core.Cache, keys []string) (f found) {
	switch len(keys) {
	case 0:
	case 1: // GetItem costs less than GetItems
		if f.one, f.err = cache.GetItem(ctx, keys[0]); f.err == core.ErrMiss {
			f.miss, f.err = true, nil
		}
	default: // a clone, so that keys need not be on the heap
		f.many, f.err = cache.GetItems(ctx, slices.Clone(keys))
	}
	return f
}

// item returns the item under key, which was one of the keys, until it is called again. If
// the item is absent, it returns core.ErrMiss, and if it could not be read, the reason; then
// the item is zero.
func (f *found) item(key string) (*core.Item, error) {
	if f.many == nil {
		if f.miss {
			return &f.one, core.ErrMiss
		}
		return &f.one, f.err
	}
	var ok bool
	if f.one, ok = f.many[key]; ok {
		return &f.one, nil
	}
	return &f.one, f.reason(key)
}

// reason returns why key is not among f.many.
func (f *found) reason(key string) error {
	var multi *core.MultiError
	switch {
	case f.err == nil:
		return core.ErrMiss
	case !errors.As(f.err, &multi):
		return f.err
	case multi.Errors[key] == nil:
		return core.ErrMiss
	}
	return multi.Errors[key]
}
