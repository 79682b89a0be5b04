package core

import (
	"context"
	"fmt"
	"reflect"
)

// The verbs of a Typed with the codec Shared.

func (t *Typed[T]) loadShared(ctx context.Context, key string) (TypedItem[T], error) {
	c := t.cache
	if err := c.admitKey(ctx, key); err != nil {
		return TypedItem[T]{}, err
	}
	value, token, err := t.shared.GetShared(ctx, c.full(key))
	if err != nil {
		return TypedItem[T]{}, err
	}
	v, ok := value.(T)
	// A nil of an interface type is stored as a nil any, which no assertion accepts.
	if want := reflect.TypeFor[T](); !ok && (value != nil || want.Kind() != reflect.Interface) {
		return TypedItem[T]{Key: key, Token: token},
			fmt.Errorf("%w: the value is a %T, want %v", ErrCodec, value, want)
	}
	return TypedItem[T]{Key: key, Value: v, Token: token}, nil
}

func (t *Typed[T]) loadMultiShared(cl *call, keys []string) (map[string]T, MultiError, error) {
	if err := t.cache.admitMulti(); err != nil {
		return map[string]T{}, MultiError{}, err
	}
	var failed MultiError
	full := t.cache.fullKeys(cl.ctx, keys, &failed)
	values, misses := make(map[string]T, len(full)), 0
	for _, key := range full {
		key = t.cache.own(key)
		switch item, err := t.loadShared(cl.ctx, key); {
		case err == nil:
			values[key] = item.Value
		case isMiss(err):
			misses++
		default:
			failed.Add(key, err)
		}
	}
	cl.read(len(values), misses)
	return values, failed, nil
}

func (t *Typed[T]) storeShared(ctx context.Context, mode Mode, item TypedItem[T]) error {
	c := t.cache
	if err := c.admitKey(ctx, item.Key); err != nil {
		return err
	}
	full := Item{Key: item.Key, TTL: item.TTL, Token: item.Token}
	if err := c.admitItem(mode, &full); err != nil {
		return err
	}
	return t.shared.StoreShared(ctx, mode, full, item.Value)
}
