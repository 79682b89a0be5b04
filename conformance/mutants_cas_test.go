package conformance

import (
	"bytes"
	"sync"

	"github.com/cachewire/cachewire/core"
)

// versionTokens makes the token of an item the number of its changes, with the bits of mask.
func (m *mutant) versionTokens(mask uint64) {
	type version uint64
	var mu sync.Mutex
	versions := map[string]version{} // guarded by mu
	changed := func(key string) {
		mu.Lock()
		defer mu.Unlock()
		versions[key]++
	}
	current := func(key string) version {
		mu.Lock()
		defer mu.Unlock()
		return versions[key] & version(mask)
	}
	m.get = func(ctx ctxt, key string) (core.Item, error) {
		item, err := m.reference.GetItem(ctx, key)
		item.Token = current(key)
		return item, err
	}
	m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
		if mode == core.CompareAndSwap || mode == core.CompareAndDelete {
			if item.Token == any(current(item.Key)) {
				now, err := m.reference.GetItem(ctx, item.Key)
				if err != nil {
					return err
				}
				item.Token = now.Token
			}
		}
		err := m.reference.Store(ctx, mode, item)
		if err == nil {
			changed(item.Key)
		}
		return err
	}
	m.incr = func(ctx ctxt, key string, delta uint64) (uint64, error) {
		n, err := m.reference.Incr(ctx, key, delta)
		if err == nil {
			changed(key)
		}
		return n, err
	}
}

var casMutants = []mutation{
	{"CompareAndSwap always conflicts", "cas-same", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if mode == core.CompareAndSwap {
				return core.ErrConflict
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},
	{"CompareAndSwap never conflicts", "cas-changed cas-foreign", func(m *mutant) {
		m.replaceMode(core.CompareAndSwap, core.Replace)
	}},
	{"the token is the value", "cas-same-bytes cas-stored-again", func(m *mutant) {
		m.get = func(ctx ctxt, key string) (core.Item, error) {
			item, err := m.reference.GetItem(ctx, key)
			item.Token = string(item.Value)
			return item, err
		}
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			current, err := m.reference.GetItem(ctx, item.Key)
			if err == nil && item.Token == any(string(current.Value)) {
				item.Token = current.Token
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},
	{
		"a token is a version that counts the stores of all keys by key",
		"cas-other-key cas-other-backend",
		func(m *mutant) { m.versionTokens(1<<64 - 1) },
	},
	{
		"a token is a version of 8 bits",
		"cas-many-changes",
		func(m *mutant) { m.versionTokens(1<<8 - 1) },
	},
	{
		"a token is a version of 16 bits",
		"cas-many-changes",
		func(m *mutant) { m.versionTokens(1<<16 - 1) },
	},
	{
		"ByValue, and CompareAndDelete ignores the value",
		"cad-changed storemulti-cad",
		func(m *mutant) {
			m.traits.ByValue = true
			m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
				if mode == core.CompareAndDelete {
					return m.reference.Delete(ctx, item.Key)
				}
				return m.reference.Store(ctx, mode, item)
			}
		},
	},
	{"Decr that stops at 0 does not change the token", "cas-counter", func(m *mutant) {
		m.decr = func(ctx ctxt, key string, delta uint64) (uint64, error) {
			if item, err := m.reference.GetItem(ctx, key); err == nil && string(item.Value) == "0" {
				return 0, nil
			}
			return m.reference.Decr(ctx, key, delta)
		}
	}},
	{"CompareAndSwap of an absent key stores", "cas-absent", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			err := m.reference.Store(ctx, mode, item)
			if mode == core.CompareAndSwap && err == core.ErrMiss {
				return m.reference.Store(ctx, core.Set, item)
			}
			return err
		}
	}},
	{"CompareAndSwap of an absent key returns a conflict", "cas-absent", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			err := m.reference.Store(ctx, mode, item)
			if mode == core.CompareAndSwap && err == core.ErrMiss {
				return core.ErrConflict
			}
			return err
		}
	}},
	{"CompareAndSwap does not change the token", "cas-twice", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if mode != core.CompareAndSwap {
				return m.reference.Store(ctx, mode, item)
			}
			m.mu.Lock()
			defer m.mu.Unlock()
			it := m.find(item.Key)
			if it == nil || any(it) != item.Token {
				return core.ErrConflict
			}
			it.value = bytes.Clone(item.Value)
			return nil
		}
	}},
	{"GetItem changes the token", "cas-read", func(m *mutant) {
		m.get = func(ctx ctxt, key string) (core.Item, error) {
			item, err := m.reference.GetItem(ctx, key)
			m.reference.Store(ctx, core.Replace, item)
			if err == nil {
				item.Value = bytes.Clone(item.Value)
			}
			return item, err
		}
	}},
	{"a refused Add changes the token", "cas-refused", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			err := m.reference.Store(ctx, mode, item)
			if err == core.ErrExists {
				m.reference.Touch(ctx, item.Key, 0) // makes a new item, with another token
			}
			return err
		}
	}},
	{"Incr does not change the token", "cas-counter", func(m *mutant) {
		m.incr = func(ctx ctxt, key string, delta uint64) (uint64, error) {
			m.mu.Lock()
			old := m.items[key]
			m.mu.Unlock()
			n, err := m.reference.Incr(ctx, key, delta)
			if err == nil {
				m.mu.Lock()
				defer m.mu.Unlock()
				*old = *m.items[key]
				m.items[key] = old
			}
			return n, err
		}
	}},
	{"a foreign token causes a panic", "cas-foreign", func(m *mutant) {
		m.changeItems(func(_ core.Mode, item *core.Item) {
			if item.Token != nil {
				_ = item.Token.(*refItem)
			}
		})
	}},
	{"an Add right after CompareAndDelete finds the key", "cad-same", func(m *mutant) {
		deleted := map[string]bool{}
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if mode == core.Add && deleted[item.Key] {
				return core.ErrExists
			}
			deleted[item.Key] = mode == core.CompareAndDelete
			return m.reference.Store(ctx, mode, item)
		}
	}},
	{"CompareAndDelete is a plain Delete", "cad-changed", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if mode == core.CompareAndDelete {
				return m.reference.Delete(ctx, item.Key)
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},
	{"CompareAndDelete of an absent key succeeds", "cad-absent", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			err := m.reference.Store(ctx, mode, item)
			if mode == core.CompareAndDelete && err == core.ErrMiss {
				return nil
			}
			return err
		}
	}},
}
