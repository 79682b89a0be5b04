package patterns

import (
	"context"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
)

// A value is what a Cached stores: a T, and perhaps facts beside it.
type value[T any] = encoding.Enveloped[T]

// values are the verbs of a core.Typed for values with facts.
type values[T any] interface {
	get(ctx context.Context, key string) (value[T], error)
	getMulti(ctx context.Context, keys []string) (map[string]value[T], error)
	store(ctx context.Context, mode core.Mode, key string, v value[T], ttl time.Duration) error
	storeMulti(ctx context.Context, mode core.Mode, all map[string]value[T], ttl time.Duration) error
}

// valuesOf answers values in the cache of typed. With facts they are stored in an
// envelope, or where typed keeps Go values as they are, as an Enveloped; what typed
// stored is read in any case.
func valuesOf[T any](typed *core.Typed[T], facts bool) values[T] {
	switch {
	case !facts:
		return view[T, T]{
			typed:  typed,
			wrap:   func(v value[T]) T { return v.Value },
			unwrap: func(v T) value[T] { return value[T]{Value: v} },
		}
	case typed.Codec() == core.Shared[T]():
		return view[T, any]{
			typed: core.NewTyped(typed.Cache(), core.Shared[any]()),
			wrap: func(v value[T]) any {
				if hasFacts(&v.Facts) {
					return v
				}
				return v.Value
			},
			unwrap: func(v any) value[T] {
				if v, ok := v.(value[T]); ok {
					return v
				}
				plain, _ := v.(T)
				return value[T]{Value: plain}
			},
		}
	}
	same := func(v value[T]) value[T] { return v }
	codec := encoding.Envelope(typed.Codec(), typed.Cache().Traits())
	return view[T, value[T]]{typed: core.NewTyped(typed.Cache(), codec), wrap: same, unwrap: same}
}

func hasFacts(f *encoding.Facts) bool {
	return !f.Fresh.IsZero() || f.Took != 0 || f.NotFound || hasTags(f)
}

func hasTags(f *encoding.Facts) bool {
	for range f.Tags() {
		return true
	}
	return false
}

// A view is a core.Typed of S, in which values of T are stored.
type view[T, S any] struct {
	typed  *core.Typed[S]
	wrap   func(value[T]) S
	unwrap func(S) value[T]
}

func (w view[T, S]) get(ctx context.Context, key string) (value[T], error) {
	v, err := w.typed.Get(ctx, key)
	if err != nil {
		return value[T]{}, err
	}
	return w.unwrap(v), nil
}

func (w view[T, S]) getMulti(ctx context.Context, keys []string) (map[string]value[T], error) {
	all, err := w.typed.GetMulti(ctx, keys)
	unwrapped := make(map[string]value[T], len(all))
	for key, v := range all {
		unwrapped[key] = w.unwrap(v)
	}
	return unwrapped, err
}

func (w view[T, S]) store(ctx context.Context, mode core.Mode, key string, v value[T], ttl time.Duration) error {
	switch mode {
	case core.Add:
		return w.typed.Add(ctx, key, w.wrap(v), ttl)
	case core.Replace:
		return w.typed.Replace(ctx, key, w.wrap(v), ttl)
	}
	return w.typed.Set(ctx, key, w.wrap(v), ttl)
}

func (w view[T, S]) storeMulti(ctx context.Context, mode core.Mode, all map[string]value[T], ttl time.Duration) error {
	wrapped := make(map[string]S, len(all))
	for key, v := range all {
		wrapped[key] = w.wrap(v)
	}
	switch mode {
	case core.Add:
		return w.typed.AddMulti(ctx, wrapped, ttl)
	case core.Replace:
		return w.typed.ReplaceMulti(ctx, wrapped, ttl)
	}
	return w.typed.SetMulti(ctx, wrapped, ttl)
}
