package core

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// GetMulti returns the values of the keys that are present. The caller must not write to
// the values. GetMulti reads a duplicate key once. The map is never nil. If some keys could
// not be read, the error is a *MultiError, and the map has the values of the others.
func (c *Cache) GetMulti(ctx context.Context, keys []string) (map[string][]byte, error) {
	var cl call
	cl.beginMulti(ctx, c, "GetMulti", keys)
	items, failed, err := c.loadMulti(&cl, keys)
	values := make(map[string][]byte, len(items))
	for _, item := range items {
		values[item.Key] = item.Value
	}
	return values, cl.endMulti(failed, len(keys), err)
}

// GetItems is like GetMulti, but returns each item with its flags and its token, as GetItem
// does. The TTL of every item is 0.
func (c *Cache) GetItems(ctx context.Context, keys []string) (map[string]Item, error) {
	var cl call
	cl.beginMulti(ctx, c, "GetItems", keys)
	items, failed, err := c.loadMulti(&cl, keys)
	found := make(map[string]Item, len(items))
	for _, item := range items {
		found[item.Key] = item
	}
	return found, cl.endMulti(failed, len(keys), err)
}

// SetMulti stores every value of values. It replaces items that are present. Like every
// multi verb, it returns nil, a *MultiError, or an *Error around ErrClosed.
func (c *Cache) SetMulti(ctx context.Context, values map[string][]byte, ttl time.Duration) error {
	return c.storeMulti(ctx, "SetMulti", Set, itemsOf(values, ttl), nil)
}

// AddMulti stores the values whose keys are absent. If other keys are present, it returns a
// *MultiError with ErrExists for each of them.
func (c *Cache) AddMulti(ctx context.Context, values map[string][]byte, ttl time.Duration) error {
	return c.storeMulti(ctx, "AddMulti", Add, itemsOf(values, ttl), nil)
}

// ReplaceMulti stores the values whose keys are present. If other keys are absent, it
// returns a *MultiError with ErrMiss for each of them.
func (c *Cache) ReplaceMulti(
	ctx context.Context,
	values map[string][]byte,
	ttl time.Duration,
) error {
	return c.storeMulti(ctx, "ReplaceMulti", Replace, itemsOf(values, ttl), nil)
}

// StoreMulti is Store for many items. Each item has its own flags, time to live and token.
// If two items have the same key, neither is stored, and the *MultiError has ErrInvalidKey
// for the key, because no backend can promise an order.
func (c *Cache) StoreMulti(ctx context.Context, mode Mode, items []Item) error {
	return c.storeMulti(ctx, "StoreMulti", mode, items, repeated(items))
}

// DeleteMulti deletes the items under keys. An absent key is not an error.
func (c *Cache) DeleteMulti(ctx context.Context, keys []string) error {
	var cl call
	cl.beginMulti(ctx, c, "DeleteMulti", keys)
	var failed MultiError
	err := c.admitMulti()
	if err == nil {
		full := c.fullKeys(cl.ctx, keys, &failed)
		c.deleteFull(cl.ctx, full, &failed)
	}
	return cl.endMulti(failed, len(keys), err)
}

// Flush deletes all items. If the Cache has a prefix, Flush deletes only items with this
// prefix. An item that is stored while Flush runs may remain. With a prefix, Flush returns
// errors.ErrUnsupported if the backend is not a KeyLister, and a *MultiError if some of the
// items could not be deleted.
func (c *Cache) Flush(ctx context.Context) error {
	var cl call
	cl.beginMulti(ctx, c, "Flush", nil)
	if err := c.admit(cl.ctx); err != nil {
		return cl.end("", err)
	}
	if c.prefix == "" {
		return cl.end("", c.shared.Flush(cl.ctx))
	}
	failed, total, err := c.flushPrefix(cl.ctx)
	return cl.endMulti(failed, total, err)
}

func (c *Cache) flushPrefix(ctx context.Context) (failed MultiError, total int, err error) {
	if c.shared.keyLister == nil {
		return failed, 0, fmt.Errorf(
			"%w: this backend cannot list the keys with prefix %q: delete them by name, "+
				"or flush the whole cache",
			errors.ErrUnsupported,
			c.prefix,
		)
	}
	const size = 1000 // keys for each DeleteMulti
	var keys []string
	flush := func() {
		keys = distinct(keys)
		c.deleteFull(ctx, keys, &failed)
		total += len(keys)
		keys = nil // not reused: a call that ctx abandoned may still read it
	}
	for key, listErr := range c.shared.keyLister.Keys(ctx, c.prefix) {
		if listErr != nil {
			err = listErr
			break
		}
		if keys = append(keys, key); len(keys) < size {
			continue
		}
		flush()
		if err = ctx.Err(); err != nil {
			return failed, total, err
		}
	}
	flush()
	return failed, total, err
}

// own returns the caller's form of a key in the backend: the key without the prefix.
func (c *Cache) own(full string) string { return strings.TrimPrefix(full, c.prefix) }

// admitMulti is admit for a multi verb. It does not check the context: if that is done,
// each key fails with its error.
func (c *Cache) admitMulti() error { return c.admit(context.Background()) }

// fullKeys returns the valid keys among keys, each once and with the prefix, and adds the
// others to failed. If ctx is done, it adds all keys to failed.
func (c *Cache) fullKeys(ctx context.Context, keys []string, failed *MultiError) []string {
	done := ctx.Err()
	full := make([]string, 0, len(keys))
	for _, key := range keys {
		err := checkKey(key)
		if err == nil {
			err = done
		}
		if err != nil {
			failed.Add(key, err)
			continue
		}
		full = append(full, key)
	}
	full = distinct(full)
	if c.prefix != "" {
		for i, key := range full {
			full[i] = c.prefix + key
		}
	}
	return full
}

// distinct removes duplicates from keys, in place.
func distinct(keys []string) []string {
	if len(keys) <= 16 { // a map would cost more
		kept := keys[:0]
		for _, key := range keys {
			if !slices.Contains(kept, key) {
				kept = append(kept, key)
			}
		}
		return kept
	}
	seen := make(map[string]struct{}, len(keys))
	return slices.DeleteFunc(keys, func(key string) bool {
		before := len(seen)
		seen[key] = struct{}{}
		return len(seen) == before
	})
}

// repeated returns how often each key occurs in items, or nil if none occurs twice.
func repeated(items []Item) map[string]int {
	times := make(map[string]int, len(items))
	for _, item := range items {
		times[item.Key]++
	}
	if len(times) == len(items) {
		return nil
	}
	return times
}

func itemsOf(values map[string][]byte, ttl time.Duration) []Item {
	items := make([]Item, 0, len(values))
	for key, value := range values {
		items = append(items, Item{Key: key, Value: value, TTL: ttl})
	}
	return items
}

func keysOf(items []Item) []string {
	keys := make([]string, len(items))
	for i, item := range items {
		keys[i] = item.Key
	}
	return keys
}

// loadMulti reads keys. It returns an error if the Cache is closed.
func (c *Cache) loadMulti(cl *call, keys []string) ([]Item, MultiError, error) {
	if err := c.admitMulti(); err != nil {
		return nil, MultiError{}, err
	}
	var failed MultiError
	full := c.fullKeys(cl.ctx, keys, &failed)
	refused := len(failed.Errors)
	items := c.getFull(cl.ctx, full, &failed)
	for i := range items {
		items[i].toCaller(c.own(items[i].Key))
	}
	cl.carry(items)
	found := min(len(items), len(full)) // more would be a fault of the backend
	cl.read(found, max(0, len(full)-found-(len(failed.Errors)-refused)))
	return items, failed, nil
}

// getFull reads keys. The keys have the prefix, and so have the keys of the items.
func (c *Cache) getFull(ctx context.Context, keys []string, failed *MultiError) []Item {
	if len(keys) == 0 {
		return nil
	}
	if g := c.shared.multiGetter; g != nil {
		items, err := g.GetItems(ctx, keys)
		if err != nil {
			v, found := verdictOf(err, keys), make(map[string]bool, len(items))
			for _, item := range items {
				found[item.Key] = true
			}
			for _, key := range keys {
				if err := v.on(key); err != nil && !isMiss(err) && !found[key] {
					failed.Add(c.own(key), err)
				}
			}
		}
		return items
	}
	items := make([]Item, len(keys))
	errs := each(ctx, len(keys), func(i int) (err error) {
		items[i], err = c.shared.GetItem(ctx, keys[i])
		items[i].Key = keys[i]
		return err
	})
	found := items[:0]
	for i, err := range errs {
		switch {
		case err == nil:
			found = append(found, items[i])
		case !isMiss(err):
			failed.Add(c.own(keys[i]), err)
		}
	}
	return found
}

func (c *Cache) storeMulti(
	ctx context.Context,
	verb string,
	mode Mode,
	items []Item,
	twice map[string]int,
) error {
	var keys []string
	if c.hooks != nil {
		keys = keysOf(items)
	}
	var cl call
	cl.beginMulti(ctx, c, verb, keys)
	cl.carry(items)
	var failed MultiError
	err := c.admitMulti()
	if err == nil {
		c.storeItems(cl.ctx, mode, items, twice, &failed)
	}
	return cl.endMulti(failed, len(items), err)
}

// storeItems stores items on the condition of mode. It refuses keys that twice counts more
// than once.
func (c *Cache) storeItems(
	ctx context.Context,
	mode Mode,
	items []Item,
	twice map[string]int,
	failed *MultiError,
) {
	full := c.fullItems(ctx, mode, items, twice, failed)
	if len(full) == 0 {
		return
	}
	if s := c.shared.multiStorer; s != nil {
		if err := s.StoreMulti(ctx, mode, full); err != nil {
			v := verdictOf(err, keysOf(full))
			for _, item := range full {
				failed.Add(c.own(item.Key), v.on(item.Key))
			}
		}
		return
	}
	errs := each(ctx, len(full), func(i int) error {
		return c.shared.Store(ctx, mode, full[i])
	})
	for i, err := range errs {
		failed.Add(c.own(full[i].Key), err)
	}
}

// fullItems is fullKeys for items. It refuses keys that twice counts more than once.
func (c *Cache) fullItems(
	ctx context.Context,
	mode Mode,
	items []Item,
	twice map[string]int,
	failed *MultiError,
) []Item {
	done := ctx.Err()
	full := make([]Item, 0, len(items))
	for _, item := range items {
		key := item.Key
		err := checkKey(key)
		if n := twice[key]; err == nil && n > 1 {
			err = fmt.Errorf("%w: given %d times in one call", ErrInvalidKey, n)
		}
		if err == nil {
			err = done
		}
		if err == nil {
			err = c.admitItem(mode, &item)
		}
		if err != nil {
			failed.Add(key, err)
			continue
		}
		full = append(full, item)
	}
	return full
}

// deleteFull deletes keys, which have the prefix.
func (c *Cache) deleteFull(ctx context.Context, keys []string, failed *MultiError) {
	if len(keys) == 0 {
		return
	}
	if d := c.shared.multiDeleter; d != nil {
		if err := d.DeleteMulti(ctx, keys); err != nil {
			v := verdictOf(err, keys)
			for _, key := range keys {
				if err := v.on(key); err != nil && !isMiss(err) {
					failed.Add(c.own(key), err)
				}
			}
		}
		return
	}
	errs := each(ctx, len(keys), func(i int) error {
		return c.shared.Delete(ctx, keys[i])
	})
	for i, err := range errs {
		if err != nil && !isMiss(err) {
			failed.Add(c.own(keys[i]), err)
		}
	}
}

// A verdict has the error of each key in the error of a backend's multi verb.
type verdict struct {
	byKey map[string]error // from a *MultiError
	all   error            // any other error
}

// verdictOf returns the verdict of err on keys. A *MultiError that is wrapped or joined, or
// that has none of the keys, breaks the rules of MultiGetter: then all keys have failed,
// so that no failure is lost.
func verdictOf(err error, keys []string) verdict {
	multi, ok := err.(*MultiError)
	if !ok {
		return verdict{all: err}
	}
	if multi == nil { // a nil *MultiError in an error interface; the driver means no error
		return verdict{}
	}
	for _, key := range keys {
		if multi.Errors[key] != nil {
			return verdict{byKey: multi.Errors}
		}
	}
	return verdict{all: err}
}

func (v verdict) on(key string) error {
	if v.all != nil {
		return v.all
	}
	return v.byKey[key]
}
