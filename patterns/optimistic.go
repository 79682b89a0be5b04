package patterns

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cachewire/cachewire/core"
)

// maxSwaps is how often Optimistic tries.
const maxSwaps = 100

// Optimistic changes the value under key by compare-and-swap, and answers the new one:
// it reads the value, has change make another of it, and stores that for ttl if nobody
// changed the value meanwhile; else it begins again. Where there is no value, found is
// false. An error of change ends it, and nothing is stored.
//
// No change is lost of those who go this way. Somebody who stores by Set is not
// stopped, and the cache can lose what it has: do not keep accounts in it. If others
// change the value a hundred times in between it gives up with core.ErrConflict.
func Optimistic[T any](ctx context.Context, typed *core.Typed[T], key string, ttl time.Duration, change func(v T, found bool) (T, error)) (T, error) {
	var none T
	if typed == nil || change == nil {
		return none, configErrorf("Optimistic: the core.Typed or the function is nil")
	}
	for range maxSwaps {
		item, err := typed.GetItem(ctx, key)
		found := err == nil
		if err != nil && err != core.ErrMiss {
			return none, err
		}
		v, err := change(item.Value, found)
		if err != nil {
			return none, err
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
		case !errors.Is(err, core.ErrConflict) && !errors.Is(err, core.ErrMiss) && !errors.Is(err, core.ErrExists):
			return none, err
		}
	}
	return none, fmt.Errorf("%w: patterns: %q, %d times in a row", core.ErrConflict, key, maxSwaps)
}
