package memory

import (
	"context"
	"iter"
	"strings"
	"time"

	"github.com/cachewire/cachewire/core"
)

// GetItem returns the item under key, as core.Backend says.
func (b *Backend) GetItem(_ context.Context, key string) (core.Item, error) {
	hash := b.hash(key)
	sh := b.shardOf(hash)
	e := sh.get(hash, key)
	if e != nil && e.kind() != plain {
		return sh.getLocked(hash, key)
	}
	if sh.counted(e) == nil {
		return core.Item{}, core.ErrMiss
	}
	return core.Item{Key: key, Value: e.plainValue(), Flags: e.flags(), Token: e}, nil
}

// Get returns the value under key, as core.ValueGetter says.
func (b *Backend) Get(_ context.Context, key string) ([]byte, error) {
	hash := b.hash(key)
	sh := b.shardOf(hash)
	e := sh.get(hash, key)
	if e != nil && e.kind() != plain {
		item, err := sh.getLocked(hash, key)
		return item.Value, err
	}
	if sh.counted(e) == nil {
		return nil, core.ErrMiss
	}
	return e.plainValue(), nil
}

// getLocked returns the item under key for GetItem, if its entry was not plain. It takes
// the lock, and looks for the entry again, because it may have changed.
func (sh *shard) getLocked(hash uint64, key string) (core.Item, error) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e, _ := sh.findLive(hash, key, sh.backend.now())
	switch {
	case sh.counted(e) == nil:
		return core.Item{}, core.ErrMiss
	case e.kind() == shared:
		return core.Item{}, errHoldsShared
	}
	value, token := e.item()
	return core.Item{Key: key, Value: value, Flags: e.flags(), Token: token}, nil
}

// GetItems returns the items that are present, as core.MultiGetter says.
func (b *Backend) GetItems(ctx context.Context, keys []string) ([]core.Item, error) {
	return getItems(ctx, keys, b.GetItem)
}

// getItems returns the items under keys, each as get returns it.
func getItems(ctx context.Context, keys []string,
	get func(ctx context.Context, key string) (core.Item, error)) ([]core.Item, error) {

	items := make([]core.Item, 0, len(keys))
	var failed core.MultiError
	check := ctxCheck{ctx: ctx}
	for i, key := range keys {
		var item core.Item
		err := check.before(i)
		if err == nil {
			item, err = get(ctx, key)
		}
		switch err {
		case nil:
			items = append(items, item)
		case core.ErrMiss:
		default:
			failed.Add(key, err)
		}
	}
	return items, failed.Err()
}

// GetItemTTL returns the item under key, and how long it has left to live, as
// core.ItemTTLReader says.
func (b *Backend) GetItemTTL(ctx context.Context, key string) (core.Item, error) {
	item, err := b.GetItem(ctx, key)
	if err != nil {
		return core.Item{}, err
	}
	if item.TTL, err = b.TTL(ctx, key); err != nil {
		item.TTL = 1 // it was present, and GetItem has counted a hit, but its life is over
	}
	return item, nil
}

// GetItemsTTL returns the items that are present, and how long each has left to live, as
// core.ItemTTLReader says.
func (b *Backend) GetItemsTTL(ctx context.Context, keys []string) ([]core.Item, error) {
	return getItems(ctx, keys, b.GetItemTTL)
}

// GetShared returns the value that StoreShared stored under key, as core.SharedStorer says.
func (b *Backend) GetShared(_ context.Context, key string) (value, token any, err error) {
	hash := b.hash(key)
	sh := b.shardOf(hash)
	e := sh.get(hash, key)
	switch {
	case sh.counted(e) == nil:
		return nil, nil, core.ErrMiss
	case e.kind() != shared:
		return nil, nil, errHoldsBytes
	}
	return e.boxed().shared, e, nil
}

// Store stores item under the condition of mode, as core.Backend says. It returns
// core.ErrTooLarge if the item alone exceeds Options.MaxBytes. An item that is already
// stored under the key then stays.
func (b *Backend) Store(_ context.Context, mode core.Mode, item core.Item) error {
	return b.store(mode, &item, nil, false)
}

// StoreShared stores value as it is, as core.SharedStorer says.
func (b *Backend) StoreShared(_ context.Context, mode core.Mode, item core.Item, value any) error {
	item.Value = nil
	return b.store(mode, &item, value, true)
}

// StoreMulti stores items under the condition of mode, as core.MultiStorer says.
func (b *Backend) StoreMulti(ctx context.Context, mode core.Mode, items []core.Item) error {
	var failed core.MultiError
	check := ctxCheck{ctx: ctx}
	for i, item := range items {
		err := check.before(i)
		if err == nil {
			err = b.store(mode, &item, nil, false)
		}
		failed.Add(item.Key, err)
	}
	return failed.Err()
}

// Delete deletes the item under key, as core.Backend says.
func (b *Backend) Delete(_ context.Context, key string) error {
	hash := b.hash(key)
	sh := b.shardOf(hash)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e, _ := sh.findLive(hash, key, b.now())
	if e == nil {
		return core.ErrMiss
	}
	sh.drop(e, Deleted)
	return nil
}

// DeleteMulti deletes keys, as core.MultiDeleter says.
func (b *Backend) DeleteMulti(ctx context.Context, keys []string) error {
	var failed core.MultiError
	check := ctxCheck{ctx: ctx}
	for i, key := range keys {
		err := check.before(i)
		if err == nil {
			if err = b.Delete(ctx, key); err == core.ErrMiss {
				err = nil
			}
		}
		failed.Add(key, err)
	}
	return failed.Err()
}

// Incr adds delta to the counter under key, as core.Backend says.
func (b *Backend) Incr(_ context.Context, key string, delta uint64) (uint64, error) {
	return b.moveCounter(key, delta, false)
}

// Decr subtracts delta from the counter under key, as core.Backend says.
func (b *Backend) Decr(_ context.Context, key string, delta uint64) (uint64, error) {
	return b.moveCounter(key, delta, true)
}

func (b *Backend) moveCounter(key string, delta uint64, down bool) (uint64, error) {
	hash := b.hash(key)
	sh := b.shardOf(hash)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e, s := sh.table.Load().find(hash, key)
	if e == nil {
		return 0, core.ErrMiss
	}
	if deadline := e.deadline.Load(); deadline != 0 && b.passed(deadline) &&
		sh.dropExpired(e, b.now()) {
		return 0, core.ErrMiss
	}
	sh.markRead(e)
	if b.idle != 0 {
		b.prolong(e)
	}
	n, err := e.number()
	if err != nil {
		return 0, err
	}
	if down {
		n -= min(n, delta)
	} else {
		n += delta
	}
	if e.kind() == counter {
		t := e.tally()
		t.number, t.version = n, t.version+1
		return n, nil
	}
	c := e.toCounter(n, b.bounds.layout)
	extraCost := b.bounds.cost(c) - b.bounds.cost(e) // never above 0
	b.bounds.release(0, -extraCost)
	sh.replace(e, c, hash, s, extraCost)
	return n, nil
}

// Touch gives the item under key a new time to live, as core.Backend says.
func (b *Backend) Touch(_ context.Context, key string, ttl time.Duration) error {
	hash := b.hash(key)
	sh := b.shardOf(hash)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	now := b.now()
	e, s := sh.findLive(hash, key, now)
	if e == nil {
		return core.ErrMiss
	}
	sh.markRead(e)
	end := deadlineAfter(now, ttl)
	if b.idle != 0 {
		end = b.setLimit(e, now, end)
	}
	sh.setDeadline(hash, s, e, end, now)
	return nil
}

// TTL returns how long the item under key has left to live, as core.TTLReader says.
func (b *Backend) TTL(_ context.Context, key string) (time.Duration, error) {
	hash := b.hash(key)
	sh := b.shardOf(hash)
	e, _ := sh.table.Load().find(hash, key)
	if e == nil {
		return 0, core.ErrMiss
	}
	if deadline := e.deadline.Load(); deadline == 0 {
		return 0, nil
	} else if now := b.now(); now < deadline {
		return b.timeLeft(e, now), nil
	}
	// The entry has expired, but it may have been replaced before it did.
	sh.mu.Lock()
	defer sh.mu.Unlock()
	now := b.now()
	if e, _ = sh.findLive(hash, key, now); e == nil {
		return 0, core.ErrMiss
	}
	return b.timeLeft(e, now), nil
}

// Keys yields the keys that begin with prefix, as core.KeyLister says. It takes no lock.
func (b *Backend) Keys(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for i := range b.shards {
			if err := ctx.Err(); err != nil {
				yield("", err)
				return
			}
			for _, key := range b.shards[i].keys(prefix) {
				if err := ctx.Err(); err != nil {
					yield("", err)
					return
				}
				if !yield(key, nil) {
					return
				}
			}
		}
	}
}

// keys returns the keys that begin with prefix and have not expired. If the table is
// replaced meanwhile, the old one still has all keys that are present during the whole
// call.
func (sh *shard) keys(prefix string) []string {
	now := sh.backend.now()
	var keys []string
	sh.table.Load().all(func(e *entry) bool {
		if key := e.key(); strings.HasPrefix(key, prefix) && !e.expired(now) {
			keys = append(keys, strings.Clone(key)) // the clone does not keep the block in memory
		}
		return true
	})
	return keys
}

// A ctxCheck checks the context of a verb with many keys, but not before each of them. When
// it has found the context done, it returns the error for all keys that follow.
type ctxCheck struct {
	ctx context.Context
	err error
}

// before returns the error of the context for the key with number i.
func (c *ctxCheck) before(i int) error {
	if c.err == nil && i%256 == 0 {
		c.err = c.ctx.Err()
	}
	return c.err
}
