package core

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A Typed is a cache of values of type T. Its verbs are like those of Cache, with values of
// type T instead of bytes. For verbs that Typed lacks, use [Typed.Cache]. A Typed may be
// used by many goroutines at once.
//
// A verb returns ErrCodec if a value cannot be encoded, or if the bytes in the cache cannot
// be decoded; a multi verb returns it for that key only. If a read returns ErrCodec, a
// program may handle it like ErrMiss: load the value and store it. This replaces the bytes
// that could not be decoded.
type Typed[T any] struct {
	cache  *Cache
	codec  Codec[T]
	keyed  KeyedCodec[T] // codec, or nil if it is not a KeyedCodec
	shared SharedStorer  // nil unless codec is Shared
}

// A TypedItem is a value with the key, time to live and token that CompareAndSwap needs.
// The fields have the same meaning as those of Item.
type TypedItem[T any] struct {
	Key   string
	Value T
	TTL   time.Duration
	Token any
}

// NewTyped returns a Typed that encodes values with codec and stores them in c. The Typed
// needs no Close; close c instead. NewTyped returns ErrConfig if c or codec is nil, or if
// codec was made with wrong arguments. If the backend does not support codec, the error is
// both ErrConfig and errors.ErrUnsupported. See Shared and CodecChecker.
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
	t.keyed, _ = codec.(KeyedCodec[T])
	switch codec := codec.(type) {
	case sharedCodec[T]:
		if t.shared = c.shared.sharedStorer; t.shared == nil {
			return nil, fmt.Errorf("%w: %w: the backend (%s) keeps bytes only; core.Shared "+
				"needs one that keeps Go values, such as memory",
				ErrConfig, errors.ErrUnsupported, c.shared.driver)
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

// GetItem is Get with the token for CompareAndSwap and CompareAndDelete. If it returns
// ErrCodec, the item has no value but its key and its token, unless it holds bytes and the
// codec is Shared: so a program can replace what it cannot decode.
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
		v, err := t.decode(&item)
		if err != nil {
			failed.Add(item.Key, codecError(err))
			cl.undecoded()
			continue
		}
		values[item.Key] = v
	}
	return values, cl.endMulti(failed, len(keys), err)
}

// Set stores v under key. It replaces any item under key.
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

// AddMulti stores the values whose keys are absent, as Cache.AddMulti does.
func (t *Typed[T]) AddMulti(ctx context.Context, values map[string]T, ttl time.Duration) error {
	return t.storeMulti(ctx, "AddMulti", Add, values, ttl)
}

// Replace stores v under key if the key is present. Otherwise it returns ErrMiss.
func (t *Typed[T]) Replace(ctx context.Context, key string, v T, ttl time.Duration) error {
	return t.store(ctx, "Replace", Replace, TypedItem[T]{Key: key, Value: v, TTL: ttl})
}

// ReplaceMulti stores the values whose keys are present, as Cache.ReplaceMulti does.
func (t *Typed[T]) ReplaceMulti(ctx context.Context, values map[string]T, ttl time.Duration) error {
	return t.storeMulti(ctx, "ReplaceMulti", Replace, values, ttl)
}

// CompareAndSwap stores item if the item under its key has not changed since GetItem
// returned item.Token, as Cache.CompareAndSwap does. The new time to live is item.TTL.
// GetItem sets it to 0, which means the default.
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
// decimal digits, whatever T is. Codecs of integers, such as encoding.Int, write such
// values.
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

// append appends v, which is stored under key.
func (t *Typed[T]) append(dst []byte, key string, v T) ([]byte, uint32, error) {
	if t.keyed == nil {
		return t.codec.Append(dst, v)
	}
	return t.keyed.AppendKey(dst, t.cache.full(key), v)
}

// decode returns the value of item, whose key is the caller's.
func (t *Typed[T]) decode(item *Item) (T, error) {
	if t.keyed == nil {
		return t.codec.Decode(item.Value, item.Flags)
	}
	return t.keyed.DecodeKey(item.Value, item.Flags, t.cache.full(item.Key))
}

// Encode returns the item that the verbs store for v under key, with its key, value and flags.
// It is for verbs that only Cache has, such as StoreMulti with a token for each item. With
// Shared, it returns errors.ErrUnsupported.
func (t *Typed[T]) Encode(key string, v T) (Item, error) {
	data, flags, err := t.append(nil, key, v)
	if err != nil {
		return Item{}, codecError(err)
	}
	return Item{Key: key, Value: data, Flags: flags}, nil
}

// Decode returns the value of item, which Encode returned or a verb of Cache has read. Each
// call returns a copy of its own, except for what the codec shares with the bytes of the item.
// With Shared, it returns errors.ErrUnsupported.
func (t *Typed[T]) Decode(item Item) (T, error) {
	v, err := t.decode(&item)
	if err != nil {
		var none T // whatever the codec returned
		return none, codecError(err)
	}
	return v, nil
}

func (t *Typed[T]) load(ctx context.Context, key string) (TypedItem[T], error) {
	if t.shared != nil {
		return t.loadShared(ctx, key)
	}
	var item Item
	if err := t.cache.load(ctx, key, &item); err != nil {
		return TypedItem[T]{}, err
	}
	v, err := t.decode(&item)
	if err != nil {
		return TypedItem[T]{Key: key, Token: item.Token}, codecError(err)
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
	var data []byte
	var flags uint32
	var err error
	if t.keyed == nil { // not t.append, which would take some nanoseconds
		data, flags, err = t.codec.Append((*buf)[:0], item.Value)
	} else {
		data, flags, err = t.append((*buf)[:0], item.Key, item.Value)
	}
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
		data, flags, err := t.append(all, key, v)
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
