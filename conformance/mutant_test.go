package conformance

import (
	"context"
	"iter"
	"time"

	"github.com/cachewire/cachewire/core"
)

// A mutant is a backend with a planted fault. Each method calls a function. This is the
// method of the reference, unless the fault replaces it.
type mutant struct {
	*reference

	get         func(ctx context.Context, key string) (core.Item, error)
	getValue    func(ctx context.Context, key string) ([]byte, error)
	store       func(ctx context.Context, mode core.Mode, item core.Item) error
	del         func(ctx context.Context, key string) error
	incr        func(ctx context.Context, key string, delta uint64) (uint64, error)
	decr        func(ctx context.Context, key string, delta uint64) (uint64, error)
	incrFrom    startFunc
	decrFrom    startFunc
	touch       func(ctx context.Context, key string, ttl time.Duration) error
	flush       func(ctx context.Context) error
	close       func() error
	getMulti    func(ctx context.Context, keys []string) ([]core.Item, error)
	storeMulti  func(ctx context.Context, mode core.Mode, items []core.Item) error
	deleteMulti func(ctx context.Context, keys []string) error
	ttl         func(ctx context.Context, key string) (time.Duration, error)
	itemTTL     func(ctx context.Context, key string) (core.Item, error)
	keys        func(ctx context.Context, prefix string) iter.Seq2[string, error]
	ping        func(ctx context.Context) error
	stats       func(ctx context.Context) (core.Stats, error)
	getShared   func(ctx context.Context, key string) (any, any, error)
	storeShared func(ctx context.Context, mode core.Mode, item core.Item, value any) error
	traits      core.Traits
}

// A startFunc is a method of core.CounterStarter.
type startFunc func(ctx context.Context, key string, delta, initial uint64, ttl time.Duration) (
	uint64, error)

// newMutant returns the reference with the fault that plant sets.
func newMutant(plant func(m *mutant)) *mutant {
	r := newReference()
	m := &mutant{
		reference:   r,
		get:         r.GetItem,
		store:       r.Store,
		del:         r.Delete,
		incr:        r.Incr,
		decr:        r.Decr,
		touch:       r.Touch,
		flush:       r.Flush,
		close:       r.Close,
		getMulti:    r.GetItems,
		storeMulti:  r.StoreMulti,
		deleteMulti: r.DeleteMulti,
		ttl:         r.TTL,
		keys:        r.Keys,
		ping:        r.Ping,
		stats:       r.Stats,
		getShared:   r.GetShared,
		storeShared: r.StoreShared,
	}
	m.getValue = func(ctx context.Context, key string) ([]byte, error) {
		item, err := m.get(ctx, key)
		return item.Value, err
	}
	m.itemTTL = m.readItemTTL
	// By default these have the faults of Incr, Decr and Add.
	m.incrFrom = m.start(func() changeFunc { return m.incr }, func(n, delta uint64) uint64 {
		return n + delta
	})
	m.decrFrom = m.start(func() changeFunc { return m.decr }, func(n, delta uint64) uint64 {
		return n - min(n, delta)
	})
	r.self = m
	plant(m)
	return m
}

func (m *mutant) GetItem(ctx context.Context, key string) (core.Item, error) {
	return m.get(ctx, key)
}

func (m *mutant) Get(ctx context.Context, key string) ([]byte, error) {
	return m.getValue(ctx, key)
}

func (m *mutant) Store(ctx context.Context, mode core.Mode, item core.Item) error {
	return m.store(ctx, mode, item)
}

func (m *mutant) Delete(ctx context.Context, key string) error { return m.del(ctx, key) }

func (m *mutant) Incr(ctx context.Context, key string, delta uint64) (uint64, error) {
	return m.incr(ctx, key, delta)
}

func (m *mutant) Decr(ctx context.Context, key string, delta uint64) (uint64, error) {
	return m.decr(ctx, key, delta)
}

func (m *mutant) IncrFrom(
	ctx context.Context, key string, delta, initial uint64, ttl time.Duration,
) (uint64, error) {

	return m.incrFrom(ctx, key, delta, initial, ttl)
}

func (m *mutant) DecrFrom(
	ctx context.Context, key string, delta, initial uint64, ttl time.Duration,
) (uint64, error) {

	return m.decrFrom(ctx, key, delta, initial, ttl)
}

type changeFunc func(ctx context.Context, key string, delta uint64) (uint64, error)

// start returns a startFunc that calls change, and stores a new counter if there is none.
func (m *mutant) start(change func() changeFunc, add func(n, delta uint64) uint64) startFunc {
	return func(ctx context.Context, key string, delta, initial uint64, ttl time.Duration) (
		uint64, error) {

		for range 100 {
			n, err := change()(ctx, key, delta)
			if err != core.ErrMiss {
				return n, err
			}
			n = add(initial, delta)
			item := core.Item{Key: key, Flags: core.FlagInt, TTL: ttl, Value: digits(n)}
			if err := m.store(ctx, core.Add, item); err != core.ErrExists {
				return n, err
			}
		}
		return 0, core.ErrConflict
	}
}

func (m *mutant) Touch(ctx context.Context, key string, ttl time.Duration) error {
	return m.touch(ctx, key, ttl)
}

func (m *mutant) Flush(ctx context.Context) error { return m.flush(ctx) }

func (m *mutant) Close() error { return m.close() }

func (m *mutant) GetItems(ctx context.Context, keys []string) ([]core.Item, error) {
	return m.getMulti(ctx, keys)
}

func (m *mutant) StoreMulti(ctx context.Context, mode core.Mode, items []core.Item) error {
	return m.storeMulti(ctx, mode, items)
}

func (m *mutant) DeleteMulti(ctx context.Context, keys []string) error {
	return m.deleteMulti(ctx, keys)
}

func (m *mutant) TTL(ctx context.Context, key string) (time.Duration, error) {
	return m.ttl(ctx, key)
}

func (m *mutant) Keys(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return m.keys(ctx, prefix)
}

func (m *mutant) Ping(ctx context.Context) error { return m.ping(ctx) }

func (m *mutant) Stats(ctx context.Context) (core.Stats, error) { return m.stats(ctx) }

func (m *mutant) GetShared(ctx context.Context, key string) (value, token any, err error) {
	return m.getShared(ctx, key)
}

func (m *mutant) StoreShared(ctx context.Context, mode core.Mode, item core.Item, value any) error {
	return m.storeShared(ctx, mode, item, value)
}

func (m *mutant) Traits() core.Traits { return m.traits }

// mapKeys makes GetItem, Store and Delete use change(key) instead of key.
func (m *mutant) mapKeys(change func(key string) string) {
	r := m.reference
	m.get = func(ctx context.Context, key string) (core.Item, error) {
		return r.GetItem(ctx, change(key))
	}
	m.store = func(ctx context.Context, mode core.Mode, item core.Item) error {
		item.Key = change(item.Key)
		return r.Store(ctx, mode, item)
	}
	m.del = func(ctx context.Context, key string) error { return r.Delete(ctx, change(key)) }
}

// changeItems makes Store call change with each item before it stores the item.
func (m *mutant) changeItems(change func(mode core.Mode, item *core.Item)) {
	m.store = func(ctx context.Context, mode core.Mode, item core.Item) error {
		change(mode, &item)
		return m.reference.Store(ctx, mode, item)
	}
}

// replaceMode makes Store use the mode "to" instead of the mode "from".
func (m *mutant) replaceMode(from, to core.Mode) {
	m.store = func(ctx context.Context, mode core.Mode, item core.Item) error {
		if mode == from {
			mode = to
		}
		return m.reference.Store(ctx, mode, item)
	}
}

// keepNothing makes the mutant a correct null cache.
func (m *mutant) keepNothing() {
	m.traits = core.Traits{KeepsNothing: true}
	m.store = func(context.Context, core.Mode, core.Item) error { return nil }
	m.del = func(context.Context, string) error { return nil }
	m.touch = func(context.Context, string, time.Duration) error { return nil }
	m.incrFrom = func(context.Context, string, uint64, uint64, time.Duration) (uint64, error) {
		return 0, core.ErrMiss
	}
	m.decrFrom = m.incrFrom
	m.storeShared = func(context.Context, core.Mode, core.Item, any) error { return nil }
}

// readItemTTL is the method of core.ItemTTLReader, with the faults of GetItem and TTL.
func (m *mutant) readItemTTL(ctx context.Context, key string) (core.Item, error) {
	item, err := m.get(ctx, key)
	if err == nil {
		item.TTL, err = m.ttl(ctx, key)
	}
	return item, err
}

func (m *mutant) GetItemTTL(ctx context.Context, key string) (core.Item, error) {
	return m.itemTTL(ctx, key)
}

func (m *mutant) GetItemsTTL(ctx context.Context, keys []string) ([]core.Item, error) {
	var items []core.Item
	var failed core.MultiError
	for _, key := range keys {
		item, err := m.itemTTL(ctx, key)
		if item.Key = key; err == nil {
			items = append(items, item)
		} else if err != core.ErrMiss {
			failed.Add(key, err)
		}
	}
	return items, failed.Err()
}
