package patterns

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
)

// A value is what a Cached stores: a T, with or without facts.
type value[T any] = encoding.Enveloped[T]

// values has the verbs of a core.Typed for values with facts.
type values[T any] struct {
	get      func(ctx context.Context, key string) (value[T], error)
	getMulti func(ctx context.Context, keys []string) (map[string]value[T], error)
	store    func(
		ctx context.Context, mode core.Mode, key string, v value[T], ttl time.Duration,
	) error
	storeMulti func(
		ctx context.Context, mode core.Mode, values map[string]value[T], ttl time.Duration,
	) error
}

// valuesOf returns values that are stored in the cache of typed. If facts is set, values with
// facts are stored in an envelope, or as an Enveloped if the codec of typed is core.Shared.
// Values that typed stored are read in any case.
func valuesOf[T any](typed *core.Typed[T], facts bool) (values[T], error) {
	switch {
	case !facts:
		return valuesIn(typed,
			func(v value[T]) T { return v.Value },
			func(v T) (value[T], error) { return value[T]{Value: v}, nil },
		), nil
	case typed.Codec() == core.Shared[T]():
		shared, err := core.NewTyped(typed.Cache(), core.Shared[any]())
		if err != nil {
			return values[T]{}, err
		}
		return valuesIn(shared,
			func(v value[T]) any {
				if hasFacts(&v.Facts) {
					return v
				}
				return v.Value
			},
			func(v any) (value[T], error) {
				switch v := v.(type) {
				case value[T]:
					return v, nil
				case T:
					return value[T]{Value: v}, nil
				}
				want := reflect.TypeFor[T]()
				if v == nil && want.Kind() == reflect.Interface {
					return value[T]{}, nil
				}
				return value[T]{}, fmt.Errorf("%w: patterns: the value is a %T, want %v",
					core.ErrCodec, v, want)
			},
		), nil
	}
	wrap := func(v value[T]) value[T] { return v }
	unwrap := func(v value[T]) (value[T], error) { return v, nil }
	codec := encoding.Envelope(typed.Codec(), typed.Cache().Traits())
	enveloped, err := core.NewTyped(typed.Cache(), codec)
	if err != nil {
		return values[T]{}, err
	}
	return valuesIn(enveloped, wrap, unwrap), nil
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

// valuesIn returns values that are stored in typed. Wrap turns a value into what is stored,
// and unwrap turns that into a value.
func valuesIn[T, S any](
	typed *core.Typed[S], wrap func(value[T]) S, unwrap func(S) (value[T], error),
) values[T] {
	return values[T]{
		get: func(ctx context.Context, key string) (value[T], error) {
			v, err := typed.Get(ctx, key)
			if err != nil {
				return value[T]{}, err
			}
			return unwrap(v)
		},
		getMulti: func(ctx context.Context, keys []string) (map[string]value[T], error) {
			stored, err := typed.GetMulti(ctx, keys)
			unwrapped := make(map[string]value[T], len(stored))
			var failed core.MultiError
			for key, v := range stored {
				v, unwrapErr := unwrap(v)
				if unwrapErr != nil {
					failed.Add(key, unwrapErr)
					continue
				}
				unwrapped[key] = v
			}
			return unwrapped, errors.Join(err, failed.Err())
		},
		store: func(
			ctx context.Context, mode core.Mode, key string, v value[T], ttl time.Duration,
		) error {
			switch mode {
			case core.Add:
				return typed.Add(ctx, key, wrap(v), ttl)
			case core.Replace:
				return typed.Replace(ctx, key, wrap(v), ttl)
			}
			return typed.Set(ctx, key, wrap(v), ttl)
		},
		storeMulti: func(
			ctx context.Context, mode core.Mode, values map[string]value[T], ttl time.Duration,
		) error {
			wrapped := make(map[string]S, len(values))
			for key, v := range values {
				wrapped[key] = wrap(v)
			}
			switch mode {
			case core.Add:
				return typed.AddMulti(ctx, wrapped, ttl)
			case core.Replace:
				return typed.ReplaceMulti(ctx, wrapped, ttl)
			}
			return typed.SetMulti(ctx, wrapped, ttl)
		},
	}
}
