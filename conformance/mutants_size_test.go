package conformance

import (
	"bytes"

	"github.com/cachewire/cachewire/core"
)

// sizeMutants have faults that only long values or large batches show.
var sizeMutants = []mutation{
	{"two pages of a long value change places", "value-lengths multi-large", func(m *mutant) {
		m.changeItems(func(_ core.Mode, item *core.Item) {
			const page = 4096
			if n := len(item.Value); n >= 4*page {
				value := bytes.Clone(item.Value)
				copy(value[page:], item.Value[2*page:3*page])
				copy(value[2*page:], item.Value[page:2*page])
				item.Value = value
			}
		})
	}},
	{"values of more than 2 MiB are cut", "value-lengths", func(m *mutant) {
		m.changeItems(func(_ core.Mode, item *core.Item) {
			item.Value = item.Value[:min(len(item.Value), 2<<20)]
		})
	}},
	{"a batch has 32,768 items at most", "multi-huge", func(m *mutant) {
		m.storeMulti = func(ctx ctxt, mode core.Mode, items []core.Item) error {
			return m.reference.StoreMulti(ctx, mode, items[:min(len(items), 32_768)])
		}
	}},
	{"GetItems gives item 101 and later the flags of item 100", "multi-many", func(m *mutant) {
		m.getMulti = func(ctx ctxt, keys []string) ([]core.Item, error) {
			items, err := m.reference.GetItems(ctx, keys)
			for i := 100; i < len(items); i++ {
				items[i].Flags = items[99].Flags
			}
			return items, err
		}
	}},
	{"GetItems gives item 1,001 and later no token", "multi-many", func(m *mutant) {
		m.getMulti = func(ctx ctxt, keys []string) ([]core.Item, error) {
			items, err := m.reference.GetItems(ctx, keys)
			for i := 1000; i < len(items); i++ {
				items[i].Token = nil
			}
			return items, err
		}
	}},
	{"the errors of a batch end with the first 100 items", "multi-many", func(m *mutant) {
		m.storeMulti = func(ctx ctxt, mode core.Mode, items []core.Item) error {
			n := min(len(items), 100)
			m.reference.StoreMulti(ctx, mode, items[n:])
			return m.reference.StoreMulti(ctx, mode, items[:n])
		}
	}},
}
