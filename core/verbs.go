package core

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Get returns the value under key. The caller must not write to it. Get returns ErrMiss if
// the key is absent. The value of a counter is its digits, possibly followed by spaces; see
// Count.
func (c *Cache) Get(ctx context.Context, key string) ([]byte, error) {
	var cl call
	cl.init(ctx, c, "Get") // not begin and end, because Get is called most
	if cl.watched() {
		cl.enter(key, nil)
	}
	err := c.admitKey(cl.ctx, key)
	if err == nil {
		var value []byte
		if value, err = c.shared.valueGetter.Get(cl.ctx, c.full(key)); err == nil {
			if cl.watched() {
				cl.read(1, 0)
				cl.leave(nil)
			}
			return value[:len(value):len(value)], nil
		}
	}
	return nil, cl.endRead(key, err)
}

// GetItem is like Get, but returns the value with its flags and with the token for
// CompareAndSwap and CompareAndDelete. The TTL of the item is 0; see the verb TTL.
func (c *Cache) GetItem(ctx context.Context, key string) (Item, error) {
	var cl call
	cl.begin(ctx, c, "GetItem", key)
	var item Item
	err := c.load(cl.ctx, key, &item)
	return item, cl.endRead(key, err)
}

// Set stores value under key. It replaces any item under key.
func (c *Cache) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	var cl call
	cl.begin(ctx, c, "Set", key)
	return cl.end(key, c.store(cl.ctx, Set, &Item{Key: key, Value: value, TTL: ttl}))
}

// Add stores value under key if the key is absent. Otherwise it returns ErrExists, and the
// item stays as it is.
func (c *Cache) Add(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	var cl call
	cl.begin(ctx, c, "Add", key)
	return cl.end(key, c.store(cl.ctx, Add, &Item{Key: key, Value: value, TTL: ttl}))
}

// Replace stores value under key if the key is present. Otherwise it returns ErrMiss, and
// stores nothing.
func (c *Cache) Replace(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	var cl call
	cl.begin(ctx, c, "Replace", key)
	return cl.end(key, c.store(cl.ctx, Replace, &Item{Key: key, Value: value, TTL: ttl}))
}

// CompareAndSwap stores item if the item under its key has not changed since GetItem
// returned item.Token. Otherwise it returns ErrConflict, or ErrMiss if the key is absent.
// The new time to live is item.TTL. GetItem sets it to 0, which means the default.
//
// CompareAndSwap also returns ErrConflict if the key is present and the token is from
// another backend. If the token is nil, it returns ErrConflict without calling the backend.
func (c *Cache) CompareAndSwap(ctx context.Context, item Item) error {
	var cl call
	cl.begin(ctx, c, "CompareAndSwap", item.Key)
	key := item.Key // store adds the prefix to it
	err := c.store(cl.ctx, CompareAndSwap, &item)
	return cl.end(key, err)
}

// CompareAndDelete deletes the item if it has not changed since GetItem returned
// item.Token. A later Add then succeeds. Otherwise it returns ErrConflict or ErrMiss, as
// CompareAndSwap does.
func (c *Cache) CompareAndDelete(ctx context.Context, item Item) error {
	var cl call
	cl.begin(ctx, c, "CompareAndDelete", item.Key)
	key := item.Key // store adds the prefix to it
	err := c.store(cl.ctx, CompareAndDelete, &item)
	return cl.end(key, err)
}

// Store stores item, including its flags, if the condition of mode is true. It returns the
// errors of the verb that the mode is named after.
func (c *Cache) Store(ctx context.Context, mode Mode, item Item) error {
	var cl call
	cl.begin(ctx, c, "Store", item.Key)
	key := item.Key // store adds the prefix to it
	err := c.store(cl.ctx, mode, &item)
	return cl.end(key, err)
}

// Delete deletes the item under key. It returns ErrMiss if the key is absent.
func (c *Cache) Delete(ctx context.Context, key string) error {
	var cl call
	cl.begin(ctx, c, "Delete", key)
	err := c.admitKey(cl.ctx, key)
	if err == nil {
		err = c.shared.Delete(cl.ctx, c.full(key))
	}
	return cl.end(key, err)
}

// Touch gives the item under key a new time to live, which starts now. It returns ErrMiss
// if the key is absent.
func (c *Cache) Touch(ctx context.Context, key string, ttl time.Duration) error {
	var cl call
	cl.begin(ctx, c, "Touch", key)
	return cl.end(key, c.touch(cl.ctx, key, ttl))
}

func (c *Cache) touch(ctx context.Context, key string, ttl time.Duration) error {
	if err := c.admitKey(ctx, key); err != nil {
		return err
	}
	ttl, err := c.resolveTTL(ttl)
	if err != nil {
		return err
	}
	return c.shared.Touch(ctx, c.full(key), ttl)
}

// Exists reports whether key is present. It reads the value to find out.
func (c *Cache) Exists(ctx context.Context, key string) (bool, error) {
	var cl call
	cl.begin(ctx, c, "Exists", key)
	var item Item
	err := c.load(cl.ctx, key, &item)
	switch {
	case err == nil, errors.Is(err, ErrCodec): // a shared value, which has no bytes
		cl.read(1, 0)
		return true, cl.end(key, nil)
	case isMiss(err):
		cl.read(0, 1)
		return false, cl.end(key, nil)
	}
	return false, cl.end(key, err)
}

// TTL returns how long the item under key has left to live, or Forever if it never expires.
// It returns ErrMiss if the key is absent, and errors.ErrUnsupported if the backend is not
// a TTLReader.
func (c *Cache) TTL(ctx context.Context, key string) (time.Duration, error) {
	var cl call
	cl.begin(ctx, c, "TTL", key)
	var ttl time.Duration
	err := c.admitKey(cl.ctx, key)
	if err == nil {
		if r := c.shared.ttlReader; r != nil {
			ttl, err = r.TTL(cl.ctx, c.full(key))
		} else {
			err = unsupported("TTL")
		}
	}
	switch {
	case err != nil:
		ttl = 0
	case ttl == 0:
		ttl = Forever
	}
	return ttl, cl.endRead(key, err)
}

// load reads the item under key into item. If there is an error, it does not change item.
// Items are passed as pointers because they are large.
func (c *Cache) load(ctx context.Context, key string, item *Item) error {
	if err := c.admitKey(ctx, key); err != nil {
		return err
	}
	got, err := c.shared.GetItem(ctx, c.full(key))
	if err != nil {
		return err
	}
	*item = got
	item.toCaller(key)
	return nil
}

// toCaller changes an item of the backend into an item for the caller. Key is the caller's
// key.
func (item *Item) toCaller(key string) {
	item.Key = key
	item.TTL = 0
	item.Value = item.Value[:len(item.Value):len(item.Value)]
}

// store stores item if the condition of mode is true. It changes item.
func (c *Cache) store(ctx context.Context, mode Mode, item *Item) error {
	if err := c.admitKey(ctx, item.Key); err != nil {
		return err
	}
	if err := c.admitItem(mode, item); err != nil {
		return err
	}
	// Not *item: its fields have just been written, in smaller pieces than a copy would
	// read. The processor would wait until the writes are done.
	return c.shared.Store(ctx, mode, Item{item.Key, item.Value, item.Flags, item.TTL, item.Token})
}

// admitItem turns item, whose key has been checked, into the item that the backend gets.
func (c *Cache) admitItem(mode Mode, item *Item) error {
	switch mode {
	case Set, Add, Replace:
		item.Token = nil
	case CompareAndSwap, CompareAndDelete:
		if item.Token == nil {
			return errNilToken
		}
	default:
		return fmt.Errorf("%w: unknown mode %v", ErrConfig, mode)
	}
	item.Key = c.full(item.Key)
	if mode == CompareAndDelete {
		item.Value, item.Flags, item.TTL = nil, 0, 0
		return nil
	}
	ttl, err := c.resolveTTL(item.TTL)
	item.TTL = ttl
	return err
}

var errNilToken = fmt.Errorf("%w: the token is nil; GetItem returns one", ErrConflict)
