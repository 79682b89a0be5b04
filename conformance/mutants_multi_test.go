package conformance

import (
	"errors"

	"github.com/cachewire/cachewire/core"
)

var multiMutants = []planted{
	{"GetMulti forgets the last key", "getmulti-all", func(m *mutant) {
		m.getMulti = func(ctx ctxt, keys []string) ([]core.Item, error) {
			return m.reference.GetItems(ctx, keys[:len(keys)-1])
		}
	}},
	{"GetMulti tells a miss as an error", "getmulti-some", func(m *mutant) {
		m.getMulti = func(ctx ctxt, keys []string) ([]core.Item, error) {
			items, _ := m.reference.GetItems(ctx, keys)
			if len(items) == len(keys) {
				return items, nil
			}
			return items, errors.New("some keys are missing")
		}
	}},
	{"GetMulti answers absent keys with empty values", "getmulti-some", func(m *mutant) {
		m.getMulti = func(ctx ctxt, keys []string) ([]core.Item, error) {
			items := make([]core.Item, len(keys))
			for i, key := range keys {
				items[i], _ = m.reference.GetItem(ctx, key)
				items[i].Key = key
			}
			return items, nil
		}
	}},
	{"GetMulti answers items without tokens", "getmulti-tokens", func(m *mutant) {
		m.getMulti = func(ctx ctxt, keys []string) ([]core.Item, error) {
			items, err := m.reference.GetItems(ctx, keys)
			for i := range items {
				items[i].Token = nil
			}
			return items, err
		}
	}},
	{"StoreMulti with CompareAndDelete looks at no token", "getmulti-tokens", func(m *mutant) {
		m.storeMulti = func(ctx ctxt, mode core.Mode, items []core.Item) error {
			if mode != core.CompareAndDelete {
				return m.reference.StoreMulti(ctx, mode, items)
			}
			var keys []string
			for _, item := range items {
				keys = append(keys, item.Key)
			}
			return m.reference.DeleteMulti(ctx, keys)
		}
	}},
	{"GetMulti drops the flags", "getmulti-flags", func(m *mutant) {
		m.getMulti = func(ctx ctxt, keys []string) ([]core.Item, error) {
			items, err := m.reference.GetItems(ctx, keys)
			for i := range items {
				items[i].Flags = 0
			}
			return items, err
		}
	}},
	{"StoreMulti gives all keys one value", "setmulti", func(m *mutant) {
		m.storeMulti = func(ctx ctxt, mode core.Mode, items []core.Item) error {
			for i := range items {
				items[i].Value = items[0].Value
			}
			return m.reference.StoreMulti(ctx, mode, items)
		}
	}},
	{"StoreMulti ends at the first failure", "addmulti replacemulti storemulti-cas", func(m *mutant) {
		m.storeMulti = func(ctx ctxt, mode core.Mode, items []core.Item) error {
			for _, item := range items {
				if err := m.reference.Store(ctx, mode, item); err != nil {
					return &core.MultiError{Errors: map[string]error{item.Key: err}}
				}
			}
			return nil
		}
	}},
	{"StoreMulti hides failures", "addmulti replacemulti storemulti-cas", func(m *mutant) {
		m.storeMulti = func(ctx ctxt, mode core.Mode, items []core.Item) error {
			m.reference.StoreMulti(ctx, mode, items)
			return nil
		}
	}},
	{"StoreMulti blames every key for the failure of one", "addmulti replacemulti storemulti-cas", func(m *mutant) {
		m.storeMulti = func(ctx ctxt, mode core.Mode, items []core.Item) error {
			if m.reference.StoreMulti(ctx, mode, items) != nil {
				return core.ErrExists
			}
			return nil
		}
	}},
	{"DeleteMulti ends at an absent key", "deletemulti", func(m *mutant) {
		m.deleteMulti = func(ctx ctxt, keys []string) error {
			for _, key := range keys {
				if m.reference.Delete(ctx, key) != nil {
					return nil
				}
			}
			return nil
		}
	}},
	{"DeleteMulti forgets the last of an even number of keys", "deletemulti", func(m *mutant) {
		m.deleteMulti = func(ctx ctxt, keys []string) error {
			return m.reference.DeleteMulti(ctx, keys[:len(keys)-(len(keys)+1)%2])
		}
	}},
	{"GetMulti answers no more than 4 MiB", "multi-large", func(m *mutant) {
		m.getMulti = func(ctx ctxt, keys []string) ([]core.Item, error) {
			items, err := m.reference.GetItems(ctx, keys)
			size := 0
			for i, item := range items {
				if size += len(item.Value); size > 4<<20 {
					return items[:i], err
				}
			}
			return items, err
		}
	}},
	{"StoreMulti does nothing with CompareAndDelete", "storemulti-cad", func(m *mutant) {
		m.storeMulti = func(ctx ctxt, mode core.Mode, items []core.Item) error {
			if mode == core.CompareAndDelete {
				return nil
			}
			return m.reference.StoreMulti(ctx, mode, items)
		}
	}},
	{"StoreMulti looks at all conditions first and stores then", "race-add race-cas", func(m *mutant) {
		m.storeMulti = func(ctx ctxt, mode core.Mode, items []core.Item) error {
			var failed core.MultiError
			for _, item := range items {
				switch now, err := m.reference.GetItem(ctx, item.Key); {
				case mode == core.Add && err == nil:
					failed.Add(item.Key, core.ErrExists)
				case mode == core.CompareAndSwap && (err != nil || now.Token != item.Token):
					failed.Add(item.Key, core.ErrConflict)
				}
			}
			yield()
			if failed.Err() == nil {
				m.reference.StoreMulti(ctx, core.Set, items)
			}
			return failed.Err()
		}
	}},
	{"GetMulti reads no more than 1,000 keys", "multi-many", func(m *mutant) {
		m.getMulti = func(ctx ctxt, keys []string) ([]core.Item, error) {
			return m.reference.GetItems(ctx, keys[:min(len(keys), 1000)])
		}
	}},
}
