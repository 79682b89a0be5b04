package conformance

import (
	"bytes"
	"runtime"

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
	{"Get reads into the buffer of the Get before", "alias-buffer", func(m *mutant) {
		var buf []byte
		m.getValue = func(ctx ctxt, key string) ([]byte, error) {
			item, err := m.get(ctx, key)
			buf = append(buf[:0], item.Value...)
			return buf[:len(buf):len(buf)], err
		}
	}},
	{"GetItems returns parts of the buffer that Store uses", "alias-buffer", func(m *mutant) {
		var buf []byte
		m.getMulti = func(ctx ctxt, keys []string) ([]core.Item, error) {
			items, err := m.reference.GetItems(ctx, keys)
			buf = buf[:0]
			for _, item := range items {
				buf = append(buf, item.Value...)
			}
			at := 0
			for i, item := range items {
				end := at + len(item.Value)
				items[i].Value = buf[at:end:end]
				at = end
			}
			return items, err
		}
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			buf = append(buf[:0], item.Value...)
			return m.reference.Store(ctx, mode, item)
		}
	}},
	{"a value is stored in two steps", "alias-race", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if old, err := m.reference.GetItem(ctx, item.Key); err == nil && mode == core.Set {
				half := item
				half.Value = append(bytes.Clone(item.Value[:len(item.Value)/2]),
					old.Value[len(old.Value)/2:]...)
				m.reference.Store(ctx, mode, half)
				runtime.Gosched() // readers of this case never wait, so that no time passes
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},
}
