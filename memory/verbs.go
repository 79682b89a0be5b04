package memory

import (
	"context"
	"iter"
	"strings"
	"time"

	"github.com/cachewire/cachewire/core"
)

// GetItem answers the item under key, as core.Backend says.
func (b *Backend) GetItem(_ context.Context, key string) (core.Item, error) {
	hash := b.hash(key)
	sh := b.shardOf(hash)
	e := sh.read(hash, key)
	if e == nil {
		return core.Item{}, core.ErrMiss
	}
	if e.kind() == plain {
		return core.Item{Key: key, Value: e.plainValue(), Flags: e.flags, Token: e}, nil
	}
	return sh.getRare(hash, key)
}

// Get answers the value under key, as core.ValueGetter says.
func (b *Backend) Get(_ context.Context, key string) ([]byte, error) {
	hash := b.hash(key)
	sh := b.shardOf(hash)
	e := sh.read(hash, key)
	if e == nil {
		return nil, core.ErrMiss
	}
	if e.kind() == plain {
		return e.plainValue(), nil
	}
	item, err := sh.getRare(hash, key)
	return item.Value, err
}

// getRare is Get for an entry that is not plain, which may be gone.
func (sh *shard) getRare(hash uint64, key string) (core.Item, error) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e, _ := sh.live(hash, key, sh.owner.now())
	switch {
	case e == nil:
		return core.Item{}, core.ErrMiss
	case e.kind() == shared:
		return core.Item{}, errHoldsShared
	}
	value, token := e.item()
	return core.Item{Key: key, Value: value, Flags: e.flags, Token: token}, nil
}

// GetItems answers the items that are there, as core.MultiGetter says.
func (b *Backend) GetItems(ctx context.Context, keys []string) ([]core.Item, error) {
	items := make([]core.Item, 0, len(keys))
	var failed core.MultiError
	patience := patience{ctx: ctx}
	for i, key := range keys {
		var item core.Item
		err := patience.at(i)
		if err == nil {
			item, err = b.GetItem(ctx, key)
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
	hash := b.hash(key)
	e := b.shardOf(hash).read(hash, key)
	switch {
	case e == nil:
		return nil, nil, core.ErrMiss
	case e.kind() != shared:
		return nil, nil, errHoldsBytes
	}
	return e.box().shared, e, nil
}

// Store stores item on mode's condition, as core.Backend says. With a bound, an
// item that alone is larger is core.ErrTooLarge, and what was there stays.
func (b *Backend) Store(_ context.Context, mode core.Mode, item core.Item) error {
	return b.store(mode, &item, nil, false)
}

// StoreShared stores value as it is, as core.SharedStorer says.
func (b *Backend) StoreShared(_ context.Context, mode core.Mode, item core.Item, value any) error {
	item.Value = nil
	return b.store(mode, &item, value, true)
}

// StoreMulti stores items on mode's condition, as core.MultiStorer says.
func (b *Backend) StoreMulti(ctx context.Context, mode core.Mode, items []core.Item) error {
	var failed core.MultiError
	patience := patience{ctx: ctx}
	for i, item := range items {
		err := patience.at(i)
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
	e, _ := sh.live(hash, key, b.now())
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
	return b.move(key, delta, false)
}

// Decr subtracts delta from a counter, as core.Backend says.
func (b *Backend) Decr(_ context.Context, key string, delta uint64) (uint64, error) {
	return b.move(key, delta, true)
}

func (b *Backend) move(key string, delta uint64, down bool) (uint64, error) {
	hash := b.hash(key)
	sh := b.shardOf(hash)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e, s := sh.table.Load().find(hash, key)
	if e == nil {
		return 0, core.ErrMiss
	}
	if deadline := e.deadline.Load(); deadline != 0 && b.passed(deadline) && sh.dropExpired(e, b.now()) {
		return 0, core.ErrMiss
	}
	sh.use(e)
	n, err := e.count()
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
	c := e.asCounter(n)
	more := b.bounds.cost(c) - b.bounds.cost(e) // which is not above 0
	b.bounds.release(0, -more)
	sh.replace(e, c, s, more)
	return n, nil
}

// Touch gives the item under key a new time to live, as core.Backend says.
func (b *Backend) Touch(_ context.Context, key string, ttl time.Duration) error {
	hash := b.hash(key)
	sh := b.shardOf(hash)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	now := b.now()
	e, s := sh.live(hash, key, now)
	if e == nil {
		return core.ErrMiss
	}
	sh.use(e)
	sh.setDeadline(s, e, deadline(now, ttl), now)
	return nil
}

// TTL answers how long the item under key has to live, as core.TTLReader says.
func (b *Backend) TTL(_ context.Context, key string) (time.Duration, error) {
	hash := b.hash(key)
	sh := b.shardOf(hash)
	e, _ := sh.table.Load().find(hash, key)
	if e == nil {
		return 0, core.ErrMiss
	}
	deadline := e.deadline.Load()
	if deadline == 0 {
		return 0, nil
	}
	if left := deadline - b.now(); left > 0 {
		return time.Duration(left), nil
	}
	// It may have been replaced before its time was over.
	sh.mu.Lock()
	defer sh.mu.Unlock()
	now := b.now()
	switch e, _ := sh.live(hash, key, now); {
	case e == nil:
		return 0, core.ErrMiss
	case e.deadline.Load() == 0:
		return 0, nil
	default:
		return time.Duration(e.deadline.Load() - now), nil
	}
}

// Keys yields the keys that begin with prefix, as core.KeyLister says. It takes
// no lock.
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

// keys answers the keys of what is live and begins with prefix. A table that is replaced
// meanwhile still holds what was there from the beginning.
func (sh *shard) keys(prefix string) []string {
	now := sh.owner.now()
	var keys []string
	sh.table.Load().all(func(_ slot, e *entry) bool {
		if key := e.key(); strings.HasPrefix(key, prefix) && !e.expired(now) {
			keys = append(keys, strings.Clone(key)) // which does not keep the block
		}
		return true
	})
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
