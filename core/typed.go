package core

import (
	"context"
	"time"
)

// A Typed is a Cache of values of type T. Its verbs are those of Cache that make
// sense for values; for the others there is [Typed.Cache]. It may be used by
// many goroutines at once.
//
// A value that cannot be encoded, or bytes that cannot be decoded, are ErrCodec:
// in a multi verb that of their key only. To a program that loads what the cache
// does not have, ErrCodec of a read is as good as ErrMiss: what it then stores
// takes the place of what could not be read.
type Typed[T any] struct {
	cache  *Cache
	codec  Codec[T]
	shared SharedStorer // nil unless codec is Shared, or is refused
}

// A TypedItem is a value with what CompareAndSwap needs; the fields are those of
// Item.
type TypedItem[T any] struct {
	Key   string
	Value T
	TTL   time.Duration
	Token any
}

// NewTyped answers c as a cache of T, encoded by codec; neither may be nil. It has
// nothing to close.
func NewTyped[T any](c *Cache, codec Codec[T]) *Typed[T] {
	t := &Typed[T]{cache: c, codec: codec}
	switch codec := codec.(type) {
	case sharedCodec[T]:
		if t.shared = c.shared.sharedStorer; t.shared == nil {
			t.shared = refusal{errNotShared}
		}
	case FlagsNeeder:
		if codec.NeedsFlags() && c.shared.traits.NoFlags {
			t.shared = refusal{errNoFlags}
		}
	}
	return t
}

// Cache answers the Cache underneath.
func (t *Typed[T]) Cache() *Cache { return t.cache }

// Codec answers the codec of the values.
func (t *Typed[T]) Codec() Codec[T] { return t.codec }

// Get answers the value under key, or ErrMiss.
func (t *Typed[T]) Get(ctx context.Context, key string) (T, error) {
	var cl call
	cl.begin(ctx, t.cache, "Get", key)
	item, err := t.load(cl.ctx, key)
	return item.Value, cl.endRead(key, err)
}

// GetItem is Get with the token for CompareAndSwap and CompareAndDelete.
func (t *Typed[T]) GetItem(ctx context.Context, key string) (TypedItem[T], error) {
	var cl call
	cl.begin(ctx, t.cache, "GetItem", key)
	item, err := t.load(cl.ctx, key)
	return item, cl.endRead(key, err)
}

// GetMulti answers the values of the keys that are present, as Cache.GetMulti
// does.
func (t *Typed[T]) GetMulti(ctx context.Context, keys []string) (map[string]T, error) {
	var cl call
	cl.beginMulti(ctx, t.cache, "GetMulti", keys)
	if t.shared != nil {
		values, failed, err := t.loadMultiShared(&cl, keys)
		return values, cl.endMulti(failed, len(keys), err)
	}
	items, failed, err := t.cache.loadMulti(&cl, keys)
	values := make(map[string]T, len(items))
	for _, item := range items {
		v, err := t.codec.Decode(item.Value, item.Flags)
		if err != nil {
			failed.Add(item.Key, codecError(err))
			cl.spoiled()
			continue
		}
		values[item.Key] = v
	}
	return values, cl.endMulti(failed, len(keys), err)
}

// Set stores v under key, whatever was there.
func (t *Typed[T]) Set(ctx context.Context, key string, v T, ttl time.Duration) error {
	return t.store(ctx, "Set", Set, TypedItem[T]{Key: key, Value: v, TTL: ttl})
}

// SetMulti stores every value of values, as Cache.SetMulti does.
func (t *Typed[T]) SetMulti(ctx context.Context, values map[string]T, ttl time.Duration) error {
	return t.storeMulti(ctx, "SetMulti", Set, values, ttl)
}

// Add stores v under key if the key is absent, else it is ErrExists.
func (t *Typed[T]) Add(ctx context.Context, key string, v T, ttl time.Duration) error {
	return t.store(ctx, "Add", Add, TypedItem[T]{Key: key, Value: v, TTL: ttl})
}

// AddMulti stores those of values whose key is absent, as Cache.AddMulti does.
func (t *Typed[T]) AddMulti(ctx context.Context, values map[string]T, ttl time.Duration) error {
	return t.storeMulti(ctx, "AddMulti", Add, values, ttl)
}

// Replace stores v under key if the key is present, else it is ErrMiss.
func (t *Typed[T]) Replace(ctx context.Context, key string, v T, ttl time.Duration) error {
	return t.store(ctx, "Replace", Replace, TypedItem[T]{Key: key, Value: v, TTL: ttl})
}

// ReplaceMulti stores those of values whose key is present, as
// Cache.ReplaceMulti does.
func (t *Typed[T]) ReplaceMulti(ctx context.Context, values map[string]T, ttl time.Duration) error {
	return t.storeMulti(ctx, "ReplaceMulti", Replace, values, ttl)
}

// CompareAndSwap stores item if nothing changed under its key since GetItem
// answered item.Token, as Cache.CompareAndSwap does. Mind item.TTL, which
// GetItem leaves 0, for ever.
func (t *Typed[T]) CompareAndSwap(ctx context.Context, item TypedItem[T]) error {
	return t.store(ctx, "CompareAndSwap", CompareAndSwap, item)
}

// CompareAndDelete deletes the item if nothing changed under its key since
// GetItem answered item.Token, as Cache.CompareAndDelete does.
func (t *Typed[T]) CompareAndDelete(ctx context.Context, item TypedItem[T]) error {
	return t.cache.CompareAndDelete(ctx, Item{Key: item.Key, Token: item.Token})
}

// Delete deletes the item under key, or is ErrMiss.
func (t *Typed[T]) Delete(ctx context.Context, key string) error { return t.cache.Delete(ctx, key) }

// DeleteMulti deletes keys. That one of them is absent is no error.
func (t *Typed[T]) DeleteMulti(ctx context.Context, keys []string) error {
	return t.cache.DeleteMulti(ctx, keys)
}

// Touch gives the item under key a new time to live, or is ErrMiss.
func (t *Typed[T]) Touch(ctx context.Context, key string, ttl time.Duration) error {
	return t.cache.Touch(ctx, key, ttl)
}

// Exists tells whether key is present. Whether its value can be decoded it does
// not look at.
func (t *Typed[T]) Exists(ctx context.Context, key string) (bool, error) {
	return t.cache.Exists(ctx, key)
}

// TTL answers how long the item under key has to live, as Cache.TTL does.
func (t *Typed[T]) TTL(ctx context.Context, key string) (time.Duration, error) {
	return t.cache.TTL(ctx, key)
}

func (t *Typed[T]) load(ctx context.Context, key string) (TypedItem[T], error) {
	if t.shared != nil {
		return t.loadShared(ctx, key)
	}
	var item Item
	if err := t.cache.load(ctx, key, &item); err != nil {
		return TypedItem[T]{}, err
	}
	v, err := t.codec.Decode(item.Value, item.Flags)
	if err != nil {
		return TypedItem[T]{}, codecError(err)
	}
	return TypedItem[T]{Key: key, Value: v, Token: item.Token}, nil
}

func (t *Typed[T]) store(ctx context.Context, verb string, mode Mode, item TypedItem[T]) error {
	var cl call
	cl.begin(ctx, t.cache, verb, item.Key)
	if t.shared != nil {
		return cl.end(item.Key, t.storeShared(cl.ctx, mode, item))
	}
	if err := t.cache.admitKey(cl.ctx, item.Key); err != nil { // nothing to encode for
		return cl.end(item.Key, err)
	}
	buf := buffers.Get().(*[]byte)
	data, flags, err := t.codec.Append((*buf)[:0], item.Value)
	if err != nil {
		err = codecError(err)
	} else {
		err = t.cache.store(cl.ctx, mode, &Item{
			Key: item.Key, Value: data, Flags: flags, TTL: item.TTL, Token: item.Token,
		})
	}
	putBuffer(buf, len(data))
	return cl.end(item.Key, err)
}

func (t *Typed[T]) storeMulti(ctx context.Context, verb string, mode Mode, values map[string]T, ttl time.Duration) error {
	c := t.cache
	var keys []string
	if c.hooks != nil {
		for key := range values {
			keys = append(keys, key)
		}
	}
	var cl call
	cl.beginMulti(ctx, c, verb, keys)
	var failed MultiError
	err := c.admitMulti()
	switch {
	case err != nil:
	case t.shared != nil:
		for key, v := range values {
			if err := t.storeShared(cl.ctx, mode, TypedItem[T]{Key: key, Value: v, TTL: ttl}); err != nil {
				failed.Add(key, err)
			}
		}
	default:
		buf := buffers.Get().(*[]byte)
		items, used := t.encodeAll((*buf)[:0], values, ttl, &failed)
		c.storeItems(cl.ctx, mode, items, nil, &failed)
		putBuffer(buf, used)
	}
	return cl.endMulti(failed, len(values), err)
}

// encodeAll encodes values one behind the other in all, and answers how long they
// are together. Those that will not be encoded it adds to failed.
func (t *Typed[T]) encodeAll(all []byte, values map[string]T, ttl time.Duration, failed *MultiError) (_ []Item, used int) {
	items := make([]Item, 0, len(values))
	ends := make([]int, 0, len(values))
	for key, v := range values {
		data, flags, err := t.codec.Append(all, v)
		if err == nil && len(data) < len(all) {
			err = errNotAppended
		}
		if err != nil {
			failed.Add(key, codecError(err))
			continue
		}
		all = data
		items = append(items, Item{Key: key, Flags: flags, TTL: ttl})
		ends = append(ends, len(all))
	}
	start := 0
	for i, end := range ends { // only now does all stay where it is
		items[i].Value = all[start:end:end]
		start = end
	}
	return items, len(all)
}
