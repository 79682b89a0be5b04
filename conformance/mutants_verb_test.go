package conformance

import (
	"errors"
	"strings"
	"time"

	"github.com/cachewire/cachewire/core"
)

var verbMutants = []mutation{
	{"Get returns an empty value for an absent key", "get-absent count-absent", func(m *mutant) {
		m.get = func(ctx ctxt, key string) (core.Item, error) {
			item, _ := m.reference.GetItem(ctx, key)
			return item, nil
		}
	}},
	{"Get deletes the item", "get-present", func(m *mutant) {
		m.get = func(ctx ctxt, key string) (core.Item, error) {
			item, err := m.reference.GetItem(ctx, key)
			m.reference.Delete(ctx, key)
			return item, err
		}
	}},
	{"GetItem returns no token", "getitem-token", func(m *mutant) {
		m.get = func(ctx ctxt, key string) (core.Item, error) {
			item, err := m.reference.GetItem(ctx, key)
			item.Token = nil
			return item, err
		}
	}},
	{"flags are cut to 16 bits", "flags getmulti-flags", func(m *mutant) {
		m.changeItems(func(_ core.Mode, item *core.Item) { item.Flags &= 0xffff })
	}},
	{"Set of an absent key stores nothing", "set-absent", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if mode == core.Set {
				m.reference.Store(ctx, core.Replace, item)
				return nil
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},
	{"Set keeps the longer value", "set-present", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			old, err := m.reference.GetItem(ctx, item.Key)
			if err == nil && mode == core.Set && len(old.Value) > len(item.Value) {
				return nil
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},
	{"Delete deletes all items", "set-other-keys", func(m *mutant) {
		m.del = func(ctx ctxt, key string) error {
			defer m.reference.Flush(ctx)
			return m.reference.Delete(ctx, key)
		}
	}},
	{"Add returns ErrExists for every key", "add-absent", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if mode == core.Add {
				return core.ErrExists
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},
	{"Add replaces", "add-present", func(m *mutant) {
		m.replaceMode(core.Add, core.Set)
	}},
	{"Add replaces but returns ErrExists", "add-present", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			err := m.reference.Store(ctx, mode, item)
			if mode == core.Add {
				m.reference.Store(ctx, core.Set, item)
			}
			return err
		}
	}},
	{"Add of a deleted key returns ErrExists", "add-deleted", func(m *mutant) {
		deleted := map[string]bool{}
		m.del = func(ctx ctxt, key string) error {
			deleted[key] = true
			return m.reference.Delete(ctx, key)
		}
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if mode == core.Add && deleted[item.Key] {
				return core.ErrExists
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},
	{"Replace stores an absent key", "replace-absent", func(m *mutant) {
		m.replaceMode(core.Replace, core.Set)
	}},
	{"Replace returns ErrMiss but stores", "replace-absent", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			err := m.reference.Store(ctx, mode, item)
			if mode == core.Replace {
				m.reference.Store(ctx, core.Set, item)
			}
			return err
		}
	}},
	{"Replace of a present key stores nothing", "replace-present", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if mode == core.Replace {
				_, err := m.reference.GetItem(ctx, item.Key)
				return err
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},
	{"Delete of an absent key succeeds", "delete-absent", func(m *mutant) {
		m.del = func(ctx ctxt, key string) error { m.reference.Delete(ctx, key); return nil }
	}},
	{"Delete returns nil but deletes nothing", "delete-present", func(m *mutant) {
		m.del = func(ctx ctxt, key string) error {
			_, err := m.reference.GetItem(ctx, key)
			return err
		}
	}},
	{"Touch creates an item", "touch-absent", func(m *mutant) {
		m.touch = func(ctx ctxt, key string, ttl time.Duration) error {
			m.reference.Store(ctx, core.Add, core.Item{Key: key})
			return m.reference.Touch(ctx, key, ttl)
		}
	}},
	{"Touch drops the flags", "touch-present", func(m *mutant) {
		m.touch = func(ctx ctxt, key string, ttl time.Duration) error {
			item, err := m.reference.GetItem(ctx, key)
			if err == nil {
				item = core.Item{Key: key, Value: item.Value, TTL: ttl}
				err = m.reference.Store(ctx, core.Set, item)
			}
			return err
		}
	}},
	{"Flush keeps one key", "flush-all", func(m *mutant) {
		m.flush = func(ctx ctxt) error {
			for key := range m.Keys(ctx, "") {
				defer m.reference.Store(ctx, core.Set, core.Item{Key: key})
				break
			}
			return m.reference.Flush(ctx)
		}
	}},
	{"Flush keeps counters", "flush-all", func(m *mutant) {
		m.flush = func(ctx ctxt) error {
			if n, err := m.reference.GetItem(ctx, "n"); err == nil {
				defer m.reference.Store(ctx, core.Set, n)
			}
			return m.reference.Flush(ctx)
		}
	}},
	{"Flush of an empty cache returns an error", "flush-again", func(m *mutant) {
		m.flush = func(ctx ctxt) error {
			for range m.Keys(ctx, "") {
				return m.reference.Flush(ctx)
			}
			return errors.New("nothing to flush")
		}
	}},
	{"all prefixes share their keys", "prefix-isolation", func(m *mutant) {
		m.mapKeys(func(key string) string {
			_, key, _ = strings.Cut(key, ":")
			return key
		})
	}},
}
