package memory

import (
	"context"
	"iter"
	"strings"
	"time"

	"github.com/cachewire/cachewire/core"
)

// Get answers the item under key, as core.Backend says.
func (b *Backend) Get(_ context.Context, key string) (core.Item, error) {
	sh := b.shardOf(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e := sh.read(key)
	switch {
	case e == nil:
		return core.Item{}, core.ErrMiss
	case e.shared != nil:
		return core.Item{}, errHoldsShared
	}
	return core.Item{Key: e.key, Value: e.bytes(), Flags: e.flags, Token: e.token()}, nil
}

// GetMulti answers the items that are there, as core.MultiGetter says.
func (b *Backend) GetMulti(ctx context.Context, keys []string) ([]core.Item, error) {
	items := make([]core.Item, 0, len(keys))
	var failed core.MultiError
	patience := patience{ctx: ctx}
	for i, key := range keys {
		var item core.Item
		err := patience.at(i)
		if err == nil {
			item, err = b.Get(ctx, key)
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

// GetShared answers the value that StoreShared stored, as core.SharedStorer
// says.
func (b *Backend) GetShared(_ context.Context, key string) (value, token any, err error) {
	sh := b.shardOf(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e := sh.read(key)
	switch {
	case e == nil:
		return nil, nil, core.ErrMiss
	case e.shared == nil:
		return nil, nil, errHoldsBytes
	}
	return e.shared.v, e.shared, nil
}

// Store stores item on mode's condition, as core.Backend says. With a bound, an
// item that alone is larger is core.ErrTooLarge, and what was there stays.
func (b *Backend) Store(_ context.Context, mode core.Mode, item core.Item) error {
	return b.store(mode, item, nil)
}

// StoreShared stores value as it is, as core.SharedStorer says.
func (b *Backend) StoreShared(_ context.Context, mode core.Mode, item core.Item, value any) error {
	item.Value = nil
	return b.store(mode, item, &sharedValue{value})
}

// StoreMulti stores items on mode's condition, as core.MultiStorer says.
func (b *Backend) StoreMulti(ctx context.Context, mode core.Mode, items []core.Item) error {
	var failed core.MultiError
	patience := patience{ctx: ctx}
	for i, item := range items {
		err := patience.at(i)
		if err == nil {
			err = b.store(mode, item, nil)
		}
		failed.Add(item.Key, err)
	}
	return failed.Err()
}

// Delete deletes the item under key, as core.Backend says.
func (b *Backend) Delete(_ context.Context, key string) error {
	sh := b.shardOf(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e := sh.live(key, b.now())
	if e == nil {
		return core.ErrMiss
	}
	sh.drop(e)
	return nil
}

// DeleteMulti deletes keys, as core.MultiDeleter says.
func (b *Backend) DeleteMulti(ctx context.Context, keys []string) error {
	var failed core.MultiError
	patience := patience{ctx: ctx}
	for i, key := range keys {
		err := patience.at(i)
		if err == nil {
			if err = b.Delete(ctx, key); err == core.ErrMiss {
				err = nil
			}
		}
		failed.Add(key, err)
	}
	return failed.Err()
}

// Incr adds delta to a counter, as core.Backend says.
func (b *Backend) Incr(_ context.Context, key string, delta uint64) (uint64, error) {
	return b.move(key, func(n uint64) uint64 { return n + delta })
}

// Decr subtracts delta from a counter, as core.Backend says.
func (b *Backend) Decr(_ context.Context, key string, delta uint64) (uint64, error) {
	return b.move(key, func(n uint64) uint64 { return n - min(n, delta) })
}

func (b *Backend) move(key string, to func(uint64) uint64) (uint64, error) {
	sh := b.shardOf(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e := sh.entries[key]
	if e == nil || e.deadline != 0 && sh.dropExpired(e, b.now()) {
		return 0, core.ErrMiss
	}
	sh.use(e)
	n, err := e.count()
	if err != nil {
		return 0, err
	}
	n = to(n)
	sh.setCount(e, n)
	return n, nil
}

// Touch gives the item under key a new time to live, as core.Backend says.
func (b *Backend) Touch(_ context.Context, key string, ttl time.Duration) error {
	sh := b.shardOf(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	now := b.now()
	e := sh.live(key, now)
	if e == nil {
		return core.ErrMiss
	}
	sh.use(e)
	sh.setDeadline(e, deadline(now, ttl), now)
	return nil
}

// TTL answers how long the item under key has to live, as core.TTLReader says.
func (b *Backend) TTL(_ context.Context, key string) (time.Duration, error) {
	sh := b.shardOf(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e := sh.entries[key]
	switch {
	case e == nil:
		return 0, core.ErrMiss
	case e.deadline == 0:
		return 0, nil
	}
	left := e.deadline - b.now()
	if left <= 0 {
		return 0, core.ErrMiss
	}
	return time.Duration(left), nil
}

// Keys yields the keys that begin with prefix, as core.KeyLister says. It holds
// no lock while the loop's body runs.
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

// keys answers the keys of what is live and begins with prefix.
func (sh *shard) keys(prefix string) []string {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	now := sh.owner.now()
	var keys []string
	for key, e := range sh.entries {
		if strings.HasPrefix(key, prefix) && !e.expired(now) {
			keys = append(keys, key)
		}
	}
	return keys
}

// A patience is that of a caller with many keys: it looks at the context now and
// then, and once that is done it is done for all keys that follow.
type patience struct {
	ctx context.Context
	err error
}

func (p *patience) at(i int) error {
	if p.err == nil && i%256 == 0 {
		p.err = p.ctx.Err()
	}
	return p.err
}
