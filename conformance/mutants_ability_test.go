package conformance

import (
	"errors"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cachewire/cachewire/core"
)

var abilityMutants = []mutation{
	{"Traits have a negative resolution", "traits", func(m *mutant) { m.traits.Resolution = -1 }},
	{"Get returns a counter without its digits", "ability-value", func(m *mutant) {
		m.getValue = func(ctx ctxt, key string) ([]byte, error) {
			item, err := m.get(ctx, key)
			if _, err := core.ParseCount(item.Value); err == nil {
				return nil, nil
			}
			return item.Value, err
		}
	}},
	{"Get returns a shared value as empty bytes", "ability-value", func(m *mutant) {
		m.getValue = func(ctx ctxt, key string) ([]byte, error) {
			item, err := m.get(ctx, key)
			if errors.Is(err, core.ErrCodec) {
				err = nil
			}
			return item.Value, err
		}
	}},
	{"GetItem cuts values that Get returns whole", "value-bytes value-lengths", func(m *mutant) {
		m.getValue = func(ctx ctxt, key string) ([]byte, error) {
			item, err := m.reference.GetItem(ctx, key)
			return item.Value, err
		}
		m.get = func(ctx ctxt, key string) (core.Item, error) {
			item, err := m.reference.GetItem(ctx, key)
			item.Value = item.Value[:len(item.Value)/2]
			return item, err
		}
	}},
	{"Get returns the value that the previous Get read", "race-history", func(m *mutant) {
		var last sync.Map
		m.getValue = func(ctx ctxt, key string) ([]byte, error) {
			item, err := m.get(ctx, key)
			if before, ok := last.Swap(key, item.Value); ok && err == nil {
				return before.([]byte), nil
			}
			return item.Value, err
		}
	}},
	{"GetItemTTL leaves the TTL 0", "ability-itemttl", func(m *mutant) {
		m.itemTTL = func(ctx ctxt, key string) (core.Item, error) { return m.get(ctx, key) }
	}},
	{"GetItemTTL loses the flags", "ability-itemttl", func(m *mutant) {
		m.itemTTL = func(ctx ctxt, key string) (core.Item, error) {
			item, err := m.readItemTTL(ctx, key)
			item.Flags = 0
			return item, err
		}
	}},
	{"GetItemTTL loses the token", "ability-itemttl", func(m *mutant) {
		m.itemTTL = func(ctx ctxt, key string) (core.Item, error) {
			item, err := m.readItemTTL(ctx, key)
			item.Token = nil
			return item, err
		}
	}},
	{"GetItemTTL of an absent key returns an empty item", "ability-itemttl", func(m *mutant) {
		m.itemTTL = func(ctx ctxt, key string) (core.Item, error) {
			item, err := m.readItemTTL(ctx, key)
			if err == core.ErrMiss {
				err = nil
			}
			return item, err
		}
	}},
	{"GetItems returns all items", "ability-multiget", func(m *mutant) {
		m.getMulti = func(ctx ctxt, _ []string) ([]core.Item, error) {
			var all []string
			for key := range m.Keys(ctx, "") {
				all = append(all, key)
			}
			return m.reference.GetItems(ctx, all)
		}
	}},
	{"GetItems returns no tokens", "ability-multiget", func(m *mutant) {
		m.getMulti = func(ctx ctxt, keys []string) ([]core.Item, error) {
			items, err := m.reference.GetItems(ctx, keys)
			for i := range items {
				items[i].Token = nil
			}
			return items, err
		}
	}},
	{"Keys yields expired keys", "ability-keys", func(m *mutant) {
		m.keys = func(_ ctxt, prefix string) iter.Seq2[string, error] {
			return func(yield func(string, error) bool) {
				m.mu.Lock()
				keys := slices.Collect(maps.Keys(m.items))
				m.mu.Unlock()
				for _, key := range keys {
					if strings.HasPrefix(key, prefix) && !yield(key, nil) {
						return
					}
				}
			}
		}
	}},
	{"Keys treats the prefix as a pattern", "ability-keys", func(m *mutant) {
		m.keys = func(ctx ctxt, prefix string) iter.Seq2[string, error] {
			return m.reference.Keys(ctx, strings.TrimSuffix(prefix, "*"))
		}
	}},
	{"tokens of GetItems never conflict", "ability-multiget", func(m *mutant) {
		type goodToken struct{}
		m.getMulti = func(ctx ctxt, keys []string) ([]core.Item, error) {
			items, err := m.reference.GetItems(ctx, keys)
			for i := range items {
				items[i].Token = goodToken{}
			}
			return items, err
		}
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if item.Token == any(goodToken{}) {
				mode = core.Set
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},
	{"GetItems drops the error of a key", "ability-multiget", func(m *mutant) {
		m.getMulti = func(ctx ctxt, keys []string) ([]core.Item, error) {
			items, _ := m.reference.GetItems(ctx, keys)
			return items, nil
		}
	}},
	{"Keys leaves out long keys", "ability-keys", func(m *mutant) {
		m.keys = func(ctx ctxt, prefix string) iter.Seq2[string, error] {
			return func(yield func(string, error) bool) {
				for key, err := range m.reference.Keys(ctx, prefix) {
					if len(key) <= 250 && !yield(key, err) {
						return
					}
				}
			}
		}
	}},
	{"Stats count deleted items", "ability-stats", func(m *mutant) {
		deleted := uint64(0)
		m.del = func(ctx ctxt, key string) error { deleted++; return m.reference.Delete(ctx, key) }
		m.stats = func(ctx ctxt) (core.Stats, error) {
			s, err := m.reference.Stats(ctx)
			s.Items += deleted
			return s, err
		}
	}},
	{"Replace of a shared value ignores the time to live", "ability-shared", func(m *mutant) {
		m.storeShared = func(ctx ctxt, mode core.Mode, item core.Item, value any) error {
			if mode == core.Replace {
				item.TTL = 0
			}
			return m.reference.StoreShared(ctx, mode, item, value)
		}
	}},
	{"Ping fails", "ability-ping", func(m *mutant) {
		m.ping = func(ctxt) error { return core.ErrUnavailable }
	}},
	{"Stats count a miss as a hit", "ability-stats", func(m *mutant) {
		m.stats = func(ctx ctxt) (core.Stats, error) {
			s, err := m.reference.Stats(ctx)
			s.Hits += s.Misses
			return s, err
		}
	}},
	{"GetItem of a shared value returns no bytes and no error", "ability-shared", func(m *mutant) {
		m.get = func(ctx ctxt, key string) (core.Item, error) {
			item, err := m.reference.GetItem(ctx, key)
			if err == core.ErrCodec {
				return core.Item{Key: key}, nil
			}
			return item, err
		}
	}},
	{"StoreShared ignores the condition of the mode", "ability-shared", func(m *mutant) {
		m.storeShared = func(ctx ctxt, mode core.Mode, item core.Item, value any) error {
			if mode != core.CompareAndDelete {
				mode = core.Set
			}
			return m.reference.StoreShared(ctx, mode, item, value)
		}
	}},
	{"Touch returns errors.ErrUnsupported", "ability-unsupported", func(m *mutant) {
		m.touch = func(ctxt, string, time.Duration) error { return errors.ErrUnsupported }
	}},
}
