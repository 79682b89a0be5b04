package core

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Get answers the value under key, read-only, or ErrMiss. A counter's value is
// its digits, perhaps with spaces behind them; see Count.
func (c *Cache) Get(ctx context.Context, key string) ([]byte, error) {
	var cl call
	cl.init(ctx, c, "Get") // begin and end are written out, as Get is called most
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

// GetItem is Get with the item's flags and the token for CompareAndSwap and
// CompareAndDelete. The item's TTL is 0; see TTL.
func (c *Cache) GetItem(ctx context.Context, key string) (Item, error) {
	var cl call
	cl.begin(ctx, c, "GetItem", key)
	var item Item
	err := c.load(cl.ctx, key, &item)
	return item, cl.endRead(key, err)
}

// Set stores value under key, whatever was there.
func (c *Cache) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	var cl call
	cl.begin(ctx, c, "Set", key)
	return cl.end(key, c.store(cl.ctx, Set, &Item{Key: key, Value: value, TTL: ttl}))
}

// Add stores value under key if the key is absent, else it is ErrExists and
// what is there stays untouched.
func (c *Cache) Add(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	var cl call
	cl.begin(ctx, c, "Add", key)
	return cl.end(key, c.store(cl.ctx, Add, &Item{Key: key, Value: value, TTL: ttl}))
}

// Replace stores value under key if the key is present, else it is ErrMiss and
// nothing is stored.
func (c *Cache) Replace(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	var cl call
	cl.begin(ctx, c, "Replace", key)
	return cl.end(key, c.store(cl.ctx, Replace, &Item{Key: key, Value: value, TTL: ttl}))
}

// CompareAndSwap stores item if nothing changed under its key since GetItem
// answered item.Token. Otherwise it is ErrConflict, or ErrMiss if the key is
// gone. The item lives for item.TTL, which GetItem leaves 0, the default.
//
// A token of another backend is ErrConflict, and so is nil, without a look at
// the backend.
func (c *Cache) CompareAndSwap(ctx context.Context, item Item) error {
	var cl call
	cl.begin(ctx, c, "CompareAndSwap", item.Key)
	key := item.Key // which store completes
	err := c.store(cl.ctx, CompareAndSwap, &item)
	return cl.end(key, err)
}

// CompareAndDelete deletes the item if nothing changed under its key since
// GetItem answered item.Token; an Add that follows succeeds. Otherwise it is
// ErrConflict or ErrMiss, as CompareAndSwap.
func (c *Cache) CompareAndDelete(ctx context.Context, item Item) error {
	var cl call
	cl.begin(ctx, c, "CompareAndDelete", item.Key)
	key := item.Key // which store completes
	err := c.store(cl.ctx, CompareAndDelete, &item)
	return cl.end(key, err)
}

// Store is the general form of the verbs above: it stores item, flags included,
// on mode's condition.
func (c *Cache) Store(ctx context.Context, mode Mode, item Item) error {
	var cl call
	cl.begin(ctx, c, "Store", item.Key)
	key := item.Key // which store completes
	err := c.store(cl.ctx, mode, &item)
	return cl.end(key, err)
}

// Delete deletes the item under key, or is ErrMiss. There is no delay as
// memcached once had.
func (c *Cache) Delete(ctx context.Context, key string) error {
	var cl call
	cl.begin(ctx, c, "Delete", key)
	err := c.admitKey(cl.ctx, key)
	if err == nil {
		err = c.shared.Delete(cl.ctx, c.full(key))
	}
	return cl.end(key, err)
}

// Touch gives the item under key a new time to live, counted from now, or is
// ErrMiss.
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

// Exists tells whether key is present. It reads the value to find out.
func (c *Cache) Exists(ctx context.Context, key string) (bool, error) {
	var cl call
	cl.begin(ctx, c, "Exists", key)
	var item Item
	err := c.load(cl.ctx, key, &item)
	switch {
	case err == nil, errors.Is(err, ErrCodec): // a shared value has no bytes
		cl.read(1, 0)
		return true, cl.end(key, nil)
	case isMiss(err):
		cl.read(0, 1)
		return false, cl.end(key, nil)
	}
	return false, cl.end(key, err)
}

// TTL returns how long the item under key has left to live, or Forever if it
// never expires. It returns ErrMiss if the key is absent, and
// errors.ErrUnsupported if the backend has no TTLReader.
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

// load reads the item under key into item, which stays as it is in case of an
// error. Items are handed around by their address in here, for they are large.
func (c *Cache) load(ctx context.Context, key string, item *Item) error {
	if err := c.admitKey(ctx, key); err != nil {
		return err
	}
	got, err := c.shared.GetItem(ctx, c.full(key))
	if err != nil {
		return err
	}
	*item = got
	item.seenAs(key)
	return nil
}

// seenAs makes a backend's item what the caller, who knows it by key, sees.
func (item *Item) seenAs(key string) {
	item.Key = key
	item.TTL = 0
	item.Value = item.Value[:len(item.Value):len(item.Value)]
}

// store stores item, which it changes, on mode's condition.
func (c *Cache) store(ctx context.Context, mode Mode, item *Item) error {
	if err := c.admitKey(ctx, item.Key); err != nil {
		return err
	}
	if err := c.admitItem(mode, item); err != nil {
		return err
	}
	// *item would be read in wide pieces, of which the processor has just written the halves:
	// it waits for those to arrive.
	return c.shared.Store(ctx, mode, Item{item.Key, item.Value, item.Flags, item.TTL, item.Token})
}

// admitItem makes item, whose key has been checked, what the backend gets.
func (c *Cache) admitItem(mode Mode, item *Item) error {
	switch mode {
	case Set, Add, Replace:
		item.Token = nil
	case CompareAndSwap, CompareAndDelete:
		if item.Token == nil {
			return errNilToken
		}
	default:
		return fmt.Errorf("%w: no such mode as %v", ErrConfig, mode)
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

var errNilToken = fmt.Errorf("%w: no token; GetItem gives one", ErrConflict)
