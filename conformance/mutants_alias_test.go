package conformance

import (
	"bytes"

	"github.com/cachewire/cachewire/core"
)

var aliasMutants = []mutation{
	{"Store keeps the caller's bytes", "alias-stored", func(m *mutant) {
		m.store = func(_ ctxt, mode core.Mode, item core.Item) error {
			return m.put(mode, item, &refItem{
				value:   item.Value,
				flags:   item.Flags,
				expires: expiryOf(item.TTL),
			})
		}
	}},
	{"large values are not copied", "alias-stored", func(m *mutant) {
		m.store = func(_ ctxt, mode core.Mode, item core.Item) error {
			it := &refItem{value: item.Value, flags: item.Flags, expires: expiryOf(item.TTL)}
			if len(item.Value) < 4096 {
				it.value = bytes.Clone(item.Value)
			}
			return m.put(mode, item, it)
		}
	}},
	{"Store appends to the caller's bytes", "alias-stored", func(m *mutant) {
		m.changeItems(func(_ core.Mode, item *core.Item) {
			if cap(item.Value) > len(item.Value) {
				_ = append(item.Value, '\n')
			}
		})
	}},
	{"Flush clears the bytes that Get returned", "alias-read", func(m *mutant) {
		m.flush = func(ctx ctxt) error {
			m.mu.Lock()
			for _, it := range m.items {
				clear(it.value)
			}
			m.mu.Unlock()
			return m.reference.Flush(ctx)
		}
	}},
	{"Set overwrites the bytes that Get returned", "alias-read", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			old, err := m.reference.GetItem(ctx, item.Key)
			if err == nil && len(old.Value) == len(item.Value) {
				copy(old.Value, item.Value)
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},
	{"Incr overwrites the bytes that Get returned", "alias-read", func(m *mutant) {
		m.incr = func(ctx ctxt, key string, delta uint64) (uint64, error) {
			old, _ := m.reference.GetItem(ctx, key)
			n, err := m.reference.Incr(ctx, key, delta)
			if current, _ := m.reference.GetItem(ctx, key); err == nil {
				copy(old.Value, current.Value)
			}
			return n, err
		}
	}},
	{"a value is stored in two steps", "alias-race", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if old, err := m.reference.GetItem(ctx, item.Key); err == nil && mode == core.Set {
				half := item
				half.Value = append(bytes.Clone(item.Value[:len(item.Value)/2]),
					old.Value[len(old.Value)/2:]...)
				m.reference.Store(ctx, mode, half)
				letOthersRun()
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},
}
