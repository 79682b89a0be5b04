package conformance

import (
	"errors"

	"github.com/cachewire/cachewire/core"
)

var multiMutants = []mutation{
	{"GetMulti forgets the last key", "getmulti-all", func(m *mutant) {
		m.getMulti = func(ctx ctxt, keys []string) ([]core.Item, error) {
			return m.reference.GetItems(ctx, keys[:len(keys)-1])
		}
	}},
	{"GetMulti returns an error for a miss", "getmulti-some", func(m *mutant) {
		m.getMulti = func(ctx ctxt, keys []string) ([]core.Item, error) {
			items, _ := m.reference.GetItems(ctx, keys)
			if len(items) == len(keys) {
				return items, nil
			}
			return items, errors.New("some keys are missing")
		}
	}},
	{"GetMulti returns empty values for absent keys", "getmulti-some", func(m *mutant) {
		m.getMulti = func(ctx ctxt, keys []string) ([]core.Item, error) {
			items := make([]core.Item, len(keys))
			for i, key := range keys {
				items[i], _ = m.reference.GetItem(ctx, key)
				items[i].Key = key
			}
			return items, nil
		}
	}},
	{"GetMulti returns items without tokens", "getmulti-tokens", func(m *mutant) {
		m.getMulti = func(ctx ctxt, keys []string) ([]core.Item, error) {
			items, err := m.reference.GetItems(ctx, keys)
			for i := range items {
				items[i].Token = nil
			}
			return items, err
		}
	}},
	{"StoreMulti with CompareAndDelete ignores the tokens", "getmulti-tokens", func(m *mutant) {
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
	{"StoreMulti stops at a failure", "addmulti replacemulti storemulti-cas", func(m *mutant) {
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
	{"StoreMulti fails for all keys", "addmulti replacemulti storemulti-cas", func(m *mutant) {
		m.storeMulti = func(ctx ctxt, mode core.Mode, items []core.Item) error {
			if m.reference.StoreMulti(ctx, mode, items) != nil {
				return core.ErrExists
			}
			return nil
		}
	}},
	{"DeleteMulti stops at an absent key", "deletemulti", func(m *mutant) {
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
	{"GetMulti returns at most 4 MiB", "multi-large", func(m *mutant) {
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
	{"StoreMulti checks and stores in two steps", "race-add race-cas", func(m *mutant) {
		m.storeMulti = func(ctx ctxt, mode core.Mode, items []core.Item) error {
			var failed core.MultiError
			for _, item := range items {
				switch current, err := m.reference.GetItem(ctx, item.Key); {
				case mode == core.Add && err == nil:
					failed.Add(item.Key, core.ErrExists)
				case mode == core.CompareAndSwap && (err != nil || current.Token != item.Token):
					failed.Add(item.Key, core.ErrConflict)
				}
			}
			letOthersRun()
			if failed.Err() == nil {
				m.reference.StoreMulti(ctx, core.Set, items)
			}
			return failed.Err()
		}
	}},
	{"GetMulti reads at most 1,000 keys", "multi-many", func(m *mutant) {
		m.getMulti = func(ctx ctxt, keys []string) ([]core.Item, error) {
			return m.reference.GetItems(ctx, keys[:min(len(keys), 1000)])
		}
	}},
}
