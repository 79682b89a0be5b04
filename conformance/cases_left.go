package conformance

import (
	"fmt"
	"time"

	"github.com/cachewire/cachewire/core"
)

// wantLeft checks that the item of l lives as long as l says. If the backend is a
// core.TTLReader, wantLeft calls its TTL, and need not wait. Otherwise, in fake time,
// checkLeft waits later.
func (e *env) wantLeft(l lifetime) {
	if _, ok := core.Ability[core.TTLReader](e.backend); !ok {
		if e.fakeTime {
			e.later = append(e.later, l)
		}
		return
	}
	before := time.Now()
	got, err := e.cache.TTL(e.ctx, l.key)
	after := time.Now()
	switch {
	case err != nil:
		e.errorf(
			"TTL of %s after %s with %s: error is %v",
			quote(l.key),
			l.what,
			ttlString(l.ttl),
			err,
		)
	case l.ttl == core.Forever || got == core.Forever:
		if got != l.ttl {
			e.errorf("TTL of %s after %s with %s: %s",
				quote(l.key), l.what, ttlString(l.ttl), ttlString(got))
		}
	default:
		least := l.ttl - after.Sub(l.before)
		most := l.ttl - before.Sub(l.after) + e.resolution()
		if got < least || got > most {
			e.errorf("TTL of %s after %s with %s: %v, want %v to %v",
				quote(l.key), l.what, ttlString(l.ttl), got, least, most)
		}
	}
}

// cannotCheckLeft reports whether wantLeft cannot check anything, and declines the case. Some
// times to live are checked by waiting in other cases.
func (e *env) cannotCheckLeft() bool {
	if _, ok := core.Ability[core.TTLReader](e.backend); ok || e.fakeTime {
		return false
	}
	e.decline("core.TTLReader")
	return true
}

// checkLeft checks the lifetimes that wantLeft could not check. A case that calls wantLeft
// calls checkLeft at its end.
func (e *env) checkLeft() { e.checkLifetimes(e.later) }

func ttlString(ttl time.Duration) string {
	if ttl == core.Forever {
		return "core.Forever"
	}
	return ttl.String()
}

// storeAndCheckLeft calls store, which stores an item with the time to live ttl, and checks
// how long the item lives.
func (e *env) storeAndCheckLeft(what, key string, ttl time.Duration, store func() error) {
	e.wantLeft(e.timeStore(what, key, ttl, store))
}

const day = 24 * time.Hour

// leftTTLs are times to live near the limits of other units and integers.
var leftTTLs = []time.Duration{
	500 * time.Millisecond,
	time.Second,
	1234567890 * time.Nanosecond,
	59*time.Second + 999*time.Millisecond,
	61 * time.Second,
	time.Hour + 29*time.Minute + 59*time.Second, // 90 minutes
	time.Hour + 30*time.Minute + time.Second,
	day - time.Second,
	day + time.Second,
	1<<31*time.Millisecond - time.Millisecond, // 24.8 days
	1<<31*time.Millisecond + time.Second,
	30*day - time.Second, // memcached's limit of relative times
	30*day + time.Second,
	1<<32*time.Millisecond + time.Second, // 49.7 days
	366 * day,
	1<<31*time.Second + time.Second, // 68 years
	core.Forever,
}

// leftCases check times to live exactly and without waiting.
var leftCases = []testCase{
	{
		id: "left-set",
		rule: "After a verb sets a time to live, the item has exactly this time to live: it is " +
			"not limited, and not cut to a unit that is coarser than Traits.Resolution.",
		run: func(e *env) {
			if e.cannotCheckLeft() {
				return
			}
			limit := e.cache.Traits().MaxTTL
			for _, ttl := range leftTTLs {
				if limit > 0 && ttl > limit {
					e.decline("times to live of more than " + limit.String() + ", by Traits.MaxTTL")
					break
				}
				v := []byte("1")
				key := func(verb string) string { return verb + " " + ttlString(ttl) }
				for _, verb := range []string{
					"Replace", "CompareAndSwap", "ReplaceMulti", "Touch", "StoreMulti",
				} {
					e.set(key(verb), "old")
				}
				swap, multi := e.item(key("CompareAndSwap")), e.item(key("StoreMulti"))
				swap.TTL, multi.TTL = ttl, ttl
				for verb, store := range map[string]func(key string) error{
					"Set": func(key string) error { return e.cache.Set(e.ctx, key, v, ttl) },
					"Add": func(key string) error { return e.cache.Add(e.ctx, key, v, ttl) },
					"Replace": func(key string) error {
						return e.cache.Replace(e.ctx, key, v, ttl)
					},
					"CompareAndSwap": func(string) error {
						return e.cache.CompareAndSwap(e.ctx, swap)
					},
					"SetMulti": func(key string) error {
						return e.cache.SetMulti(e.ctx, map[string][]byte{key: v}, ttl)
					},
					"AddMulti": func(key string) error {
						return e.cache.AddMulti(e.ctx, map[string][]byte{key: v}, ttl)
					},
					"ReplaceMulti": func(key string) error {
						return e.cache.ReplaceMulti(e.ctx, map[string][]byte{key: v}, ttl)
					},
					"StoreMulti": func(string) error {
						return e.cache.StoreMulti(e.ctx, core.CompareAndSwap, []core.Item{multi})
					},
					"Touch": func(key string) error { return e.cache.Touch(e.ctx, key, ttl) },
					"IncrFrom": func(key string) error {
						_, err := e.cache.IncrFrom(e.ctx, key, 1, 1, ttl)
						return err
					},
					"DecrFrom": func(key string) error {
						_, err := e.cache.DecrFrom(e.ctx, key, 1, 1, ttl)
						return err
					},
				} {
					e.storeAndCheckLeft(
						verb,
						key(verb),
						ttl,
						func() error { return store(key(verb)) },
					)
				}
			}
			e.checkLeft()
		},
	},
	{
		id: "left-changed",
		rule: "A verb that sets a time to live replaces the old one, even if either of them is " +
			"core.Forever. The new one starts when the verb is called.",
		run: func(e *env) {
			if e.cannotCheckLeft() {
				return
			}
			const pause = 100 * time.Millisecond
			ttls := []time.Duration{core.Forever, time.Hour, 2 * time.Hour}
			for _, from := range ttls {
				for _, to := range ttls {
					v := []byte("1")
					verbs := map[string]func(key string, item core.Item) error{
						"Set": func(key string, _ core.Item) error {
							return e.cache.Set(e.ctx, key, v, to)
						},
						"Replace": func(key string, _ core.Item) error {
							return e.cache.Replace(e.ctx, key, v, to)
						},
						"Touch": func(key string, _ core.Item) error {
							return e.cache.Touch(e.ctx, key, to)
						},
						"CompareAndSwap": func(_ string, item core.Item) error {
							item.TTL = to
							return e.cache.CompareAndSwap(e.ctx, item)
						},
						"SetMulti": func(key string, _ core.Item) error {
							return e.cache.SetMulti(e.ctx, map[string][]byte{key: v}, to)
						},
						"ReplaceMulti": func(key string, _ core.Item) error {
							return e.cache.ReplaceMulti(e.ctx, map[string][]byte{key: v}, to)
						},
					}
					name := func(verb string) string {
						return fmt.Sprintf(
							"%s, from %s to %s",
							verb,
							ttlString(from),
							ttlString(to),
						)
					}
					items := map[string]core.Item{}
					for verb := range verbs {
						e.must("Set", e.cache.Set(e.ctx, name(verb), []byte("old"), from))
						items[verb] = e.item(name(verb))
					}
					time.Sleep(pause)
					for verb, call := range verbs {
						e.storeAndCheckLeft(verb, name(verb), to, func() error {
							return call(name(verb), items[verb])
						})
					}
				}
			}
			e.checkLeft()
		},
	},
	{
		id: "left-kept",
		rule: "Reads, refused verbs and counter verbs keep the time to live, even if the number " +
			"of a counter gets more or fewer digits.",
		run: func(e *env) {
			if e.cannotCheckLeft() {
				return
			}
			for _, ttl := range []time.Duration{core.Forever, time.Hour} {
				for _, kept := range []struct {
					what, value string
					verb        func(key string) error
				}{
					{"Incr by 1", "10", func(key string) error {
						_, err := e.cache.Incr(e.ctx, key, 1)
						return err
					}},
					{"Incr to a longer number", "9", func(key string) error {
						_, err := e.cache.Incr(e.ctx, key, 1)
						return err
					}},
					{"Incr by 1000000", "10", func(key string) error {
						_, err := e.cache.Incr(e.ctx, key, 1_000_000)
						return err
					}},
					{"Incr that wraps around", "18446744073709551615", func(key string) error {
						_, err := e.cache.Incr(e.ctx, key, 1)
						return err
					}},
					{"Decr to a shorter number", "100", func(key string) error {
						_, err := e.cache.Decr(e.ctx, key, 1)
						return err
					}},
					{"Decr to 0", "5", func(key string) error {
						_, err := e.cache.Decr(e.ctx, key, 7)
						return err
					}},
					{"IncrFrom of a present counter", "5", func(key string) error {
						_, err := e.cache.IncrFrom(e.ctx, key, 10, 0, 3*time.Hour)
						return err
					}},
					{"DecrFrom of a present counter", "5", func(key string) error {
						_, err := e.cache.DecrFrom(e.ctx, key, 10, 0, 3*time.Hour)
						return err
					}},
					{"Incr of text", "text", func(key string) error {
						_, err := e.cache.Incr(e.ctx, key, 1)
						return ignore(err, core.ErrNotNumber)
					}},
					{"Get", "v", func(key string) error {
						_, err := e.cache.Get(e.ctx, key)
						return err
					}},
					{"GetItem", "v", func(key string) error {
						_, err := e.cache.GetItem(e.ctx, key)
						return err
					}},
					{"GetMulti", "v", func(key string) error {
						_, err := e.cache.GetMulti(e.ctx, []string{key})
						return err
					}},
					{"a refused Add", "v", func(key string) error {
						err := e.cache.Add(e.ctx, key, []byte("w"), 3*time.Hour)
						return ignore(err, core.ErrExists)
					}},
					{"a refused CompareAndSwap", "v", func(key string) error {
						item := core.Item{Key: key, TTL: 3 * time.Hour, Token: new(int)}
						return ignore(e.cache.CompareAndSwap(e.ctx, item), core.ErrConflict)
					}},
				} {
					key := kept.what + ", " + ttlString(ttl)
					l := e.timeStore(kept.what, key, ttl, func() error {
						return e.cache.Set(e.ctx, key, []byte(kept.value), ttl)
					})
					for range 2 { // a counter may be kept in another form after the first change
						e.must(kept.what, kept.verb(key))
						e.wantLeft(l)
					}
				}
			}
			e.checkLeft()
		},
	},
	{
		id:   "left-batch",
		rule: "Every item of a large batch has its time to live.",
		run: func(e *env) {
			if e.cannotCheckLeft() {
				return
			}
			const n = 250
			ttlOf := func(i int) time.Duration { return time.Hour + time.Duration(i)*time.Second }
			values, items := map[string][]byte{}, make([]core.Item, n)
			for i := range n {
				values[numbered("k", i)] = []byte("v")
				items[i] = core.Item{Key: numbered("k", i), Value: []byte("v"), TTL: ttlOf(i)}
			}
			for _, batch := range []struct {
				what  string
				ttl   func(i int) time.Duration
				store func() error
			}{
				{"SetMulti", func(int) time.Duration { return time.Hour }, func() error {
					return e.cache.SetMulti(e.ctx, values, time.Hour)
				}},
				{"ReplaceMulti", func(int) time.Duration { return core.Forever }, func() error {
					return e.cache.ReplaceMulti(e.ctx, values, core.Forever)
				}},
				{"StoreMulti", ttlOf, func() error {
					return e.cache.StoreMulti(e.ctx, core.Set, items)
				}},
			} {
				l := e.timeStore(batch.what, "", 0, batch.store)
				e.later = nil // of the batch before, which this one has replaced
				for i := range n {
					l.key, l.ttl = numbered("k", i), batch.ttl(i)
					e.wantLeft(l)
				}
			}
			e.checkLeft()
		},
	},
	{
		id: "left-race",
		rule: "If Touch and Incr of one key race, the counter keeps every increment and has the " +
			"time to live of the last Touch.",
		run: func(e *env) {
			e.must("Set", e.cache.Set(e.ctx, "n", []byte("0"), time.Hour))
			const increments = 200
			var last lifetime
			ended := make(chan struct{}) // an Incr has ended; closed when all have
			e.inParallel(2, func(w int) {
				if w == 0 {
					defer close(ended)
					for range increments {
						_, err := e.cache.Incr(e.ctx, "n", 1)
						e.must("Incr", err)
						select {
						case ended <- struct{}{}:
						default:
						}
					}
					return
				}
				for i, more := 0, true; more; i++ {
					ttl := time.Duration(2+i) * time.Hour
					last = e.timeStore("Touch", "n", ttl, func() error {
						return e.cache.Touch(e.ctx, "n", ttl)
					})
					_, more = <-ended
					e.later = nil // of the Touch before
					e.wantLeft(last)
				}
			})
			e.wantCount("n", increments)
			e.wantLeft(last)
			if !e.cannotCheckLeft() {
				e.checkLeft()
			}
		},
	},
}
