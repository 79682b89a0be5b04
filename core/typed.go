package core

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A Typed is a Cache of values of type T. Its verbs are those of Cache, with values
// in the place of bytes; [Typed.Cache] has the others. It may be used by many
// goroutines at once.
//
// A verb returns ErrCodec if a value cannot be encoded, or if the bytes in the cache
// cannot be decoded; a multi verb returns it for that key only. A program that loads
// what the cache does not have may treat ErrCodec of a read as it treats ErrMiss: the
// value that it then stores replaces the bytes that could not be decoded.
type Typed[T any] struct {
	cache  *Cache
	codec  Codec[T]
	shared SharedStorer // nil unless codec is Shared
}

// A TypedItem is a value with what CompareAndSwap needs. The fields mean what those of Item
// mean.
type TypedItem[T any] struct {
	Key   string
	Value T
	TTL   time.Duration
	Token any
}

// NewTyped returns c as a cache of T, encoded by codec. There is nothing to close but
// c. The error is ErrConfig if c or codec is nil, or if codec was made with wrong
// arguments; it is ErrConfig and errors.ErrUnsupported if the backend lacks what codec
// needs. See Shared and CodecChecker.
func NewTyped[T any](c *Cache, codec Codec[T]) (*Typed[T], error) {
	switch {
	case c == nil:
		return nil, fmt.Errorf("%w: NewTyped: the cache is nil; core.Open returns one", ErrConfig)
	case codec == nil:
		return nil, fmt.Errorf(
			"%w: NewTyped: the codec is nil; want one like encoding.JSON[T]()",
			ErrConfig,
		)
	}
	t := &Typed[T]{cache: c, codec: codec}
	switch codec := codec.(type) {
	case sharedCodec[T]:
		if t.shared = c.shared.sharedStorer; t.shared == nil {
			return nil, fmt.Errorf("%w: %w: the backend (%s) keeps bytes only; core.Shared "+
				"needs one that keeps Go values, such as memory", ErrConfig, errors.ErrUnsupported, c.shared.driver)
		}
	case CodecChecker:
		if err := codec.Check(c.shared.traits); err != nil {
			if !errors.Is(err, ErrConfig) {
				err = fmt.Errorf("%w: %w", ErrConfig, err)
			}
			return nil, err
		}
	}
	return t, nil
}

// Cache returns the Cache underneath.
func (t *Typed[T]) Cache() *Cache { return t.cache }

// Codec returns the codec of the values.
func (t *Typed[T]) Codec() Codec[T] { return t.codec }

// Get returns the value under key. It returns ErrMiss if the key is absent.
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

// GetMulti returns the values of the keys that are present, as Cache.GetMulti does.
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
			cl.undecoded()
			continue
		}
		values[item.Key] = v
	}
	return values, cl.endMulti(failed, len(keys), err)
}

// Set stores v under key. It replaces any item that is there.
func (t *Typed[T]) Set(ctx context.Context, key string, v T, ttl time.Duration) error {
	return t.store(ctx, "Set", Set, TypedItem[T]{Key: key, Value: v, TTL: ttl})
}

// SetMulti stores every value of values, as Cache.SetMulti does.
func (t *Typed[T]) SetMulti(ctx context.Context, values map[string]T, ttl time.Duration) error {
	return t.storeMulti(ctx, "SetMulti", Set, values, ttl)
}

// Add stores v under key if the key is absent. Otherwise it returns ErrExists.
func (t *Typed[T]) Add(ctx context.Context, key string, v T, ttl time.Duration) error {
	return t.store(ctx, "Add", Add, TypedItem[T]{Key: key, Value: v, TTL: ttl})
}

// AddMulti stores those of values whose key is absent, as Cache.AddMulti does.
func (t *Typed[T]) AddMulti(ctx context.Context, values map[string]T, ttl time.Duration) error {
	return t.storeMulti(ctx, "AddMulti", Add, values, ttl)
}

// Replace stores v under key if the key is present. Otherwise it returns ErrMiss.
func (t *Typed[T]) Replace(ctx context.Context, key string, v T, ttl time.Duration) error {
	return t.store(ctx, "Replace", Replace, TypedItem[T]{Key: key, Value: v, TTL: ttl})
}

// ReplaceMulti stores those of values whose key is present, as
// Cache.ReplaceMulti does.
func (t *Typed[T]) ReplaceMulti(ctx context.Context, values map[string]T, ttl time.Duration) error {
	return t.storeMulti(ctx, "ReplaceMulti", Replace, values, ttl)
}

// CompareAndSwap stores item if the item under its key has not changed since GetItem
// returned item.Token, as Cache.CompareAndSwap does. The item lives for item.TTL, which
// GetItem leaves 0, the default.
func (t *Typed[T]) CompareAndSwap(ctx context.Context, item TypedItem[T]) error {
	return t.store(ctx, "CompareAndSwap", CompareAndSwap, item)
}

// CompareAndDelete deletes the item if it has not changed since GetItem returned
// item.Token, as Cache.CompareAndDelete does.
func (t *Typed[T]) CompareAndDelete(ctx context.Context, item TypedItem[T]) error {
	return t.cache.CompareAndDelete(ctx, Item{Key: item.Key, Token: item.Token})
}

// Delete deletes the item under key. It returns ErrMiss if the key is absent.
func (t *Typed[T]) Delete(ctx context.Context, key string) error { return t.cache.Delete(ctx, key) }

// DeleteMulti deletes the items under keys. An absent key is not an error.
func (t *Typed[T]) DeleteMulti(ctx context.Context, keys []string) error {
	return t.cache.DeleteMulti(ctx, keys)
}

// Incr adds delta to the counter under key, as Cache.Incr does. A counter is a value of
// decimal digits, whatever T is; codecs of integers such as encoding.Int write them.
func (t *Typed[T]) Incr(ctx context.Context, key string, delta uint64) (uint64, error) {
	return t.cache.Incr(ctx, key, delta)
}

// Decr subtracts delta from the counter under key, as Cache.Decr does.
func (t *Typed[T]) Decr(ctx context.Context, key string, delta uint64) (uint64, error) {
	return t.cache.Decr(ctx, key, delta)
}

// IncrFrom is Incr for a counter that may be absent, as Cache.IncrFrom is.
func (t *Typed[T]) IncrFrom(
	ctx context.Context,
	key string,
	delta, initial uint64,
	ttl time.Duration,
) (uint64, error) {
	return t.cache.IncrFrom(ctx, key, delta, initial, ttl)
}

// DecrFrom is Decr for a counter that may be absent, as Cache.DecrFrom is.
func (t *Typed[T]) DecrFrom(
	ctx context.Context,
	key string,
	delta, initial uint64,
	ttl time.Duration,
) (uint64, error) {
	return t.cache.DecrFrom(ctx, key, delta, initial, ttl)
}

// Touch gives the item under key a new time to live, as Cache.Touch does.
func (t *Typed[T]) Touch(ctx context.Context, key string, ttl time.Duration) error {
	return t.cache.Touch(ctx, key, ttl)
}

// Exists reports whether key is present. It does not check whether the value can be decoded.
func (t *Typed[T]) Exists(ctx context.Context, key string) (bool, error) {
	return t.cache.Exists(ctx, key)
}

// TTL returns how long the item under key has left to live, as Cache.TTL does.
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
	if err := t.cache.admitKey(cl.ctx, item.Key); err != nil { // before encoding
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

func (t *Typed[T]) storeMulti(
	ctx context.Context,
	verb string,
	mode Mode,
	values map[string]T,
	ttl time.Duration,
) error {
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
			item := TypedItem[T]{Key: key, Value: v, TTL: ttl}
			if err := t.storeShared(cl.ctx, mode, item); err != nil {
				failed.Add(key, err)
			}
		}
	default:
		buf := buffers.Get().(*[]byte)
		items, used := t.encodeAll((*buf)[:0], values, ttl, &failed)
		cl.carry(items)
		c.storeItems(cl.ctx, mode, items, nil, &failed)
		putBuffer(buf, used)
	}
	return cl.endMulti(failed, len(values), err)
}

// encodeAll appends the encoded values to all, one after another, and returns their items
// and how long they are together. It adds the values that cannot be encoded to failed.
func (t *Typed[T]) encodeAll(
	all []byte,
	values map[string]T,
	ttl time.Duration,
	failed *MultiError,
) (_ []Item, used int) {
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
	for i, end := range ends { // only now, because appending may have moved all
		items[i].Value = all[start:end:end]
		start = end
	}
	return items, len(all)
}
