package conformance

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cachewire/cachewire/core"
)

var raceMutants = []mutation{
	{"Add checks and stores in two steps", "race-add race-incrfrom", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if mode == core.Add {
				if _, err := m.reference.GetItem(ctx, item.Key); err == nil {
					return core.ErrExists
				}
				letOthersRun()
				mode = core.Set
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},
	{"Incr reads and stores in two steps", "race-incr race-history", func(m *mutant) {
		m.incr = func(ctx ctxt, key string, delta uint64) (uint64, error) {
			m.mu.Lock()
			old := m.find(key)
			m.mu.Unlock()
			letOthersRun()
			n, err := m.reference.Incr(ctx, key, delta)
			if err != nil || old == nil {
				return n, err
			}
			n, err = core.ParseCount(old.value)
			item := core.Item{Key: key, Value: digits(n + delta)}
			return n + delta, errors.Join(err, m.reference.Store(ctx, core.Set, item))
		}
	}},
	{"CompareAndSwap compares and stores in two steps", "race-cas", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if mode == core.CompareAndSwap {
				current, err := m.reference.GetItem(ctx, item.Key)
				if err != nil || current.Token != item.Token {
					return core.ErrConflict
				}
				letOthersRun()
				mode = core.Set
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},
	{"Delete checks and deletes in two steps", "race-delete", func(m *mutant) {
		m.del = func(ctx ctxt, key string) error {
			if _, err := m.reference.GetItem(ctx, key); err != nil {
				return err
			}
			letOthersRun()
			m.reference.Delete(ctx, key)
			return nil
		}
	}},
	{"CompareAndDelete compares and deletes in two steps", "race-delete", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if mode != core.CompareAndDelete {
				return m.reference.Store(ctx, mode, item)
			}
			switch current, err := m.reference.GetItem(ctx, item.Key); {
			case err != nil:
				return err
			case current.Token != item.Token:
				return core.ErrConflict
			}
			letOthersRun()
			m.reference.Delete(ctx, item.Key)
			return nil
		}
	}},
	{"StoreMulti keeps the current value in a shared variable", "race-multi", func(m *mutant) {
		var mu sync.Mutex
		var value []byte
		m.storeMulti = func(ctx ctxt, mode core.Mode, items []core.Item) error {
			for _, item := range items {
				mu.Lock()
				value = item.Value
				mu.Unlock()
				letOthersRun()
				mu.Lock()
				item.Value = value
				mu.Unlock()
				m.reference.Store(ctx, mode, item)
			}
			return nil
		}
	}},
	{"every 7,919th increment is lost", "race-incr-many", func(m *mutant) {
		var calls atomic.Int64
		m.incr = func(ctx ctxt, key string, delta uint64) (uint64, error) {
			if calls.Add(1)%7919 == 0 {
				n, err := m.reference.Incr(ctx, key, 0)
				return n + delta, err
			}
			return m.reference.Incr(ctx, key, delta)
		}
	}},
	{"Touch stores the value that it has read", "race-cas-incr-touch", func(m *mutant) {
		changed := make(chan struct{})
		m.incr = func(ctx ctxt, key string, delta uint64) (uint64, error) {
			n, err := m.reference.Incr(ctx, key, delta)
			select {
			case changed <- struct{}{}:
			default:
			}
			return n, err
		}
		m.touch = func(ctx ctxt, key string, ttl time.Duration) error {
			item, err := m.reference.GetItem(ctx, key)
			if err != nil {
				return err
			}
			select {
			case <-changed:
			case <-time.After(time.Millisecond):
			}
			item.TTL = ttl
			return m.reference.Store(ctx, core.Set, item)
		}
	}},
	{"Incr of a counter that expires revives it", "race-history", func(m *mutant) {
		m.incr = func(ctx ctxt, key string, delta uint64) (uint64, error) {
			m.mu.Lock()
			if it := m.items[key]; it != nil {
				revived := *it
				revived.expires = time.Time{}
				m.items[key] = &revived
			}
			m.mu.Unlock()
			return m.reference.Incr(ctx, key, delta)
		}
	}},
	{"DeleteMulti leaves a key that has just been stored", "race-history", func(m *mutant) {
		var last atomic.Value
		m.changeItems(func(_ core.Mode, item *core.Item) { last.Store(item.Key) })
		m.deleteMulti = func(ctx ctxt, keys []string) error {
			keep := last.Load()
			return m.reference.DeleteMulti(ctx, slices.DeleteFunc(slices.Clone(keys),
				func(key string) bool { return any(key) == keep }))
		}
	}},
	{"Touch is Get and Set", "race-history", func(m *mutant) {
		m.touch = func(ctx ctxt, key string, ttl time.Duration) error {
			item, err := m.reference.GetItem(ctx, key)
			if err != nil {
				return err
			}
			letOthersRun()
			item.TTL = ttl
			return m.reference.Store(ctx, core.Set, item)
		}
	}},
}
