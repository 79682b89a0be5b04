package conformance

import (
	"errors"
	"sync"
	"time"

	"github.com/cachewire/cachewire/core"
)

var raceMutants = []planted{
	{"Add looks first and stores then", "race-add race-incrfrom", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if mode == core.Add {
				if _, err := m.reference.GetItem(ctx, item.Key); err == nil {
					return core.ErrExists
				}
				yield()
				mode = core.Set
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},
	{"Incr reads first and stores then", "race-incr race-counter-history", func(m *mutant) {
		m.incr = func(ctx ctxt, key string, delta uint64) (uint64, error) {
			m.mu.Lock()
			old := m.find(key)
			m.mu.Unlock()
			yield()
			n, err := m.reference.Incr(ctx, key, delta)
			if err != nil || old == nil {
				return n, err
			}
			n, err = core.ParseCount(old.value)
			return n + delta, errors.Join(err, m.reference.Store(ctx, core.Set, core.Item{Key: key, Value: digits(n + delta)}))
		}
	}},
	{"CompareAndSwap compares first and swaps then", "race-cas", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if mode == core.CompareAndSwap {
				if now, err := m.reference.GetItem(ctx, item.Key); err != nil || now.Token != item.Token {
					return core.ErrConflict
				}
				yield()
				mode = core.Set
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},
	{"Delete looks first and deletes then", "race-delete", func(m *mutant) {
		m.del = func(ctx ctxt, key string) error {
			if _, err := m.reference.GetItem(ctx, key); err != nil {
				return err
			}
			yield()
			m.reference.Delete(ctx, key)
			return nil
		}
	}},
	{"CompareAndDelete compares first and deletes then", "race-delete", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if mode != core.CompareAndDelete {
				return m.reference.Store(ctx, mode, item)
			}
			switch now, err := m.reference.GetItem(ctx, item.Key); {
			case err != nil:
				return err
			case now.Token != item.Token:
				return core.ErrConflict
			}
			yield()
			m.reference.Delete(ctx, item.Key)
			return nil
		}
	}},
	{"StoreMulti keeps the value it is at in a variable that all share", "race-multi", func(m *mutant) {
		var mu sync.Mutex
		var value []byte
		m.storeMulti = func(ctx ctxt, mode core.Mode, items []core.Item) error {
			for _, item := range items {
				mu.Lock()
				value = item.Value
				mu.Unlock()
				yield()
				mu.Lock()
				item.Value = value
				mu.Unlock()
				m.reference.Store(ctx, mode, item)
			}
			return nil
		}
	}},
	{"Touch is Get and Set", "race-history", func(m *mutant) {
		m.touch = func(ctx ctxt, key string, ttl time.Duration) error {
			item, err := m.reference.GetItem(ctx, key)
			if err != nil {
				return err
			}
			yield()
			item.TTL = ttl
			return m.reference.Store(ctx, core.Set, item)
		}
	}},
}
