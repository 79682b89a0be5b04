package conformance

import (
	"bytes"
	"math"
	"slices"
	"time"

	"github.com/cachewire/cachewire/core"
)

var counterMutants = []planted{
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
			old, _ := m.reference.GetItem(ctx, key)
			n, err := m.reference.Decr(ctx, key, delta)
			if now, _ := m.reference.GetItem(ctx, key); err == nil && len(now.Value) < len(old.Value) {
				now.Value = append(bytes.Clone(now.Value), '0')
				m.reference.Store(ctx, core.Set, now)
			}
			return n, err
		}
	}},
	{"a counter may not have spaces behind it", "counter-spaces", func(m *mutant) {
		m.incr = func(ctx ctxt, key string, delta uint64) (uint64, error) {
			if item, _ := m.reference.GetItem(ctx, key); bytes.HasSuffix(item.Value, []byte(" ")) {
				return 0, core.ErrNotNumber
			}
			return m.reference.Incr(ctx, key, delta)
		}
	}},
	{"GetMulti answers a counter as it was stored", "counter-read", func(m *mutant) {
		m.getMulti = func(ctx ctxt, keys []string) ([]core.Item, error) {
			items, err := m.reference.GetItems(ctx, keys)
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
			if item, _ := m.reference.GetItem(ctx, key); string(item.Value) == "18446744073709551616" {
				return delta, nil
			}
			return m.reference.Incr(ctx, key, delta)
		}
	}},
	{"Incr drops the flags", "incr-flags", func(m *mutant) {
		m.incr = func(ctx ctxt, key string, delta uint64) (uint64, error) {
			n, err := m.reference.Incr(ctx, key, delta)
			if item, _ := m.reference.GetItem(ctx, key); err == nil {
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
			if item, _ := m.reference.GetItem(ctx, key); err == nil {
				item.Flags = core.FlagInt
				m.reference.Store(ctx, core.Set, item)
			}
			return n, err
		}
	}},
	{"zeros before the digits make it no number", "counter-zeros", func(m *mutant) {
		m.incr = func(ctx ctxt, key string, delta uint64) (uint64, error) {
			if item, _ := m.reference.GetItem(ctx, key); len(item.Value) > 1 && item.Value[0] == '0' {
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
}
