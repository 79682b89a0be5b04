package conformance

import (
	"bytes"

	"github.com/cachewire/cachewire/core"
)

var valueMutants = []mutation{
	{"an empty value is a miss", "value-empty", func(m *mutant) {
		m.get = func(ctx ctxt, key string) (core.Item, error) {
			item, err := m.reference.GetItem(ctx, key)
			if len(item.Value) == 0 {
				return core.Item{}, core.ErrMiss
			}
			return item, err
		}
	}},
	{"values end at a NUL", "value-bytes", func(m *mutant) {
		m.changeItems(func(_ core.Mode, item *core.Item) {
			item.Value, _, _ = bytes.Cut(item.Value, []byte{0})
		})
	}},
	{"values over 1 MiB are dropped without an error", "value-too-large", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if len(item.Value) > 1<<20 {
				return nil
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},
	{"values that look compressed are inflated", "value-bytes", func(m *mutant) {
		m.get = func(ctx ctxt, key string) (core.Item, error) {
			item, err := m.reference.GetItem(ctx, key)
			if bytes.HasPrefix(item.Value, []byte{0x1f, 0x8b}) {
				return core.Item{}, core.ErrCodec
			}
			return item, err
		}
	}},
	{"values are cut to 65,535 bytes", "value-lengths", func(m *mutant) {
		m.changeItems(func(_ core.Mode, item *core.Item) {
			item.Value = item.Value[:min(len(item.Value), 65535)]
		})
	}},
	{"values over MaxValue are dropped without an error", "value-too-large", func(m *mutant) {
		m.traits.MaxValue = 1000
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if len(item.Value) > m.traits.MaxValue {
				return nil
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},
}
