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

// A stored is an item of the cache that has been read, or that is to be stored.
type stored[T any] struct {
	value value[T]
	ttl   time.Duration
	token any // of the item that was read; see core.Item
}

// values has the verbs of a core.Typed for values with facts.
type values[T any] struct {
	// get returns the item under key. If it returns core.ErrCodec, the item may have a token.
	get func(ctx context.Context, key string) (stored[T], error)

	// getMulti returns the values of the keys that are present. It returns the error of
	// a multi verb.
	getMulti func(ctx context.Context, keys []string) (map[string]value[T], error)

	// tokens returns the tokens of the keys that are present. It leaves out items without one.
	tokens func(ctx context.Context, keys []string) map[string]any

	// store stores an item on the condition of mode.
	store func(ctx context.Context, mode core.Mode, key string, item stored[T]) error

	// storeMulti is store for many keys. It returns the error of a multi verb.
	storeMulti func(ctx context.Context, mode core.Mode, items map[string]stored[T]) error
}

// valuesOf returns values that are stored in the cache of typed. If facts is set, values with
// facts are stored in an envelope, or as an Enveloped if the codec of typed is core.Shared.
// Values that typed stored are read in any case.
func valuesOf[T any](typed *core.Typed[T], facts bool) (values[T], error) {
	switch {
	case !facts:
		return valuesIn(typed, isShared(typed),
			func(v value[T]) T { return v.Value },
			func(v T) (value[T], error) { return value[T]{Value: v}, nil },
		), nil
	case isShared(typed):
		shared, err := core.NewTyped(typed.Cache(), core.Shared[any]())
		if err != nil {
			return values[T]{}, err
		}
		return valuesIn(shared, true,
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
	return valuesIn(enveloped, false, wrap, unwrap), nil
}

func isShared[T any](typed *core.Typed[T]) bool { return typed.Codec() == core.Shared[T]() }

func hasFacts(f *encoding.Facts) bool {
	return !f.Fresh.IsZero() || f.Took != 0 || f.NotFound || f.Grace != 0 || hasTags(f)
}

func hasTags(f *encoding.Facts) bool {
	for range f.Tags() {
		return true
	}
	return false
}

// valuesIn returns values that are stored in typed, whose codec is core.Shared if shared is
// set. Wrap turns a value into its stored form, and unwrap turns that into a value again.
func valuesIn[T, S any](
	typed *core.Typed[S], shared bool,
	wrap func(value[T]) S, unwrap func(S) (value[T], error),
) values[T] {
	get := func(ctx context.Context, key string) (stored[T], error) {
		item, err := typed.GetItem(ctx, key)
		if err != nil {
			return stored[T]{token: item.Token}, err
		}
		v, err := unwrap(item.Value)
		return stored[T]{value: v, token: item.Token}, err
	}
	store := func(ctx context.Context, mode core.Mode, key string, item stored[T]) error {
		v := wrap(item.value)
		switch mode {
		case core.Add:
			return typed.Add(ctx, key, v, item.ttl)
		case core.Replace:
			return typed.Replace(ctx, key, v, item.ttl)
		case core.CompareAndSwap:
			return typed.CompareAndSwap(ctx, core.TypedItem[S]{
				Key: key, Value: v, TTL: item.ttl, Token: item.token,
			})
		}
		return typed.Set(ctx, key, v, item.ttl)
	}
	vs := values[T]{get: get, store: store}
	vs.getMulti = func(ctx context.Context, keys []string) (map[string]value[T], error) {
		found, err := typed.GetMulti(ctx, keys)
		unwrapped := make(map[string]value[T], len(found))
		var failed core.MultiError
		for key, v := range found {
			v, unwrapErr := unwrap(v)
			if unwrapErr != nil {
				failed.Add(key, unwrapErr)
				continue
			}
			unwrapped[key] = v
		}
		return unwrapped, errors.Join(err, failed.Err())
	}
	if shared { // a backend has no multi verbs for shared values
		vs.tokens = func(ctx context.Context, keys []string) map[string]any {
			tokens := make(map[string]any, len(keys))
			for _, key := range keys {
				if item, _ := typed.GetItem(ctx, key); item.Token != nil {
					tokens[key] = item.Token
				}
			}
			return tokens
		}
		vs.storeMulti = func(
			ctx context.Context, mode core.Mode, items map[string]stored[T],
		) error {
			failed := core.MultiError{Total: len(items)}
			for key, item := range items {
				err := store(ctx, mode, key, item)
				if errors.Is(err, core.ErrClosed) {
					return err
				}
				var single *core.Error
				if errors.As(err, &single) { // a MultiError has the causes
					failed.Driver, err = single.Driver, single.Err
				}
				failed.Add(key, err)
			}
			return multiError(failed, nil, mode)
		}
		return vs
	}
	vs.tokens = func(ctx context.Context, keys []string) map[string]any {
		items, _ := typed.Cache().GetItems(ctx, keys)
		tokens := make(map[string]any, len(items))
		for key, item := range items {
			tokens[key] = item.Token
		}
		return tokens
	}
	vs.storeMulti = func(ctx context.Context, mode core.Mode, all map[string]stored[T]) error {
		failed := core.MultiError{Total: len(all)}
		items := make([]core.Item, 0, len(all))
		for key, s := range all {
			item, err := typed.Encode(key, wrap(s.value))
			if err != nil {
				failed.Add(key, err)
				continue
			}
			item.TTL, item.Token = s.ttl, s.token
			items = append(items, item)
		}
		return multiError(failed, typed.Cache().StoreMulti(ctx, mode, items), mode)
	}
	return vs
}

// multiError returns the error of a multi verb in which the keys in failed and those in err
// failed. If err is no *core.MultiError, it is the error of the whole verb.
func multiError(failed core.MultiError, err error, mode core.Mode) error {
	multi, _ := err.(*core.MultiError)
	if len(failed.Errors) == 0 || err != nil && multi == nil {
		return err
	}
	if multi != nil {
		failed.Driver = multi.Driver
		for key, err := range multi.Errors {
			failed.Add(key, err)
		}
	}
	failed.Verb = mode.String() + "Multi"
	return failed.Err()
}
