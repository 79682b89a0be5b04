package conformance

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/cachewire/cachewire/core"
)

// parseBefore makes Incr change the value before it looks for a number.
func (m *mutant) parseBefore(change func(value string) string) {
	m.incr = func(ctx ctxt, key string, delta uint64) (uint64, error) {
		item, err := m.reference.GetItem(ctx, key)
		if changed := change(string(item.Value)); err == nil && changed != string(item.Value) {
			item.Value = []byte(changed)
			m.reference.Store(ctx, core.Set, item)
		}
		return m.reference.Incr(ctx, key, delta)
	}
}

var counterMutants = []mutation{
	{"Incr creates the counter", "incr-absent", func(m *mutant) {
		m.incr = func(ctx ctxt, key string, delta uint64) (uint64, error) {
			m.reference.Store(ctx, core.Add, core.Item{Key: key, Value: []byte("0")})
			return m.reference.Incr(ctx, key, delta)
		}
	}},
	{"Incr adds 1 for any delta", "incr", func(m *mutant) {
		m.incr = func(ctx ctxt, key string, _ uint64) (uint64, error) {
			return m.reference.Incr(ctx, key, 1)
		}
	}},
	{"Incr returns delta", "incr", func(m *mutant) {
		m.incr = func(ctx ctxt, key string, delta uint64) (uint64, error) {
			_, err := m.reference.Incr(ctx, key, delta)
			return delta, err
		}
	}},
	{"Decr adds", "decr", func(m *mutant) { m.decr = m.reference.Incr }},
	{"Incr stops at 2^64 - 1", "incr-wraps", func(m *mutant) {
		m.incr = func(_ ctxt, key string, delta uint64) (uint64, error) {
			return m.updateCounter(key, func(n uint64) uint64 {
				return n + min(delta, math.MaxUint64-n)
			})
		}
	}},
	{"Decr goes below 0", "decr-floor", func(m *mutant) {
		m.decr = func(_ ctxt, key string, delta uint64) (uint64, error) {
			return m.updateCounter(key, func(n uint64) uint64 { return n - delta })
		}
	}},
	{"numbers are floating-point numbers", "counter-limits", func(m *mutant) {
		m.incr = func(_ ctxt, key string, delta uint64) (uint64, error) {
			return m.updateCounter(key, func(n uint64) uint64 {
				if n+delta < 1<<63 {
					return uint64(float64(n) + float64(delta))
				}
				return n + delta
			})
		}
	}},
	{"numbers have a sign", "counter-limits", func(m *mutant) {
		m.decr = func(_ ctxt, key string, delta uint64) (uint64, error) {
			return m.updateCounter(key, func(n uint64) uint64 {
				if int64(n) < int64(delta) {
					return 0
				}
				return n - delta
			})
		}
	}},
	{"GetItems cuts a counter to its length before", "counter-limits", func(m *mutant) {
		lengths := map[string]int{}
		m.changeItems(func(_ core.Mode, item *core.Item) { lengths[item.Key] = len(item.Value) })
		m.getMulti = func(ctx ctxt, keys []string) ([]core.Item, error) {
			items, err := m.reference.GetItems(ctx, keys)
			for i, item := range items {
				items[i].Value = item.Value[:min(len(item.Value), lengths[item.Key])]
			}
			return items, err
		}
	}},
	{"a plus sign is a part of a number", "incr-loose-number", func(m *mutant) {
		m.parseBefore(func(value string) string { return strings.TrimPrefix(value, "+") })
	}},
	{"white space is a part of a number", "incr-loose-number", func(m *mutant) {
		m.parseBefore(strings.TrimSpace)
	}},
	{"a number ends at a NUL", "incr-loose-number", func(m *mutant) {
		m.parseBefore(
			func(value string) string { value, _, _ = strings.Cut(value, "\x00"); return value },
		)
	}},
	{"a plus sign is a part of the number, and makes it 0", "incr-loose-number", func(m *mutant) {
		m.traits.LooseNumbers = true
		m.parseBefore(func(value string) string {
			if strings.HasPrefix(value, "+") {
				return "0"
			}
			return value
		})
	}},
	{"1.0 is a number", "incr-not-number", func(m *mutant) {
		m.parseBefore(func(value string) string { return strings.TrimSuffix(value, ".0") })
	}},
	{"0x5 is a number", "incr-not-number", func(m *mutant) {
		m.parseBefore(func(value string) string { return strings.TrimPrefix(value, "0x") })
	}},
	{"a number of 21 digits is cut", "incr-not-number", func(m *mutant) {
		m.parseBefore(func(value string) string { return value[:min(len(value), 19)] })
	}},
	{"IncrFrom starts from 0", "ability-counter incrfrom-absent", func(m *mutant) {
		m.incrFrom = func(ctx ctxt, key string, delta, _ uint64, ttl time.Duration) (
			uint64, error) {

			return m.reference.IncrFrom(ctx, key, delta, 0, ttl)
		}
	}},
	{"IncrFrom gives a present counter a new time to live", "ability-counter ttl-counter left-kept",
		func(m *mutant) {
			m.incrFrom = func(ctx ctxt, key string, delta, initial uint64, ttl time.Duration) (
				uint64, error) {

				n, err := m.reference.IncrFrom(ctx, key, delta, initial, ttl)
				m.reference.Touch(ctx, key, ttl)
				return n, err
			}
		}},
	{"DecrFrom goes below 0", "ability-counter incrfrom-absent", func(m *mutant) {
		m.decrFrom = func(ctx ctxt, key string, delta, initial uint64, ttl time.Duration) (
			uint64, error) {

			return m.reference.IncrFrom(ctx, key, -delta, initial, ttl)
		}
	}},
	{"Decr leaves a digit of the longer number", "decr-shorter", func(m *mutant) {
		m.decr = func(ctx ctxt, key string, delta uint64) (uint64, error) {
			old, _ := m.reference.GetItem(ctx, key)
			n, err := m.reference.Decr(ctx, key, delta)
			current, _ := m.reference.GetItem(ctx, key)
			if err == nil && len(current.Value) < len(old.Value) {
				current.Value = append(bytes.Clone(current.Value), '0')
				m.reference.Store(ctx, core.Set, current)
			}
			return n, err
		}
	}},
	{"Incr refuses spaces after the digits", "counter-spaces", func(m *mutant) {
		m.incr = func(ctx ctxt, key string, delta uint64) (uint64, error) {
			if item, _ := m.reference.GetItem(ctx, key); bytes.HasSuffix(item.Value, []byte(" ")) {
				return 0, core.ErrNotNumber
			}
			return m.reference.Incr(ctx, key, delta)
		}
	}},
	{"GetMulti returns a counter as it was stored", "counter-read", func(m *mutant) {
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
	{"Incr keeps counters apart from the values", "counter-set", func(m *mutant) {
		counters := map[string]uint64{}
		m.incr = func(ctx ctxt, key string, delta uint64) (uint64, error) {
			n, err := m.reference.Incr(ctx, key, delta)
			if err == nil {
				if old, ok := counters[key]; ok {
					n = old + delta
				}
				counters[key] = n
			}
			return n, err
		}
	}},
	{"Incr of text returns a miss", "incr-not-number incrfrom-present", func(m *mutant) {
		m.incr = func(ctx ctxt, key string, delta uint64) (uint64, error) {
			n, err := m.reference.Incr(ctx, key, delta)
			if err == core.ErrNotNumber {
				err = core.ErrMiss
			}
			return n, err
		}
	}},
	{"Incr treats text as 0", "incr-not-number", func(m *mutant) {
		m.incr = func(ctx ctxt, key string, delta uint64) (uint64, error) {
			n, err := m.reference.Incr(ctx, key, delta)
			if err == core.ErrNotNumber {
				item := core.Item{Key: key, Value: []byte("1")}
				return delta, m.reference.Store(ctx, core.Set, item)
			}
			return n, err
		}
	}},
	{"Incr wraps a number that does not fit", "incr-not-number", func(m *mutant) {
		m.incr = func(ctx ctxt, key string, delta uint64) (uint64, error) {
			item, _ := m.reference.GetItem(ctx, key)
			if string(item.Value) == "18446744073709551616" {
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
		m.changeItems(func(mode core.Mode, item *core.Item) {
			if mode == core.Add {
				item.Flags = 0
			}
		})
	}},
	{"Replace drops the flags", "flags-verbs", func(m *mutant) {
		m.changeItems(func(mode core.Mode, item *core.Item) {
			if mode == core.Replace {
				item.Flags = 0
			}
		})
	}},
	{"Incr sets the flag of an integer", "flags-verbs", func(m *mutant) {
		m.incr = func(ctx ctxt, key string, delta uint64) (uint64, error) {
			n, err := m.reference.Incr(ctx, key, delta)
			if item, _ := m.reference.GetItem(ctx, key); err == nil {
				item.Flags = core.FlagInt
				m.reference.Store(ctx, core.Set, item)
			}
			return n, err
		}
	}},
	{"Incr refuses leading zeros", "counter-zeros", func(m *mutant) {
		m.incr = func(ctx ctxt, key string, delta uint64) (uint64, error) {
			item, _ := m.reference.GetItem(ctx, key)
			if len(item.Value) > 1 && item.Value[0] == '0' {
				return 0, core.ErrNotNumber
			}
			return m.reference.Incr(ctx, key, delta)
		}
	}},
	{"a value of digits is stored as a number", "counter-zeros counter-spaces", func(m *mutant) {
		m.changeItems(func(_ core.Mode, item *core.Item) {
			if n, err := core.ParseCount(item.Value); err == nil {
				item.Value = digits(n)
			}
		})
	}},
	{"Touch resets a counter", "counter-verbs", func(m *mutant) {
		stored := map[string]core.Item{}
		m.changeItems(func(_ core.Mode, item *core.Item) { stored[item.Key] = *item })
		m.touch = func(ctx ctxt, key string, ttl time.Duration) error {
			m.reference.Store(ctx, core.Replace, stored[key])
			return m.reference.Touch(ctx, key, ttl)
		}
	}},
	{"DeleteMulti keeps counters", "counter-verbs", func(m *mutant) {
		incremented := map[string]bool{}
		m.incr = func(ctx ctxt, key string, delta uint64) (uint64, error) {
			incremented[key] = true
			return m.reference.Incr(ctx, key, delta)
		}
		m.deleteMulti = func(ctx ctxt, keys []string) error {
			keys = slices.DeleteFunc(slices.Clone(keys), func(key string) bool {
				return incremented[key]
			})
			return m.reference.DeleteMulti(ctx, keys)
		}
	}},
}
