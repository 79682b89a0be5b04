package conformance

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cachewire/cachewire/core"
)

var ttlCases = []testCase{
	{
		id: "ttl-verbs",
		rule: "Every verb that takes a time to live obeys it: the item is present until it " +
			"expires, and absent one Traits.Resolution later.",
		run: func(e *env) {
			const ttl = 1100 * time.Millisecond
			v := []byte("1")
			for _, key := range []string{
				"replace", "cas", "replacemulti", "touch", "storemulti-cas",
			} {
				e.set(key, "old")
			}
			casItem := e.item("cas")
			casItem.TTL = ttl
			multiItem := e.item("storemulti-cas")
			multiItem.TTL = ttl
			stores := []struct {
				key   string
				store func() error
			}{
				{"set", func() error { return e.cache.Set(e.ctx, "set", v, ttl) }},
				{"add", func() error { return e.cache.Add(e.ctx, "add", v, ttl) }},
				{"replace", func() error { return e.cache.Replace(e.ctx, "replace", v, ttl) }},
				{"cas", func() error { return e.cache.CompareAndSwap(e.ctx, casItem) }},
				{"store", func() error {
					return e.cache.Store(e.ctx, core.Set, core.Item{Key: "store", TTL: ttl})
				}},
				{"setmulti", func() error {
					return e.cache.SetMulti(e.ctx, map[string][]byte{"setmulti": v}, ttl)
				}},
				{"addmulti", func() error {
					return e.cache.AddMulti(e.ctx, map[string][]byte{"addmulti": v}, ttl)
				}},
				{"replacemulti", func() error {
					return e.cache.ReplaceMulti(e.ctx, map[string][]byte{"replacemulti": v}, ttl)
				}},
				{"storemulti-cas", func() error {
					return e.cache.StoreMulti(e.ctx, core.CompareAndSwap, []core.Item{multiItem})
				}},
				{"touch", func() error { return e.cache.Touch(e.ctx, "touch", ttl) }},
				{"incrfrom", func() error {
					_, err := e.cache.IncrFrom(e.ctx, "incrfrom", 1, 1, ttl)
					return err
				}},
				{"decrfrom", func() error {
					_, err := e.cache.DecrFrom(e.ctx, "decrfrom", 1, 1, ttl)
					return err
				}},
			}
			var lifetimes []lifetime
			for _, s := range stores {
				lifetimes = append(lifetimes, e.timeStore(s.key, s.key, ttl, s.store))
			}
			e.checkLifetimes(lifetimes)
		},
	},
	{
		id: "ttl-fraction",
		rule: "A fraction of a second in a time to live counts: it is neither cut off nor " +
			"treated as Forever.",
		run: func(e *env) {
			var lifetimes []lifetime
			for _, ttl := range []time.Duration{
				1,
				time.Microsecond,
				300 * time.Millisecond,
				1500 * time.Millisecond,
				1999 * time.Millisecond,
			} {
				key := ttl.String()
				lifetimes = append(lifetimes, e.timeStore("Set", key, ttl, func() error {
					return e.cache.Set(e.ctx, key, []byte("v"), ttl)
				}))
			}
			e.checkLifetimes(lifetimes)
		},
	},
	{
		id:   "ttl-each",
		rule: "StoreMulti gives each item its own time to live.",
		run: func(e *env) {
			before := time.Now()
			items := []core.Item{
				{Key: "short", Value: []byte("v"), TTL: 200 * time.Millisecond},
				{Key: "forever", Value: []byte("v")},
				{Key: "long", Value: []byte("v"), TTL: longTTL},
			}
			e.must("StoreMulti", e.cache.StoreMulti(e.ctx, core.Set, items))
			e.checkLifetimes([]lifetime{{
				what: "StoreMulti", key: "short", ttl: items[0].TTL,
				before: before, after: time.Now(),
			}})
			e.wantValue("forever", "v")
			e.wantValue("long", "v")
		},
	},
	{
		id:   "ttl-expired",
		rule: "An expired item is absent for every verb, even if it is still in memory.",
		run: func(e *env) {
			v := []byte("new")
			keys := []string{
				"add", "replace", "delete", "incr", "decr", "touch", "exists", "count",
				"multi1", "multi2", "from", "get", "getmulti1", "getmulti2",
			}
			e.set("cas", "old")
			e.set("cad", "old")
			cas, cad := e.item("cas"), e.item("cad")
			e.must("Touch", e.cache.Touch(e.ctx, "cas", 100*time.Millisecond))
			e.must("Touch", e.cache.Touch(e.ctx, "cad", 100*time.Millisecond))
			// Each verb has its own key, because a verb may remove the expired item.
			e.storeExpired(keys...)

			e.wantMiss("get")
			got, err := e.cache.GetMulti(e.ctx, []string{"getmulti1", "getmulti2"})
			e.want("GetMulti", err, nil)
			e.wantValues("GetMulti", got, nil)
			e.want("Replace", e.cache.Replace(e.ctx, "replace", v, 0), core.ErrMiss)
			e.wantMiss("replace")
			e.want("CompareAndSwap",
				e.cache.CompareAndSwap(e.ctx, withValue(cas, "new")), core.ErrMiss)
			e.wantMiss("cas")
			e.want("CompareAndDelete", e.cache.CompareAndDelete(e.ctx, cad), core.ErrMiss)
			e.want("Delete", e.cache.Delete(e.ctx, "delete"), core.ErrMiss)
			_, err = e.cache.Incr(e.ctx, "incr", 1)
			e.want("Incr", err, core.ErrMiss)
			_, err = e.cache.Decr(e.ctx, "decr", 1)
			e.want("Decr", err, core.ErrMiss)
			e.want("Touch", e.cache.Touch(e.ctx, "touch", longTTL), core.ErrMiss)
			e.wantMiss("touch")
			if present, err := e.cache.Exists(e.ctx, "exists"); present || err != nil {
				e.errorf("Exists: %v and error %v, want false and no error", present, err)
			}
			_, err = e.cache.Count(e.ctx, "count")
			e.want("Count", err, core.ErrMiss)
			n, err := e.cache.IncrFrom(e.ctx, "from", 1, 100, 0)
			e.wantNumber("IncrFrom", n, err, 101)
			e.want("Add", e.cache.Add(e.ctx, "add", v, 0), nil)
			e.wantValue("add", "new")
			e.wantFailures("ReplaceMulti",
				e.cache.ReplaceMulti(e.ctx, map[string][]byte{"multi1": v}, 0),
				map[string]error{"multi1": core.ErrMiss})
			e.want("AddMulti", e.cache.AddMulti(e.ctx, map[string][]byte{"multi2": v}, 0), nil)
		},
	},
	{
		id: "ttl-new",
		rule: "Every store gives the item a new time to live, and the old one has no effect. The " +
			"same is true if the item is deleted and stored again.",
		run: func(e *env) {
			var keys []string
			v := []byte("1")
			ttl := e.withShortTTL(
				200*time.Millisecond,
				func(round string, short time.Duration) error {
					c, ctx := e.cache, e.ctx
					keys = nil
					key := func(name string) string {
						keys = append(keys, round+name)
						return round + name
					}
					set, replace, cas := key("set"), key("replace"), key("cas")
					touch, longer, again := key("touch"), key("touched longer"), key("added again")
					err := errors.Join(c.Set(ctx, set, v, short), c.Set(ctx, set, v, 0),
						c.Set(ctx, replace, v, short), c.Replace(ctx, replace, v, longTTL),
						c.Set(ctx, touch, v, short), c.Touch(ctx, touch, 0),
						c.Set(ctx, longer, v, short), c.Touch(ctx, longer, longTTL),
						c.Add(ctx, again, v, short), c.Delete(ctx, again), c.Add(ctx, again, v, 0),
						c.Set(ctx, cas, v, short))
					item, getErr := c.GetItem(ctx, cas)
					item.TTL = longTTL
					return errors.Join(err, getErr, c.CompareAndSwap(ctx, item))
				},
			)
			time.Sleep(ttl + e.resolution() + ttl)
			for _, key := range keys {
				if present, err := e.cache.Exists(e.ctx, key); !present {
					e.errorf("%s: absent because of its old time to live (error %v)", key, err)
				}
			}
		},
	},
	{
		id: "ttl-replaced",
		rule: "Replace and CompareAndSwap give the item a new time to live, as Set does, even " +
			"if the old one is short and the new one is Forever.",
		run: func(e *env) {
			var keys []string
			v := []byte("v")
			ttl := e.withShortTTL(
				200*time.Millisecond,
				func(round string, short time.Duration) error {
					c, ctx := e.cache, e.ctx
					keys = nil
					var err error
					for _, name := range []string{
						"forever", "long", "cas forever", "cas long", "multi",
					} {
						keys = append(keys, round+name)
						err = errors.Join(err, c.Set(ctx, round+name, v, short))
					}
					forever, forErr := c.GetItem(ctx, round+"cas forever")
					long, longErr := c.GetItem(ctx, round+"cas long")
					long.TTL = longTTL
					return errors.Join(err, forErr, longErr,
						c.Replace(ctx, round+"forever", v, 0),
						c.Replace(ctx, round+"long", v, longTTL),
						c.CompareAndSwap(ctx, forever),
						c.CompareAndSwap(ctx, long),
						c.ReplaceMulti(ctx, map[string][]byte{round + "multi": v}, 0))
				},
			)
			time.Sleep(ttl + e.resolution() + ttl)
			for _, key := range keys {
				e.wantValue(key, "v")
			}
		},
	},
	{
		id:   "ttl-untouched",
		rule: "Neither a read nor a verb that is refused changes the time to live.",
		run: func(e *env) {
			v := []byte("v")
			verbs := map[string]func(key string) error{
				"Add": func(key string) error {
					return wantError(core.ErrExists, e.cache.Add(e.ctx, key, v, longTTL))
				},
				"AddMulti": func(key string) error {
					values := map[string][]byte{key: v}
					err := keyError(e.cache.AddMulti(e.ctx, values, longTTL), key)
					return wantError(core.ErrExists, err)
				},
				"CompareAndSwap": func(key string) error {
					item := core.Item{Key: key, TTL: longTTL, Token: new(int)}
					return wantError(core.ErrConflict, e.cache.CompareAndSwap(e.ctx, item))
				},
				"Incr": func(key string) error {
					_, err := e.cache.Incr(e.ctx, key, 1)
					return wantError(core.ErrNotNumber, err)
				},
				"IncrFrom": func(key string) error {
					_, err := e.cache.IncrFrom(e.ctx, key, 1, 1, longTTL)
					return wantError(core.ErrNotNumber, err)
				},
				"Get": func(key string) error {
					_, err := e.cache.Get(e.ctx, key)
					return err
				},
				"GetMulti": func(key string) error {
					_, err := e.cache.GetMulti(e.ctx, []string{key})
					return err
				},
			}
			e.checkUntouched("text", verbs)
		},
	},
	{
		id:   "ttl-forever",
		rule: "An item that is stored or touched with a time to live of 0 never expires.",
		run: func(e *env) {
			v := []byte("1")
			e.must("Set", e.cache.Set(e.ctx, "set", v, 0))
			e.must("SetMulti", e.cache.SetMulti(e.ctx, map[string][]byte{"setmulti": v}, 0))
			e.must("Set", e.cache.Set(e.ctx, "touch", v, longTTL))
			e.must("Touch", e.cache.Touch(e.ctx, "touch", 0))
			_, err := e.cache.IncrFrom(e.ctx, "incrfrom", 1, 0, 0)
			e.must("IncrFrom", err)
			wait := e.resolution()
			if e.fakeTime && e.cache.Traits().MaxTTL == 0 {
				wait = 1000 * day
			}
			e.sleep(wait)
			for _, key := range []string{"set", "setmulti", "touch", "incrfrom"} {
				e.wantValue(key, "1")
			}
		},
	},
	{
		id:   "ttl-shorter",
		rule: "Touch and Set can shorten the time to live.",
		run: func(e *env) {
			const short = 200 * time.Millisecond
			e.must("Set", e.cache.Set(e.ctx, "touch", []byte("v"), longTTL))
			e.must("Set", e.cache.Set(e.ctx, "set", []byte("v"), 0))
			e.checkLifetimes([]lifetime{
				e.timeStore("Touch", "touch", short, func() error {
					return e.cache.Touch(e.ctx, "touch", short)
				}),
				e.timeStore("Set", "set", short, func() error {
					return e.cache.Set(e.ctx, "set", []byte("v"), short)
				}),
			})
		},
	},
	{
		id: "ttl-counter",
		rule: "Incr, Decr, IncrFrom and DecrFrom keep the time to live of a counter that is " +
			"present, even if its number gets more or fewer digits.",
		run: func(e *env) {
			verbs := map[string]func(key string) error{}
			for name, verb := range map[string]func(ctx context.Context, key string, delta uint64) (
				uint64, error){

				"Incr": e.cache.Incr,
				"Decr": e.cache.Decr,
				"IncrFrom": func(ctx context.Context, key string, delta uint64) (uint64, error) {
					return e.cache.IncrFrom(ctx, key, delta, 1, longTTL)
				},
				"DecrFrom": func(ctx context.Context, key string, delta uint64) (uint64, error) {
					return e.cache.DecrFrom(ctx, key, delta, 1, longTTL)
				},
			} {
				for _, delta := range []uint64{0, 1, 7, 10, 1_000_000} {
					verbs[fmt.Sprintf("%s of 10 by %d", name, delta)] = func(key string) error {
						_, err := verb(e.ctx, key, delta)
						return err
					}
				}
			}
			e.checkUntouched("10", verbs)
		},
	},
	{
		id: "ttl-far",
		rule: "Long times to live work, near memcached's limit of 30 days and up to the longest " +
			"duration: the items do not expire at once.",
		run: func(e *env) {
			ttls := []time.Duration{
				30*day - time.Second,
				30 * day,
				30*day + time.Second,
				30*day + time.Nanosecond,
				365 * day,
				100 * 365 * day,
				core.Forever - 1,
				core.Forever,
			}
			for _, ttl := range ttls {
				key := ttl.String()
				e.must("Set", e.cache.Set(e.ctx, key, []byte("v"), ttl))
				e.wantValue(key, "v")
				e.must("Touch", e.cache.Touch(e.ctx, key, ttl))
				e.wantValue(key, "v")
				n, err := e.cache.IncrFrom(e.ctx, "n"+key, 1, 1, ttl)
				e.wantNumber("IncrFrom", n, err, 2)
				e.wantCount("n"+key, 2)
			}
			time.Sleep(e.resolution())
			for _, ttl := range ttls {
				e.wantValue(ttl.String(), "v")
				e.wantCount("n"+ttl.String(), 2)
			}
			if !e.fakeTime {
				return
			}
			if limit := e.cache.Traits().MaxTTL; limit > 0 && limit <= 366*day {
				return
			}
			if !e.sleep(30*day - 3*time.Second - e.resolution()) {
				return
			}
			e.wantValue((30*day - time.Second).String(), "v")
			time.Sleep(5*time.Second + 2*e.resolution())
			e.wantMiss((30*day - time.Second).String())
			e.wantMiss((30*day + time.Second).String())
			e.wantValue((365 * day).String(), "v")
			if !e.sleep(335 * day) {
				return
			}
			e.wantMiss((365 * day).String())
			e.wantValue((core.Forever - 1).String(), "v")
			e.wantValue(core.Forever.String(), "v")
		},
	},
}
