package conformance

import (
	"math"
	"time"

	"github.com/cachewire/cachewire/core"
)

var ttlMutants = []mutation{
	{"items never expire", "ttl-verbs ttl-fraction ttl-shorter ability-ttl", func(m *mutant) {
		m.changeItems(func(_ core.Mode, item *core.Item) { item.TTL = 0 })
		m.touch = func(ctx ctxt, key string, _ time.Duration) error {
			return m.reference.Touch(ctx, key, 0)
		}
	}},
	{"Add ignores the time to live", "ttl-verbs", func(m *mutant) {
		m.changeItems(func(mode core.Mode, item *core.Item) {
			if mode == core.Add {
				item.TTL = 0
			}
		})
	}},
	{"items expire a fifth too early", "ttl-verbs ttl-fraction ttl-counter", func(m *mutant) {
		m.changeItems(func(_ core.Mode, item *core.Item) { item.TTL -= item.TTL / 5 })
	}},
	{"items expire a fifth too late", "ttl-verbs ttl-fraction", func(m *mutant) {
		m.changeItems(func(_ core.Mode, item *core.Item) { item.TTL += item.TTL / 5 })
	}},
	{"the time to live is cut to whole seconds", "ttl-fraction", func(m *mutant) {
		m.changeItems(func(_ core.Mode, item *core.Item) {
			item.TTL = item.TTL.Truncate(time.Second)
		})
	}},
	{"StoreMulti gives all items the time to live of the first", "ttl-each", func(m *mutant) {
		m.storeMulti = func(ctx ctxt, mode core.Mode, items []core.Item) error {
			for i := range items {
				items[i].TTL = items[0].TTL
			}
			return m.reference.StoreMulti(ctx, mode, items)
		}
	}},
	{"Replace of an expired item succeeds", "ttl-expired", func(m *mutant) {
		stored := map[string]bool{}
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if mode == core.Replace && stored[item.Key] {
				mode = core.Set
			}
			stored[item.Key] = true
			return m.reference.Store(ctx, mode, item)
		}
	}},
	{"Delete of an expired item succeeds", "ttl-expired", func(m *mutant) {
		m.del = func(ctx ctxt, key string) error {
			m.mu.Lock()
			_, present := m.items[key]
			m.mu.Unlock()
			if err := m.reference.Delete(ctx, key); !present {
				return err
			}
			return nil
		}
	}},
	{"Incr revives an expired counter", "ttl-expired", func(m *mutant) {
		m.incr = func(ctx ctxt, key string, delta uint64) (uint64, error) {
			m.mu.Lock()
			if it := m.items[key]; it != nil && !time.Now().Before(it.expires) {
				it.expires = time.Time{}
			}
			m.mu.Unlock()
			return m.reference.Incr(ctx, key, delta)
		}
	}},
	{"a store without a time to live keeps the old one", "ttl-new", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			left, err := m.reference.TTL(ctx, item.Key)
			if err == nil && left > 0 && item.TTL == 0 {
				item.TTL = left
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},
	{"Replace without a time to live keeps the old one", "ttl-replaced", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			left, err := m.reference.TTL(ctx, item.Key)
			if err == nil && item.TTL == 0 && mode == core.Replace {
				item.TTL = left
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},
	{"CompareAndSwap keeps the old time to live", "ttl-replaced", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			left, err := m.reference.TTL(ctx, item.Key)
			if err == nil && mode == core.CompareAndSwap && left > 0 {
				item.TTL = min(left, max(item.TTL, left))
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},
	{"a refused Add changes the time to live", "ttl-untouched", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			err := m.reference.Store(ctx, mode, item)
			if err == core.ErrExists {
				m.reference.Touch(ctx, item.Key, item.TTL)
			}
			return err
		}
	}},
	{"GetMulti doubles the time to live", "ttl-untouched", func(m *mutant) {
		m.getMulti = func(ctx ctxt, keys []string) ([]core.Item, error) {
			for _, key := range keys {
				if left, err := m.reference.TTL(ctx, key); err == nil && left > 0 {
					m.reference.Touch(ctx, key, 2*left)
				}
			}
			return m.reference.GetItems(ctx, keys)
		}
	}},
	{"items without a time to live expire after a year", "ttl-forever", func(m *mutant) {
		m.changeItems(func(_ core.Mode, item *core.Item) {
			if item.TTL == 0 {
				item.TTL = 365 * 24 * time.Hour
			}
		})
	}},
	{"Touch cannot lengthen the time to live", "ttl-new", func(m *mutant) {
		m.touch = func(ctx ctxt, key string, ttl time.Duration) error {
			left, err := m.reference.TTL(ctx, key)
			if err == nil && left > 0 && (ttl == 0 || ttl > left) {
				return nil
			}
			return m.reference.Touch(ctx, key, ttl)
		}
	}},
	{"Touch cannot shorten the time to live", "ttl-shorter", func(m *mutant) {
		m.touch = func(ctx ctxt, key string, ttl time.Duration) error {
			if left, err := m.reference.TTL(ctx, key); err == nil && left > ttl {
				return nil
			}
			return m.reference.Touch(ctx, key, ttl)
		}
	}},
	{"Incr removes the time to live", "ttl-counter", func(m *mutant) {
		m.incr = func(ctx ctxt, key string, delta uint64) (uint64, error) {
			n, err := m.reference.Incr(ctx, key, delta)
			m.reference.Touch(ctx, key, 0)
			return n, err
		}
	}},
	{"a time to live of thirty days is taken for a date in 1970", "ttl-far", func(m *mutant) {
		m.changeItems(func(_ core.Mode, item *core.Item) {
			if item.TTL >= 30*24*time.Hour {
				item.TTL = 1
			}
		})
	}},
	{"a long time to live overflows", "ttl-far", func(m *mutant) {
		m.touch = func(ctx ctxt, key string, ttl time.Duration) error {
			if ttl > math.MaxInt64/2 {
				return m.reference.Delete(ctx, key)
			}
			return m.reference.Touch(ctx, key, ttl)
		}
	}},
	{"TTL is cut to whole hours", "ability-ttl", func(m *mutant) {
		m.ttl = func(ctx ctxt, key string) (time.Duration, error) {
			left, err := m.reference.TTL(ctx, key)
			return left.Truncate(time.Hour), err
		}
	}},
}
