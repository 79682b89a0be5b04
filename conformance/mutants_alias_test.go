package conformance

import (
	"bytes"

	"github.com/cachewire/cachewire/core"
)

var aliasMutants = []planted{
	{"Store keeps the caller's bytes", "alias-stored", func(m *mutant) {
		m.store = func(_ ctxt, mode core.Mode, item core.Item) error {
			return m.put(mode, item, &refItem{value: item.Value, flags: item.Flags, ends: endOf(item.TTL)})
		}
	}},
	{"large values are not copied", "alias-stored", func(m *mutant) {
		m.store = func(_ ctxt, mode core.Mode, item core.Item) error {
			it := &refItem{value: item.Value, flags: item.Flags, ends: endOf(item.TTL)}
			if len(item.Value) < 4096 {
				it.value = bytes.Clone(item.Value)
			}
			return m.put(mode, item, it)
		}
	}},
	{"Store appends to the caller's bytes", "alias-stored", func(m *mutant) {
		m.onStore(func(_ core.Mode, item *core.Item) {
			if cap(item.Value) > len(item.Value) {
				_ = append(item.Value, '\n')
			}
		})
	}},
	{"Flush wipes the bytes that Get gave out", "alias-read", func(m *mutant) {
		m.flush = func(ctx ctxt) error {
			m.mu.Lock()
			for _, it := range m.items {
				clear(it.value)
			}
			m.mu.Unlock()
			return m.reference.Flush(ctx)
		}
	}},
	{"Set writes over the bytes that Get gave out", "alias-read", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if old, err := m.reference.GetItem(ctx, item.Key); err == nil && len(old.Value) == len(item.Value) {
				copy(old.Value, item.Value)
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},
	{"Incr writes over the bytes that Get gave out", "alias-read", func(m *mutant) {
		m.incr = func(ctx ctxt, key string, delta uint64) (uint64, error) {
			old, _ := m.reference.GetItem(ctx, key)
			n, err := m.reference.Incr(ctx, key, delta)
			if now, _ := m.reference.GetItem(ctx, key); err == nil {
				copy(old.Value, now.Value)
			}
			return n, err
		}
	}},
	{"a value is stored in two steps", "alias-race", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if old, err := m.reference.GetItem(ctx, item.Key); err == nil && mode == core.Set {
				half := item
				half.Value = append(bytes.Clone(item.Value[:len(item.Value)/2]), old.Value[len(old.Value)/2:]...)
				m.reference.Store(ctx, mode, half)
				yield()
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},
}
