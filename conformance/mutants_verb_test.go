package conformance

import (
	"errors"
	"strings"
	"time"

	"github.com/cachewire/cachewire/core"
)

var verbMutants = []planted{
	{"Get answers an absent key with an empty value", "get-absent count-absent", func(m *mutant) {
		m.get = func(ctx ctxt, key string) (core.Item, error) {
			item, _ := m.reference.GetItem(ctx, key)
			return item, nil
		}
	}},
	{"Get is good for one read", "get-present", func(m *mutant) {
		m.get = func(ctx ctxt, key string) (core.Item, error) {
			item, err := m.reference.GetItem(ctx, key)
			m.reference.Delete(ctx, key)
			return item, err
		}
	}},
	{"Get gives no token", "getitem-token", func(m *mutant) {
		m.get = func(ctx ctxt, key string) (core.Item, error) {
			item, err := m.reference.GetItem(ctx, key)
			item.Token = nil
			return item, err
		}
	}},
	{"flags are cut to 16 bits", "flags getmulti-flags", func(m *mutant) {
		m.onStore(func(_ core.Mode, item *core.Item) { item.Flags &= 0xffff })
	}},
	{"Set of an absent key is forgotten", "set-absent", func(m *mutant) {
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
			if old, err := m.reference.GetItem(ctx, item.Key); err == nil && mode == core.Set && len(old.Value) > len(item.Value) {
				return nil
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},
	{"Delete deletes everything", "set-apart", func(m *mutant) {
		m.del = func(ctx ctxt, key string) error {
			defer m.reference.Flush(ctx)
			return m.reference.Delete(ctx, key)
		}
	}},
	{"Add finds every key present", "add-absent", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if mode == core.Add {
				return core.ErrExists
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},
	{"Add overwrites", "add-present", func(m *mutant) {
		m.takeFor(core.Add, core.Set)
	}},
	{"Add overwrites and says that it did not", "add-present", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			err := m.reference.Store(ctx, mode, item)
			if mode == core.Add {
				m.reference.Store(ctx, core.Set, item)
			}
			return err
		}
	}},
	{"Add remembers deleted keys", "add-deleted", func(m *mutant) {
		deleted := map[string]bool{}
		m.del = func(ctx ctxt, key string) error { deleted[key] = true; return m.reference.Delete(ctx, key) }
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if mode == core.Add && deleted[item.Key] {
				return core.ErrExists
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},
	{"Replace creates", "replace-absent", func(m *mutant) {
		m.takeFor(core.Replace, core.Set)
	}},
	{"Replace says ErrMiss and creates", "replace-absent", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			err := m.reference.Store(ctx, mode, item)
			if mode == core.Replace {
				m.reference.Store(ctx, core.Set, item)
			}
			return err
		}
	}},
	{"Replace replaces nothing", "replace-present", func(m *mutant) {
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
	{"Delete lies: it deletes nothing", "delete-present", func(m *mutant) {
		m.del = func(ctx ctxt, key string) error { _, err := m.reference.GetItem(ctx, key); return err }
	}},
	{"Touch creates", "touch-absent", func(m *mutant) {
		m.touch = func(ctx ctxt, key string, ttl time.Duration) error {
			m.reference.Store(ctx, core.Add, core.Item{Key: key})
			return m.reference.Touch(ctx, key, ttl)
		}
	}},
	{"Touch drops the flags", "touch-present", func(m *mutant) {
		m.touch = func(ctx ctxt, key string, ttl time.Duration) error {
			item, err := m.reference.GetItem(ctx, key)
			if err == nil {
				err = m.reference.Store(ctx, core.Set, core.Item{Key: key, Value: item.Value, TTL: ttl})
			}
			return err
		}
	}},
	{"Flush forgets one", "flush-all", func(m *mutant) {
		m.flush = func(ctx ctxt) error {
			for key := range m.Keys(ctx, "") {
				defer m.reference.Store(ctx, core.Set, core.Item{Key: key})
				break
			}
			return m.reference.Flush(ctx)
		}
	}},
	{"Flush leaves counters", "flush-all", func(m *mutant) {
		m.flush = func(ctx ctxt) error {
			if n, err := m.reference.GetItem(ctx, "n"); err == nil {
				defer m.reference.Store(ctx, core.Set, n)
			}
			return m.reference.Flush(ctx)
		}
	}},
	{"Flush of an empty cache is an error", "flush-again", func(m *mutant) {
		m.flush = func(ctx ctxt) error {
			for range m.Keys(ctx, "") {
				return m.reference.Flush(ctx)
			}
			return errors.New("nothing to flush")
		}
	}},
	{"the prefix leaks: all keys are one cache", "prefix-apart", func(m *mutant) {
		m.rename(func(key string) string { _, own, _ := strings.Cut(key, ":"); return key[:0] + own })
	}},
}
