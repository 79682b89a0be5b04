package conformance

import (
	"context"
	"iter"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
)

// limitTTL makes all verbs store change(ttl) instead of a time to live.
func (m *mutant) limitTTL(change func(ttl time.Duration) time.Duration) {
	m.changeItems(func(_ core.Mode, item *core.Item) { item.TTL = change(item.TTL) })
	m.touch = func(ctx ctxt, key string, ttl time.Duration) error {
		return m.reference.Touch(ctx, key, change(ttl))
	}
}

// loseTTL makes Incr and Decr remove the time to live if lose returns true.
func (m *mutant) loseTTL(lose func(before, after, delta uint64) bool) {
	moved := func(move func(ctxt, string, uint64) (uint64, error)) func(ctxt, string, uint64) (
		uint64, error) {

		return func(ctx ctxt, key string, delta uint64) (uint64, error) {
			item, _ := m.reference.GetItem(ctx, key)
			before, _ := core.ParseCount(item.Value)
			after, err := move(ctx, key, delta)
			if err == nil && lose(before, after, delta) {
				m.reference.Touch(ctx, key, 0)
			}
			return after, err
		}
	}
	m.incr, m.decr = moved(m.reference.Incr), moved(m.reference.Decr)
}

// keepTTL makes the stores that match keep the old time to live if there is one.
func (m *mutant) keepTTL(matches func(mode core.Mode, old, new time.Duration) bool) {
	m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
		if old, err := m.reference.TTL(ctx, item.Key); err == nil && matches(mode, old, item.TTL) {
			item.TTL = old
		}
		return m.reference.Store(ctx, mode, item)
	}
}

func atMost(limit time.Duration) func(ttl time.Duration) time.Duration {
	return func(ttl time.Duration) time.Duration {
		if ttl == 0 {
			return 0
		}
		return min(ttl, limit)
	}
}

// leftMutants are found with a core.TTLReader, and without one by waiting.
var leftMutants = []mutation{
	{"an increment to a longer number loses the time to live", "left-kept ttl-counter",
		func(m *mutant) {
			m.loseTTL(func(before, after, _ uint64) bool {
				return len(strconv.FormatUint(before, 10)) < len(strconv.FormatUint(after, 10))
			})
		}},
	{"an increment by more than 1 loses the time to live", "left-kept ttl-counter",
		func(m *mutant) {
			m.loseTTL(func(before, after, delta uint64) bool { return delta > 1 && after > before })
		}},
	{"a decrement to 0 loses the time to live", "left-kept ttl-counter", func(m *mutant) {
		m.loseTTL(func(_, after, _ uint64) bool { return after == 0 })
	}},
	{"Replace with core.Forever keeps the time to live", "left-changed", func(m *mutant) {
		m.keepTTL(func(mode core.Mode, _, new time.Duration) bool {
			return mode == core.Replace && new == 0
		})
	}},
	{"CompareAndSwap with core.Forever keeps the time to live", "left-changed",
		func(m *mutant) {
			m.keepTTL(func(mode core.Mode, _, new time.Duration) bool {
				return mode == core.CompareAndSwap && new == 0
			})
		}},
	{"CompareAndSwap keeps core.Forever", "left-changed", func(m *mutant) {
		m.keepTTL(func(mode core.Mode, old, _ time.Duration) bool {
			return mode == core.CompareAndSwap && old == 0
		})
	}},
	{"Touch with a time to live of 0 does nothing", "left-changed", func(m *mutant) {
		m.touch = func(ctx ctxt, key string, ttl time.Duration) error {
			if ttl == 0 {
				_, err := m.reference.TTL(ctx, key)
				return err
			}
			return m.reference.Touch(ctx, key, ttl)
		}
	}},
	{"Touch counts from the store", "left-changed", func(m *mutant) {
		stored := map[string]time.Time{}
		m.store = func(ctx ctxt, mode core.Mode, item core.Item) error {
			stored[item.Key] = time.Now()
			return m.reference.Store(ctx, mode, item)
		}
		m.touch = func(ctx ctxt, key string, ttl time.Duration) error {
			if ttl != 0 {
				ttl -= time.Since(stored[key])
			}
			return m.reference.Touch(ctx, key, ttl)
		}
	}},
	{"the time to live is cut to tenths of a second", "left-set", func(m *mutant) {
		m.limitTTL(
			func(ttl time.Duration) time.Duration { return ttl.Truncate(100 * time.Millisecond) },
		)
	}},
	{"items live 90 minutes at most", "left-set", func(m *mutant) {
		m.limitTTL(atMost(90 * time.Minute))
	}},
	{"items live a day at most", "left-set", func(m *mutant) { m.limitTTL(atMost(day)) }},
	{"items live 2^31 ms at most", "left-set", func(m *mutant) {
		m.limitTTL(atMost((1<<31 - 1) * time.Millisecond))
	}},
	{"a time to live is a number of milliseconds of 32 bits", "left-set", func(m *mutant) {
		m.limitTTL(func(ttl time.Duration) time.Duration {
			if cut := time.Duration(uint32(ttl.Milliseconds())) * time.Millisecond; cut > 0 {
				return cut
			}
			return ttl
		})
	}},
}

func TestTimesToLiveAreCheckedWithoutTTLReader(t *testing.T) {
	for _, p := range leftMutants {
		for _, id := range strings.Fields(p.cases) {
			t.Run(p.fault+"/"+id, func(t *testing.T) {
				c := caseByID(t, Cache, id)
				synctest.Test(t, func(t *testing.T) {
					r := runCaseInBubble(
						t,
						c,
						func() core.Backend { return bare{newMutant(p.plant)} },
					)
					if len(r.failures) == 0 {
						t.Errorf("%s passes although %s", id, p.fault)
					}
				})
			})
		}
	}
}

// listMutants have faults in races, in batches and in lists of keys.
var listMutants = []mutation{
	{"Incr takes the counter out and stores it again", "left-race", func(m *mutant) {
		touched := make(chan struct{})
		m.incr = func(ctx ctxt, key string, delta uint64) (uint64, error) {
			left, _ := m.reference.TTL(ctx, key)
			select {
			case <-touched:
			case <-time.After(time.Millisecond):
			}
			n, err := m.reference.Incr(ctx, key, delta)
			m.reference.Touch(ctx, key, left)
			return n, err
		}
		m.touch = func(ctx ctxt, key string, ttl time.Duration) error {
			err := m.reference.Touch(ctx, key, ttl)
			select {
			case touched <- struct{}{}:
			default:
			}
			return err
		}
	}},
	{"item 101 of a batch never expires", "left-batch", func(m *mutant) {
		m.storeMulti = func(ctx ctxt, mode core.Mode, items []core.Item) error {
			if len(items) > 100 {
				items[100].TTL = 0
			}
			return m.reference.StoreMulti(ctx, mode, items)
		}
	}},
	{"Keys yields 10,000 keys at most", "list-many", func(m *mutant) {
		m.keys = func(ctx ctxt, prefix string) iter.Seq2[string, error] {
			return firstKeys(m.reference.Keys(ctx, prefix), 10_000)
		}
	}},
	{"Keys leaves out keys without a time to live", "list-many ability-keys", func(m *mutant) {
		m.keys = func(ctx ctxt, prefix string) iter.Seq2[string, error] {
			return filterKeys(m.reference.Keys(ctx, prefix), func(key string) bool {
				left, _ := m.reference.TTL(ctx, key)
				return left != 0
			})
		}
	}},
	{"Keys skips a key for each one that is deleted", "list-delete", func(m *mutant) {
		deleted := 0
		m.del = func(ctx ctxt, key string) error {
			deleted++
			return m.reference.Delete(ctx, key)
		}
		m.keys = func(ctx ctxt, prefix string) iter.Seq2[string, error] {
			return filterKeys(m.reference.Keys(ctx, prefix), func(string) bool {
				if deleted > 0 {
					deleted--
					return false
				}
				return true
			})
		}
	}},
	{"Keys ignores its context once it has begun", "list-cancel", func(m *mutant) {
		m.keys = func(ctx ctxt, prefix string) iter.Seq2[string, error] {
			return func(yield func(string, error) bool) {
				if ctx.Err() == nil {
					ctx = context.WithoutCancel(ctx)
				}
				n := 0
				for key := range m.reference.Keys(ctx, prefix) {
					if n++; n > 4000 || !yield(key, nil) {
						return // a list that ends early, and without an error
					}
				}
			}
		}
	}},
	{"Keys looks for the time to live of the first key only", "list-expired", func(m *mutant) {
		m.keys = func(ctx ctxt, prefix string) iter.Seq2[string, error] {
			return func(yield func(string, error) bool) {
				m.mu.Lock()
				var keys []string
				for key := range m.items {
					if strings.HasPrefix(key, prefix) {
						keys = append(keys, key)
					}
				}
				m.mu.Unlock()
				for _, key := range keys {
					if !yield(key, nil) {
						return
					}
				}
			}
		}
	}},
}

// filterKeys returns the keys of list for which keep returns true.
func filterKeys(
	list iter.Seq2[string, error],
	keep func(key string) bool,
) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for key, err := range list {
			if (err != nil || keep(key)) && !yield(key, err) {
				return
			}
		}
	}
}

func firstKeys(list iter.Seq2[string, error], n int) iter.Seq2[string, error] {
	return filterKeys(list, func(string) bool { n--; return n >= 0 })
}
