package patterns

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cachewire/cachewire/core"
)

// maxSwaps is how many times Optimistic tries.
const maxSwaps = 100

// Optimistic changes the value under key by compare-and-swap, and returns the new value. It
// reads the value, calls change with it, and stores the result for ttl if no other caller has
// changed the value meanwhile. Otherwise it tries again, so that change may be called several
// times. If the key is absent, change is called with the zero value, and found is false. If
// change returns an error, Optimistic returns it and stores nothing.
//
// No change is lost among callers of Optimistic. This is also true on a cache that compares
// values (Traits.ByValue), because the change depends only on the value. But a caller that
// stores by Set overwrites changes, and the cache can lose values, so do not keep accounts in
// it. Optimistic returns core.ErrConflict if other callers change the value a hundred times
// in a row, and core.ErrConfig if typed or change is nil.
func Optimistic[T any](
	ctx context.Context, typed *core.Typed[T], key string, ttl time.Duration,
	change func(v T, found bool) (T, error),
) (T, error) {
	var zero T
	if typed == nil || change == nil {
		return zero, configErrorf("Optimistic: the core.Typed or the function is nil")
	}
	for range maxSwaps {
		item, err := typed.GetItem(ctx, key)
		found := err == nil
		if err != nil && err != core.ErrMiss {
			return zero, err
		}
		v, err := change(item.Value, found)
		if err != nil {
			return zero, err
		}
		if found {
			item.Value, item.TTL = v, ttl
			err = typed.CompareAndSwap(ctx, item)
		} else {
			err = typed.Add(ctx, key, v, ttl)
		}
		switch {
		case err == nil:
			return v, nil
		case !errors.Is(err, core.ErrConflict) &&
			!errors.Is(err, core.ErrMiss) &&
			!errors.Is(err, core.ErrExists):
			return zero, err
		}
	}
	return zero, fmt.Errorf("%w: patterns: the value under %q changed %d times in a row",
		core.ErrConflict, key, maxSwaps)
}
