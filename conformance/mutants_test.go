package conformance

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"iter"
	"maps"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cachewire/cachewire/core"
)

// A planted is a fault and the cases that are meant to catch it.
type planted struct {
	fault  string
	caught string // case IDs
	plant  func(m *mutant)
}

type ctxt = context.Context

var mutants = []planted{
	// Single verbs.
	{"Get answers an absent key with an empty value", "get-absent count-absent", func(m *mutant) {
		m.get = func(ctx ctxt, key string) (core.Item, error) {
			item, _ := m.reference.Get(ctx, key)
			return item, nil
		}
	}},
	{"Get is good for one read", "get-present", func(m *mutant) {
		m.get = func(ctx ctxt, key string) (core.Item, error) {
			item, err := m.reference.Get(ctx, key)
			m.reference.Delete(ctx, key)
			return item, err
		}
	}},
	{"Get gives no token", "getitem-token", func(m *mutant) {
		m.get = func(ctx ctxt, key string) (core.Item, error) {
			item, err := m.reference.Get(ctx, key)
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
			if old, err := m.reference.Get(ctx, item.Key); err == nil && mode == core.Set && len(old.Value) > len(item.Value) {
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
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if mode == core.Add {
				mode = core.Set
			}
			return m.reference.Store(ctx, mode, item)
		}
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
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if mode == core.Replace {
				mode = core.Set
			}
			return m.reference.Store(ctx, mode, item)
		}
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
				_, err := m.reference.Get(ctx, item.Key)
				return err
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},
	{"Delete of an absent key succeeds", "delete-absent", func(m *mutant) {
		m.del = func(ctx ctxt, key string) error { m.reference.Delete(ctx, key); return nil }
	}},
	{"Delete lies: it deletes nothing", "delete-present", func(m *mutant) {
		m.del = func(ctx ctxt, key string) error { _, err := m.reference.Get(ctx, key); return err }
	}},
	{"Touch creates", "touch-absent", func(m *mutant) {
		m.touch = func(ctx ctxt, key string, ttl time.Duration) error {
			m.reference.Store(ctx, core.Add, core.Item{Key: key})
			return m.reference.Touch(ctx, key, ttl)
		}
	}},
	{"Touch drops the flags", "touch-present", func(m *mutant) {
		m.touch = func(ctx ctxt, key string, ttl time.Duration) error {
			item, err := m.reference.Get(ctx, key)
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
			if n, err := m.reference.Get(ctx, "n"); err == nil {
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

	// Many keys.
	{"GetMulti forgets the last key", "getmulti-all", func(m *mutant) {
		m.getMulti = func(ctx ctxt, keys []string) ([]core.Item, error) {
			return m.reference.GetMulti(ctx, keys[:len(keys)-1])
		}
	}},
	{"GetMulti tells a miss as an error", "getmulti-some", func(m *mutant) {
		m.getMulti = func(ctx ctxt, keys []string) ([]core.Item, error) {
			items, _ := m.reference.GetMulti(ctx, keys)
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
				items[i], _ = m.reference.Get(ctx, key)
				items[i].Key = key
			}
			return items, nil
		}
	}},
	{"GetMulti drops the flags", "getmulti-flags", func(m *mutant) {
		m.getMulti = func(ctx ctxt, keys []string) ([]core.Item, error) {
			items, err := m.reference.GetMulti(ctx, keys)
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
			items, err := m.reference.GetMulti(ctx, keys)
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
				switch now, err := m.reference.Get(ctx, item.Key); {
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
			return m.reference.GetMulti(ctx, keys[:min(len(keys), 1000)])
		}
	}},

	// Compare and swap.
	{"CompareAndSwap always conflicts", "cas-same", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if mode == core.CompareAndSwap {
				return core.ErrConflict
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},
	{"CompareAndSwap never conflicts", "cas-changed cas-foreign", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if mode == core.CompareAndSwap {
				mode = core.Replace
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},
	{"the token is the value", "cas-same-bytes cas-again-there", func(m *mutant) {
		m.get = func(ctx ctxt, key string) (core.Item, error) {
			item, err := m.reference.Get(ctx, key)
			item.Token = string(item.Value)
			return item, err
		}
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if now, err := m.reference.Get(ctx, item.Key); err == nil && item.Token == any(string(now.Value)) {
				item.Token = now.Token
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},
	{"Decr that stops at 0 does not change the token", "cas-counter", func(m *mutant) {
		m.decr = func(ctx ctxt, key string, delta uint64) (uint64, error) {
			if item, err := m.reference.Get(ctx, key); err == nil && string(item.Value) == "0" {
				return 0, nil
			}
			return m.reference.Decr(ctx, key, delta)
		}
	}},
	{"CompareAndSwap of an absent key stores", "cas-gone", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			err := m.reference.Store(ctx, mode, item)
			if mode == core.CompareAndSwap && err == core.ErrMiss {
				return m.reference.Store(ctx, core.Set, item)
			}
			return err
		}
	}},
	{"CompareAndSwap of an absent key is a conflict", "cas-gone", func(m *mutant) {
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
	{"reading changes the token", "cas-read", func(m *mutant) {
		m.get = func(ctx ctxt, key string) (core.Item, error) {
			item, err := m.reference.Get(ctx, key)
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
				m.reference.Touch(ctx, item.Key, 0) // which makes a new item
			}
			return err
		}
	}},
	{"counters move without a new token", "cas-counter", func(m *mutant) {
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
	{"a foreign token panics", "cas-foreign", func(m *mutant) {
		m.onStore(func(_ core.Mode, item *core.Item) {
			if item.Token != nil {
				_ = item.Token.(*refItem)
			}
		})
	}},
	{"CompareAndDelete lingers: an Add right behind it finds the key", "cad-same", func(m *mutant) {
		lingers := map[string]bool{}
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if mode == core.Add && lingers[item.Key] {
				return core.ErrExists
			}
			lingers[item.Key] = mode == core.CompareAndDelete
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
	{"CompareAndDelete of an absent key succeeds", "cad-gone", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			err := m.reference.Store(ctx, mode, item)
			if mode == core.CompareAndDelete && err == core.ErrMiss {
				return nil
			}
			return err
		}
	}},

	// Counters.
	{"Incr creates", "incr-absent", func(m *mutant) {
		m.incr = func(ctx ctxt, key string, delta uint64) (uint64, error) {
			m.reference.Store(ctx, core.Add, core.Item{Key: key, Value: []byte("0")})
			return m.reference.Incr(ctx, key, delta)
		}
	}},
	{"Incr adds 1, whatever delta is", "incr", func(m *mutant) {
		m.incr = func(ctx ctxt, key string, _ uint64) (uint64, error) { return m.reference.Incr(ctx, key, 1) }
	}},
	{"Incr answers delta", "incr", func(m *mutant) {
		m.incr = func(ctx ctxt, key string, delta uint64) (uint64, error) {
			_, err := m.reference.Incr(ctx, key, delta)
			return delta, err
		}
	}},
	{"Decr adds", "decr", func(m *mutant) { m.decr = m.reference.Incr }},
	{"Incr stops at 2^64 - 1", "incr-wraps", func(m *mutant) {
		m.incr = func(_ ctxt, key string, delta uint64) (uint64, error) {
			return m.move(key, func(n uint64) uint64 { return n + min(delta, math.MaxUint64-n) })
		}
	}},
	{"Decr goes below 0", "decr-floor", func(m *mutant) {
		m.decr = func(_ ctxt, key string, delta uint64) (uint64, error) {
			return m.move(key, func(n uint64) uint64 { return n - delta })
		}
	}},
	{"Decr leaves the last digit of the longer number", "decr-shorter", func(m *mutant) {
		m.decr = func(ctx ctxt, key string, delta uint64) (uint64, error) {
			old, _ := m.reference.Get(ctx, key)
			n, err := m.reference.Decr(ctx, key, delta)
			if now, _ := m.reference.Get(ctx, key); err == nil && len(now.Value) < len(old.Value) {
				now.Value = append(bytes.Clone(now.Value), '0')
				m.reference.Store(ctx, core.Set, now)
			}
			return n, err
		}
	}},
	{"a counter may not have spaces behind it", "counter-spaces", func(m *mutant) {
		m.incr = func(ctx ctxt, key string, delta uint64) (uint64, error) {
			if item, _ := m.reference.Get(ctx, key); bytes.HasSuffix(item.Value, []byte(" ")) {
				return 0, core.ErrNotNumber
			}
			return m.reference.Incr(ctx, key, delta)
		}
	}},
	{"GetMulti answers a counter as it was stored", "counter-read", func(m *mutant) {
		m.getMulti = func(ctx ctxt, keys []string) ([]core.Item, error) {
			items, err := m.reference.GetMulti(ctx, keys)
			for i := range items {
				if items[i].Key == "n" {
					items[i].Value = []byte("7")
				}
			}
			return items, err
		}
	}},
	{"counters live beside the values", "counter-set", func(m *mutant) {
		beside := map[string]uint64{}
		m.incr = func(ctx ctxt, key string, delta uint64) (uint64, error) {
			n, err := m.reference.Incr(ctx, key, delta)
			if err == nil {
				if old, ok := beside[key]; ok {
					n = old + delta
				}
				beside[key] = n
			}
			return n, err
		}
	}},
	{"Incr tells a miss where there is no number", "incr-not-number incrfrom-present", func(m *mutant) {
		m.incr = func(ctx ctxt, key string, delta uint64) (uint64, error) {
			n, err := m.reference.Incr(ctx, key, delta)
			if err == core.ErrNotNumber {
				err = core.ErrMiss
			}
			return n, err
		}
	}},
	{"Incr takes text for 0", "incr-not-number", func(m *mutant) {
		m.incr = func(ctx ctxt, key string, delta uint64) (uint64, error) {
			n, err := m.reference.Incr(ctx, key, delta)
			if err == core.ErrNotNumber {
				return delta, m.reference.Store(ctx, core.Set, core.Item{Key: key, Value: []byte("1")})
			}
			return n, err
		}
	}},
	{"Incr wraps a number that does not fit", "incr-not-number", func(m *mutant) {
		m.incr = func(ctx ctxt, key string, delta uint64) (uint64, error) {
			if item, _ := m.reference.Get(ctx, key); string(item.Value) == "18446744073709551616" {
				return delta, nil
			}
			return m.reference.Incr(ctx, key, delta)
		}
	}},
	{"Incr drops the flags", "incr-flags", func(m *mutant) {
		m.incr = func(ctx ctxt, key string, delta uint64) (uint64, error) {
			n, err := m.reference.Incr(ctx, key, delta)
			if item, _ := m.reference.Get(ctx, key); err == nil {
				m.reference.Store(ctx, core.Set, core.Item{Key: key, Value: item.Value})
			}
			return n, err
		}
	}},
	{"Add drops the flags", "incrfrom-absent", func(m *mutant) {
		m.onStore(func(mode core.Mode, item *core.Item) {
			if mode == core.Add {
				item.Flags = 0
			}
		})
	}},

	{"Replace drops the flags", "flags-verbs", func(m *mutant) {
		m.onStore(func(mode core.Mode, item *core.Item) {
			if mode == core.Replace {
				item.Flags = 0
			}
		})
	}},
	{"Incr makes the flags those of an integer", "flags-verbs", func(m *mutant) {
		m.incr = func(ctx ctxt, key string, delta uint64) (uint64, error) {
			n, err := m.reference.Incr(ctx, key, delta)
			if item, _ := m.reference.Get(ctx, key); err == nil {
				item.Flags = core.FlagInt
				m.reference.Store(ctx, core.Set, item)
			}
			return n, err
		}
	}},
	{"zeros before the digits make it no number", "counter-zeros", func(m *mutant) {
		m.incr = func(ctx ctxt, key string, delta uint64) (uint64, error) {
			if item, _ := m.reference.Get(ctx, key); len(item.Value) > 1 && item.Value[0] == '0' {
				return 0, core.ErrNotNumber
			}
			return m.reference.Incr(ctx, key, delta)
		}
	}},
	{"a value of digits is stored as a number", "counter-zeros counter-spaces", func(m *mutant) {
		m.onStore(func(_ core.Mode, item *core.Item) {
			if n, err := core.ParseCount(item.Value); err == nil {
				item.Value = digits(n)
			}
		})
	}},
	{"Touch sets a counter back", "counter-verbs", func(m *mutant) {
		stored := map[string]core.Item{}
		m.onStore(func(_ core.Mode, item *core.Item) { stored[item.Key] = *item })
		m.touch = func(ctx ctxt, key string, ttl time.Duration) error {
			m.reference.Store(ctx, core.Replace, stored[key])
			return m.reference.Touch(ctx, key, ttl)
		}
	}},
	{"DeleteMulti leaves counters", "counter-verbs", func(m *mutant) {
		moved := map[string]bool{}
		m.incr = func(ctx ctxt, key string, delta uint64) (uint64, error) {
			moved[key] = true
			return m.reference.Incr(ctx, key, delta)
		}
		m.deleteMulti = func(ctx ctxt, keys []string) error {
			return m.reference.DeleteMulti(ctx, slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return moved[key] }))
		}
	}},

	// Time to live.
	{"the time to live is ignored", "ttl-verbs ttl-fraction ttl-shorter ability-ttl", func(m *mutant) {
		m.onStore(func(_ core.Mode, item *core.Item) { item.TTL = 0 })
		m.touch = func(ctx ctxt, key string, _ time.Duration) error { return m.reference.Touch(ctx, key, 0) }
	}},
	{"Add ignores the time to live", "ttl-verbs", func(m *mutant) {
		m.onStore(func(mode core.Mode, item *core.Item) {
			if mode == core.Add {
				item.TTL = 0
			}
		})
	}},
	{"items go a fifth too early", "ttl-verbs ttl-fraction ttl-counter", func(m *mutant) {
		m.onStore(func(_ core.Mode, item *core.Item) { item.TTL -= item.TTL / 5 })
	}},
	{"items stay a fifth too long", "ttl-verbs ttl-fraction", func(m *mutant) {
		m.onStore(func(_ core.Mode, item *core.Item) { item.TTL += item.TTL / 5 })
	}},
	{"the time to live is cut to whole seconds", "ttl-fraction", func(m *mutant) {
		m.onStore(func(_ core.Mode, item *core.Item) { item.TTL = item.TTL.Truncate(time.Second) })
	}},
	{"StoreMulti gives all items the time of the first", "ttl-each", func(m *mutant) {
		m.storeMulti = func(ctx ctxt, mode core.Mode, items []core.Item) error {
			for i := range items {
				items[i].TTL = items[0].TTL
			}
			return m.reference.StoreMulti(ctx, mode, items)
		}
	}},
	{"Replace finds an item whose time is over", "ttl-over", func(m *mutant) {
		stored := map[string]bool{}
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if mode == core.Replace && stored[item.Key] {
				mode = core.Set
			}
			stored[item.Key] = true
			return m.reference.Store(ctx, mode, item)
		}
	}},
	{"Delete finds an item whose time is over", "ttl-over", func(m *mutant) {
		m.del = func(ctx ctxt, key string) error {
			m.mu.Lock()
			_, there := m.items[key]
			m.mu.Unlock()
			if err := m.reference.Delete(ctx, key); !there {
				return err
			}
			return nil
		}
	}},
	{"Incr revives a counter whose time is over", "ttl-over", func(m *mutant) {
		m.incr = func(ctx ctxt, key string, delta uint64) (uint64, error) {
			m.mu.Lock()
			if it := m.items[key]; it != nil && !time.Now().Before(it.ends) {
				it.ends = time.Time{}
			}
			m.mu.Unlock()
			return m.reference.Incr(ctx, key, delta)
		}
	}},
	{"a key that had a time to live goes by it, even when it was set again without one", "ttl-new", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if left, err := m.reference.TTL(ctx, item.Key); err == nil && left > 0 && item.TTL == 0 {
				item.TTL = left
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},
	{"Replace without a time to live keeps the one there was", "ttl-replaced", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if left, err := m.reference.TTL(ctx, item.Key); err == nil && item.TTL == 0 && mode == core.Replace {
				item.TTL = left
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},
	{"CompareAndSwap never lengthens a life", "ttl-replaced", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if left, err := m.reference.TTL(ctx, item.Key); err == nil && mode == core.CompareAndSwap && left > 0 {
				item.TTL = min(left, max(item.TTL, left))
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},
	{"an Add that is refused gives a new time to live", "ttl-untouched", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			err := m.reference.Store(ctx, mode, item)
			if err == core.ErrExists {
				m.reference.Touch(ctx, item.Key, item.TTL)
			}
			return err
		}
	}},
	{"GetMulti makes items live longer", "ttl-untouched", func(m *mutant) {
		m.getMulti = func(ctx ctxt, keys []string) ([]core.Item, error) {
			for _, key := range keys {
				if left, err := m.reference.TTL(ctx, key); err == nil && left > 0 {
					m.reference.Touch(ctx, key, 2*left)
				}
			}
			return m.reference.GetMulti(ctx, keys)
		}
	}},
	{"for ever is a year", "ttl-ever", func(m *mutant) {
		m.onStore(func(_ core.Mode, item *core.Item) {
			if item.TTL == 0 {
				item.TTL = 365 * 24 * time.Hour
			}
		})
	}},
	{"Touch only shortens", "ttl-new", func(m *mutant) {
		m.touch = func(ctx ctxt, key string, ttl time.Duration) error {
			if left, err := m.reference.TTL(ctx, key); err == nil && left > 0 && (ttl == 0 || ttl > left) {
				return nil
			}
			return m.reference.Touch(ctx, key, ttl)
		}
	}},
	{"Touch only lengthens", "ttl-shorter", func(m *mutant) {
		m.touch = func(ctx ctxt, key string, ttl time.Duration) error {
			if left, err := m.reference.TTL(ctx, key); err == nil && left > ttl {
				return nil
			}
			return m.reference.Touch(ctx, key, ttl)
		}
	}},
	{"Incr makes a counter live for ever", "ttl-counter", func(m *mutant) {
		m.incr = func(ctx ctxt, key string, delta uint64) (uint64, error) {
			n, err := m.reference.Incr(ctx, key, delta)
			m.reference.Touch(ctx, key, 0)
			return n, err
		}
	}},
	{"thirty days are read as a date in 1970", "ttl-far", func(m *mutant) {
		m.onStore(func(_ core.Mode, item *core.Item) {
			if item.TTL >= 30*24*time.Hour {
				item.TTL = 1
			}
		})
	}},
	{"a long time to live overflows", "ttl-far", func(m *mutant) {
		m.touch = func(ctx ctxt, key string, ttl time.Duration) error {
			if ttl > math.MaxInt64/2 {
				return m.reference.Delete(ctx, key)
			}
			return m.reference.Touch(ctx, key, ttl)
		}
	}},
	{"a TTL that is not known is told as 0", "ability-ttl", func(m *mutant) {
		m.ttl = func(ctx ctxt, key string) (time.Duration, error) {
			left, err := m.reference.TTL(ctx, key)
			return left.Truncate(time.Hour), err
		}
	}},

	// Keys.
	{"keys lose their eighth bit", "key-bytes", func(m *mutant) {
		m.rename(func(key string) string {
			b := []byte(key)
			for i := range b {
				b[i] &= 0x7f
			}
			return string(b)
		})
	}},
	{"keys end at a line end", "key-protocol", func(m *mutant) {
		m.rename(func(key string) string { key, _, _ = strings.Cut(key, "\r\n"); return key })
	}},
	{"keys are trimmed", "key-protocol key-lengths", func(m *mutant) { m.rename(strings.TrimSpace) }},
	{"keys are made valid UTF-8", "key-utf8", func(m *mutant) {
		m.rename(func(key string) string { return strings.ToValidUTF8(key, "\ufffd") })
	}},
	{"keys are cut to 250 bytes", "key-lengths key-collide", func(m *mutant) {
		m.rename(func(key string) string { return key[:min(len(key), 250)] })
	}},
	{"keys are cut to 65,536 bytes, prefix and all", "key-lengths", func(m *mutant) {
		m.rename(func(key string) string { return key[:min(len(key), core.MaxKeyLen)] })
	}},
	{"keys are lower-cased", "key-collide", func(m *mutant) { m.rename(strings.ToLower) }},
	{"spaces in keys become underscores", "key-collide", func(m *mutant) {
		m.rename(func(key string) string { return strings.ReplaceAll(key, " ", "_") })
	}},
	{"long keys are hashed, without a mark", "key-collide", func(m *mutant) {
		m.rename(func(key string) string {
			if len(key) <= 250 {
				return key
			}
			sum := sha1.Sum([]byte(key))
			return hex.EncodeToString(sum[:])
		})
	}},
	{"Incr refuses keys with a space", "key-verbs", func(m *mutant) {
		m.incr = func(ctx ctxt, key string, delta uint64) (uint64, error) {
			if strings.Contains(key, " ") {
				return 0, core.ErrInvalidKey
			}
			return m.reference.Incr(ctx, key, delta)
		}
	}},

	// Values.
	{"an empty value is a miss", "value-empty", func(m *mutant) {
		m.get = func(ctx ctxt, key string) (core.Item, error) {
			item, err := m.reference.Get(ctx, key)
			if len(item.Value) == 0 {
				return core.Item{}, core.ErrMiss
			}
			return item, err
		}
	}},
	{"values end at a NUL", "value-bytes", func(m *mutant) {
		m.onStore(func(_ core.Mode, item *core.Item) { item.Value, _, _ = bytes.Cut(item.Value, []byte{0}) })
	}},
	{"values over 1 MiB are dropped in silence", "value-too-large", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if len(item.Value) > 1<<20 {
				return nil
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},
	{"values that look compressed are inflated", "value-bytes", func(m *mutant) {
		m.get = func(ctx ctxt, key string) (core.Item, error) {
			item, err := m.reference.Get(ctx, key)
			if bytes.HasPrefix(item.Value, []byte{0x1f, 0x8b}) {
				return core.Item{}, core.ErrCodec
			}
			return item, err
		}
	}},
	{"values are cut to 65,535 bytes", "value-lengths", func(m *mutant) {
		m.onStore(func(_ core.Mode, item *core.Item) { item.Value = item.Value[:min(len(item.Value), 65535)] })
	}},
	{"a value that is too large is dropped in silence", "value-too-large", func(m *mutant) {
		m.traits.MaxValue = 1000
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if len(item.Value) > m.traits.MaxValue {
				return nil
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},

	// Ownership.
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
			if old, err := m.reference.Get(ctx, item.Key); err == nil && len(old.Value) == len(item.Value) {
				copy(old.Value, item.Value)
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},
	{"Incr writes over the bytes that Get gave out", "alias-read", func(m *mutant) {
		m.incr = func(ctx ctxt, key string, delta uint64) (uint64, error) {
			old, _ := m.reference.Get(ctx, key)
			n, err := m.reference.Incr(ctx, key, delta)
			if now, _ := m.reference.Get(ctx, key); err == nil {
				copy(old.Value, now.Value)
			}
			return n, err
		}
	}},
	{"a value is stored in two steps", "alias-race", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if old, err := m.reference.Get(ctx, item.Key); err == nil && mode == core.Set {
				half := item
				half.Value = append(bytes.Clone(item.Value[:len(item.Value)/2]), old.Value[len(old.Value)/2:]...)
				m.reference.Store(ctx, mode, half)
				yield()
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},

	// Contexts.
	{"a done context is told as a miss", "context-backend", func(m *mutant) {
		m.get = func(ctx ctxt, key string) (core.Item, error) {
			if ctx.Err() != nil {
				return core.Item{}, core.ErrMiss
			}
			return m.reference.Get(ctx, key)
		}
	}},
	{"a write under a done context is dropped in silence", "context-backend", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if ctx.Err() != nil {
				return nil
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},
	{"a write that is cut off reads the caller's bytes later", "context-bytes", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if _, ok := ctx.Deadline(); ok {
				// What it would find there, without the race that it would be.
				item.Value = []byte("XXXX")
				time.AfterFunc(time.Millisecond, func() { m.reference.Store(context.Background(), mode, item) })
				return context.DeadlineExceeded
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},
	{"StoreMulti and DeleteMulti under a done context do nothing, in silence", "context-backend", func(m *mutant) {
		m.deleteMulti = func(ctx ctxt, keys []string) error {
			if ctx.Err() != nil {
				return nil
			}
			return m.reference.DeleteMulti(ctx, keys)
		}
	}},
	{"a compare-and-swap under a done context is told as a conflict", "context-backend", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if ctx.Err() != nil && mode == core.CompareAndSwap {
				return core.ErrConflict
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},
	{"a deadline is told as some other error", "context-deadline", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if _, ok := ctx.Deadline(); ok {
				return errors.New("i/o timeout")
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},
	{"a write goes on though its deadline has passed", "context-deadline", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if _, ok := ctx.Deadline(); ok {
				time.Sleep(time.Second)
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},
	{"the reply to one Get answers the next", "context-cancel", func(m *mutant) {
		var mu sync.Mutex
		var late bool
		m.get = func(ctx ctxt, key string) (core.Item, error) {
			mu.Lock()
			stale := late
			late = strings.HasSuffix(key, "absent")
			mu.Unlock()
			if stale {
				return core.Item{}, core.ErrMiss
			}
			return m.reference.Get(ctx, key)
		}
	}},
	{"Close is an error", "core-close", func(m *mutant) {
		m.close = func() error { return errors.New("cannot close") }
	}},
	{"verbs that Close overtakes panic", "close-busy", func(m *mutant) {
		closed := make(chan struct{})
		m.close = func() error { close(closed); return nil }
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if item.Key == "k0" {
				return m.reference.Store(ctx, mode, item)
			}
			<-closed
			panic("send on closed connection")
		}
	}},

	// Races.
	{"Add looks first and stores then", "race-add race-incrfrom", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if mode == core.Add {
				if _, err := m.reference.Get(ctx, item.Key); err == nil {
					return core.ErrExists
				}
				yield()
				mode = core.Set
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},
	{"Incr reads first and stores then", "race-incr race-counter-history", func(m *mutant) {
		m.incr = func(ctx ctxt, key string, delta uint64) (uint64, error) {
			m.mu.Lock()
			old := m.find(key)
			m.mu.Unlock()
			yield()
			n, err := m.reference.Incr(ctx, key, delta)
			if err != nil || old == nil {
				return n, err
			}
			n, err = core.ParseCount(old.value)
			return n + delta, errors.Join(err, m.reference.Store(ctx, core.Set, core.Item{Key: key, Value: digits(n + delta)}))
		}
	}},
	{"CompareAndSwap compares first and swaps then", "race-cas", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if mode == core.CompareAndSwap {
				if now, err := m.reference.Get(ctx, item.Key); err != nil || now.Token != item.Token {
					return core.ErrConflict
				}
				yield()
				mode = core.Set
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},
	{"Delete looks first and deletes then", "race-delete", func(m *mutant) {
		m.del = func(ctx ctxt, key string) error {
			if _, err := m.reference.Get(ctx, key); err != nil {
				return err
			}
			yield()
			m.reference.Delete(ctx, key)
			return nil
		}
	}},
	{"CompareAndDelete compares first and deletes then", "race-delete", func(m *mutant) {
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if mode != core.CompareAndDelete {
				return m.reference.Store(ctx, mode, item)
			}
			switch now, err := m.reference.Get(ctx, item.Key); {
			case err != nil:
				return err
			case now.Token != item.Token:
				return core.ErrConflict
			}
			yield()
			m.reference.Delete(ctx, item.Key)
			return nil
		}
	}},
	{"StoreMulti keeps the value it is at in a variable that all share", "race-multi", func(m *mutant) {
		var mu sync.Mutex
		var value []byte
		m.storeMulti = func(ctx ctxt, mode core.Mode, items []core.Item) error {
			for _, item := range items {
				mu.Lock()
				value = item.Value
				mu.Unlock()
				yield()
				mu.Lock()
				item.Value = value
				mu.Unlock()
				m.reference.Store(ctx, mode, item)
			}
			return nil
		}
	}},
	{"Touch is Get and Set", "race-history", func(m *mutant) {
		m.touch = func(ctx ctxt, key string, ttl time.Duration) error {
			item, err := m.reference.Get(ctx, key)
			if err != nil {
				return err
			}
			yield()
			item.TTL = ttl
			return m.reference.Store(ctx, core.Set, item)
		}
	}},

	// Abilities.
	{"Traits are nonsense", "traits", func(m *mutant) { m.traits.Resolution = -1 }},
	{"GetMulti answers more than it was asked for", "ability-multiget", func(m *mutant) {
		m.getMulti = func(ctx ctxt, _ []string) ([]core.Item, error) {
			var all []string
			for key := range m.Keys(ctx, "") {
				all = append(all, key)
			}
			return m.reference.GetMulti(ctx, all)
		}
	}},
	{"GetMulti gives no tokens", "ability-multiget", func(m *mutant) {
		m.getMulti = func(ctx ctxt, keys []string) ([]core.Item, error) {
			items, err := m.reference.GetMulti(ctx, keys)
			for i := range items {
				items[i].Token = nil
			}
			return items, err
		}
	}},
	{"Keys yields keys whose time is over", "ability-keys", func(m *mutant) {
		m.keys = func(_ ctxt, prefix string) iter.Seq2[string, error] {
			return func(yield func(string, error) bool) {
				m.mu.Lock()
				keys := slices.Collect(maps.Keys(m.items))
				m.mu.Unlock()
				for _, key := range keys {
					if strings.HasPrefix(key, prefix) && !yield(key, nil) {
						return
					}
				}
			}
		}
	}},
	{"Keys takes the prefix for a pattern", "ability-keys", func(m *mutant) {
		m.keys = func(ctx ctxt, prefix string) iter.Seq2[string, error] {
			return m.reference.Keys(ctx, strings.TrimSuffix(prefix, "*"))
		}
	}},
	{"GetMulti's tokens never conflict", "ability-multiget", func(m *mutant) {
		type any0 struct{}
		m.getMulti = func(ctx ctxt, keys []string) ([]core.Item, error) {
			items, err := m.reference.GetMulti(ctx, keys)
			for i := range items {
				items[i].Token = any0{}
			}
			return items, err
		}
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			if item.Token == any(any0{}) {
				mode = core.Set
			}
			return m.reference.Store(ctx, mode, item)
		}
	}},
	{"GetMulti hides the error of a key", "ability-multiget", func(m *mutant) {
		m.getMulti = func(ctx ctxt, keys []string) ([]core.Item, error) {
			items, _ := m.reference.GetMulti(ctx, keys)
			return items, nil
		}
	}},
	{"TTL is not told anew after Touch", "ability-ttl", func(m *mutant) {
		m.touch = func(ctx ctxt, key string, ttl time.Duration) error {
			if ttl == 0 {
				return nil
			}
			return m.reference.Touch(ctx, key, ttl)
		}
	}},
	{"Keys leaves out long keys", "ability-keys", func(m *mutant) {
		m.keys = func(ctx ctxt, prefix string) iter.Seq2[string, error] {
			return func(yield func(string, error) bool) {
				for key, err := range m.reference.Keys(ctx, prefix) {
					if len(key) <= 250 && !yield(key, err) {
						return
					}
				}
			}
		}
	}},
	{"Stats count deleted items", "ability-stats", func(m *mutant) {
		deleted := uint64(0)
		m.del = func(ctx ctxt, key string) error { deleted++; return m.reference.Delete(ctx, key) }
		m.stats = func(ctx ctxt) (core.Stats, error) {
			s, err := m.reference.Stats(ctx)
			s.Items += deleted
			return s, err
		}
	}},
	{"a shared value ignores its time to live", "ability-shared", func(m *mutant) {
		m.storeShared = func(ctx ctxt, mode core.Mode, item core.Item, value any) error {
			if mode == core.Replace {
				item.TTL = 0
			}
			return m.reference.StoreShared(ctx, mode, item, value)
		}
	}},
	{"Ping fails", "ability-ping", func(m *mutant) {
		m.ping = func(ctxt) error { return core.ErrUnavailable }
	}},
	{"Stats count a miss as a hit", "ability-stats", func(m *mutant) {
		m.stats = func(ctx ctxt) (core.Stats, error) {
			s, err := m.reference.Stats(ctx)
			s.Hits += s.Misses
			return s, err
		}
	}},
	{"Get of a shared value answers no bytes", "ability-shared", func(m *mutant) {
		m.get = func(ctx ctxt, key string) (core.Item, error) {
			item, err := m.reference.Get(ctx, key)
			if err == core.ErrCodec {
				return core.Item{Key: key}, nil
			}
			return item, err
		}
	}},
	{"StoreShared stores whatever the mode", "ability-shared", func(m *mutant) {
		m.storeShared = func(ctx ctxt, mode core.Mode, item core.Item, value any) error {
			if mode != core.CompareAndDelete {
				mode = core.Set
			}
			return m.reference.StoreShared(ctx, mode, item, value)
		}
	}},
	{"Touch is declined", "ability-unsupported", func(m *mutant) {
		m.touch = func(ctxt, string, time.Duration) error { return errors.ErrUnsupported }
	}},
}

var nullMutants = []planted{
	{"it remembers", "null-read", func(m *mutant) { m.store = m.reference.Store }},
	{"Replace misses", "null-store", func(m *mutant) {
		m.store = func(_ ctxt, mode core.Mode, _ core.Item) error {
			if mode == core.Replace {
				return core.ErrMiss
			}
			return nil
		}
	}},
	{"Delete misses", "null-delete", func(m *mutant) { m.del = m.reference.Delete }},
	{"it does not say that it keeps nothing", "null-count", func(m *mutant) { m.traits = core.Traits{} }},
}

// yield lets other goroutines come in between.
func yield() {
	for range 20 {
		runtime.Gosched()
	}
}
