package lockout

import (
	"context"
	"errors"
	"slices"

	"github.com/cachewire/cachewire/core"
)

// found is what one read of the cache returned.
type found struct {
	one  core.Item            // the item of a single key, or the last one that item returned
	many map[string]core.Item // if there were several
	err  error                // the error of the read; a miss is not an error
	miss bool                 // whether a single key was read and is absent
}

// read reads keys in one round trip. No keys cost none.
func read(ctx context.Context, cache *core.Cache, keys []string) (f found) {
	switch len(keys) {
	case 0:
	case 1: // GetItem costs less than GetItems
		if f.one, f.err = cache.GetItem(ctx, keys[0]); f.err == core.ErrMiss {
			f.miss, f.err = true, nil
		}
	default: // the clone lets keys stay on the stack
		f.many, f.err = cache.GetItems(ctx, slices.Clone(keys))
	}
	return f
}

// item returns the item under key, which must be one of the keys that were read. The item is
// valid until the next call. If it is absent, item returns core.ErrMiss. If it could not be
// read, item returns the reason. In both cases the returned item is zero.
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

// reason returns the error that explains why key is not in f.many.
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
