package conformance

import (
	"slices"
	"time"

	"github.com/cachewire/cachewire/core"
)

// A lifetime is an item that was stored between two moments.
type lifetime struct {
	what, key     string
	ttl           time.Duration
	before, after time.Time
}

// born stores key by store and answers its lifetime.
func (e *env) born(what, key string, ttl time.Duration, store func() error) lifetime {
	l := lifetime{what: what, key: key, ttl: ttl, before: time.Now()}
	e.must(what, store())
	l.after = time.Now()
	return l
}

// end is the earliest moment at which the item may be gone.
func (l lifetime) end() time.Time { return l.before.Add(l.ttl) }

// live waits until each lifetime is nearly over, and over, and says that the
// item must be there and gone. On a slow machine a look may come too late to
// tell anything; it is then no failure.
func (e *env) live(all []lifetime) {
	slices.SortFunc(all, func(a, b lifetime) int { return a.end().Compare(b.end()) })
	for _, l := range all {
		time.Sleep(time.Until(l.end().Add(-l.ttl / 10)))
		if there, err := e.cache.Exists(e.ctx, l.key); (err != nil || !there) && time.Now().Before(l.end()) {
			e.errorf("%s for %v: gone after %v (error %v)", l.what, l.ttl, time.Since(l.before), err)
		}
	}
	for _, l := range all {
		time.Sleep(time.Until(l.after.Add(l.ttl + e.resolution())))
		if there, err := e.cache.Exists(e.ctx, l.key); err != nil || there {
			e.errorf("%s for %v: still there after %v (error %v); Traits.Resolution is %v", l.what, l.ttl, time.Since(l.after), err, e.resolution())
		}
	}
}

// expire stores keys for as short as can be, and waits until they are gone.
func (e *env) expire(keys ...string) {
	const ttl = 100 * time.Millisecond
	for _, key := range keys {
		e.must("Set", e.cache.Set(e.ctx, key, []byte("1"), ttl))
	}
	time.Sleep(ttl + e.resolution())
}

var ttlCases = []testCase{
	{"ttl-verbs", "Every verb that takes a time to live keeps to it: the item is there until then and gone one Traits.Resolution later.", func(e *env) {
		const ttl = 1100 * time.Millisecond
		v := []byte("1")
		for _, key := range []string{"replace", "cas", "replacemulti", "touch", "storemulti-cas"} {
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
			{"store", func() error { return e.cache.Store(e.ctx, core.Set, core.Item{Key: "store", TTL: ttl}) }},
			{"setmulti", func() error { return e.cache.SetMulti(e.ctx, map[string][]byte{"setmulti": v}, ttl) }},
			{"addmulti", func() error { return e.cache.AddMulti(e.ctx, map[string][]byte{"addmulti": v}, ttl) }},
			{"replacemulti", func() error { return e.cache.ReplaceMulti(e.ctx, map[string][]byte{"replacemulti": v}, ttl) }},
			{"storemulti-cas", func() error {
				return e.cache.StoreMulti(e.ctx, core.CompareAndSwap, []core.Item{multiItem})
			}},
			{"touch", func() error { return e.cache.Touch(e.ctx, "touch", ttl) }},
			{"incrfrom", func() error { _, err := e.cache.IncrFrom(e.ctx, "incrfrom", 1, 1, ttl); return err }},
			{"decrfrom", func() error { _, err := e.cache.DecrFrom(e.ctx, "decrfrom", 1, 1, ttl); return err }},
		}
		var all []lifetime
		for _, s := range stores {
			all = append(all, e.born(s.key, s.key, ttl, s.store))
		}
		e.live(all)
	}},
	{"ttl-fraction", "A fraction of a second counts: it is neither cut off nor turned into for ever.", func(e *env) {
		var all []lifetime
		for _, ttl := range []time.Duration{1, time.Microsecond, 300 * time.Millisecond, 1500 * time.Millisecond, 1999 * time.Millisecond} {
			key := ttl.String()
			all = append(all, e.born("Set", key, ttl, func() error { return e.cache.Set(e.ctx, key, []byte("v"), ttl) }))
		}
		e.live(all)
	}},
	{"ttl-each", "StoreMulti gives each item its own time to live.", func(e *env) {
		before := time.Now()
		items := []core.Item{
			{Key: "short", Value: []byte("v"), TTL: 200 * time.Millisecond},
			{Key: "ever", Value: []byte("v")},
			{Key: "long", Value: []byte("v"), TTL: longTTL},
		}
		e.must("StoreMulti", e.cache.StoreMulti(e.ctx, core.Set, items))
		e.live([]lifetime{{what: "StoreMulti", key: "short", ttl: items[0].TTL, before: before, after: time.Now()}})
		e.holds("ever", "v")
		e.holds("long", "v")
	}},
	{"ttl-over", "An item whose time is over is absent for every verb, also where it still sits in memory.", func(e *env) {
		v := []byte("new")
		keys := []string{"add", "replace", "delete", "incr", "decr", "touch", "exists", "count", "multi1", "multi2", "from"}
		e.set("cas", "old")
		e.set("cad", "old")
		cas, cad := e.item("cas"), e.item("cad")
		e.must("Touch", e.cache.Touch(e.ctx, "cas", 100*time.Millisecond))
		e.must("Touch", e.cache.Touch(e.ctx, "cad", 100*time.Millisecond))
		// Each verb has a key of its own, which no other verb may have cleared away.
		e.expire(append(keys, "get", "getmulti1", "getmulti2")...)

		e.lacks("get")
		got, err := e.cache.GetMulti(e.ctx, []string{"getmulti1", "getmulti2"})
		e.want("GetMulti", err, nil)
		e.sameValues("GetMulti", got, nil)
		e.want("Replace", e.cache.Replace(e.ctx, "replace", v, 0), core.ErrMiss)
		e.lacks("replace")
		e.want("CompareAndSwap", e.cache.CompareAndSwap(e.ctx, swap(cas, "new")), core.ErrMiss)
		e.lacks("cas")
		e.want("CompareAndDelete", e.cache.CompareAndDelete(e.ctx, cad), core.ErrMiss)
		e.want("Delete", e.cache.Delete(e.ctx, "delete"), core.ErrMiss)
		_, err = e.cache.Incr(e.ctx, "incr", 1)
		e.want("Incr", err, core.ErrMiss)
		_, err = e.cache.Decr(e.ctx, "decr", 1)
		e.want("Decr", err, core.ErrMiss)
		e.want("Touch", e.cache.Touch(e.ctx, "touch", longTTL), core.ErrMiss)
		e.lacks("touch")
		if there, err := e.cache.Exists(e.ctx, "exists"); there || err != nil {
			e.errorf("Exists: %v and error %v, want false and none", there, err)
		}
		_, err = e.cache.Count(e.ctx, "count")
		e.want("Count", err, core.ErrMiss)
		n, err := e.cache.IncrFrom(e.ctx, "from", 1, 100, 0)
		e.moved("IncrFrom", n, err, 101)
		e.want("Add", e.cache.Add(e.ctx, "add", v, 0), nil)
		e.holds("add", "new")
		e.failsFor("ReplaceMulti", e.cache.ReplaceMulti(e.ctx, map[string][]byte{"multi1": v}, 0), map[string]error{"multi1": core.ErrMiss})
		e.want("AddMulti", e.cache.AddMulti(e.ctx, map[string][]byte{"multi2": v}, 0), nil)
	}},
	{"ttl-new", "A store gives the item a new time to live, and nothing remains of the old one.", func(e *env) {
		const short = 200 * time.Millisecond
		v := []byte("v")
		for _, key := range []string{"set", "replace", "cas", "touch", "touched longer", "counter"} {
			e.must("Set", e.cache.Set(e.ctx, key, []byte("1"), longTTL))
		}
		cas := e.item("cas")
		e.must("Set", e.cache.Set(e.ctx, "set", v, short))
		e.must("Set", e.cache.Set(e.ctx, "set", v, 0))
		e.must("Replace", e.cache.Replace(e.ctx, "replace", v, longTTL))
		e.must("CompareAndSwap", e.cache.CompareAndSwap(e.ctx, cas))
		for _, key := range []string{"touch", "touched longer"} {
			e.must("Touch", e.cache.Touch(e.ctx, key, short))
		}
		e.must("Touch", e.cache.Touch(e.ctx, "touch", 0))
		e.must("Touch", e.cache.Touch(e.ctx, "touched longer", longTTL))
		e.must("Add", e.cache.Add(e.ctx, "again", v, short))
		e.must("Delete", e.cache.Delete(e.ctx, "again"))
		e.must("Add", e.cache.Add(e.ctx, "again", v, 0))
		time.Sleep(short + e.resolution() + short)
		for _, key := range []string{"set", "replace", "cas", "touch", "touched longer", "again"} {
			if there, err := e.cache.Exists(e.ctx, key); !there {
				e.errorf("%s: gone by a time to live that no longer holds (error %v)", key, err)
			}
		}
	}},
	{"ttl-replaced", "Replace and CompareAndSwap give a new time to live as Set does: for ever after a short one, too.", func(e *env) {
		const short = 200 * time.Millisecond
		for _, key := range []string{"replace ever", "replace long", "cas ever", "cas long", "replacemulti"} {
			e.must("Set", e.cache.Set(e.ctx, key, []byte("v"), short))
		}
		ever, long := e.item("cas ever"), e.item("cas long")
		long.TTL = longTTL
		e.must("Replace", e.cache.Replace(e.ctx, "replace ever", []byte("v"), 0))
		e.must("Replace", e.cache.Replace(e.ctx, "replace long", []byte("v"), longTTL))
		e.must("CompareAndSwap", e.cache.CompareAndSwap(e.ctx, ever))
		e.must("CompareAndSwap", e.cache.CompareAndSwap(e.ctx, long))
		e.must("ReplaceMulti", e.cache.ReplaceMulti(e.ctx, map[string][]byte{"replacemulti": []byte("v")}, 0))
		time.Sleep(short + e.resolution() + short)
		for _, key := range []string{"replace ever", "replace long", "cas ever", "cas long", "replacemulti"} {
			e.holds(key, "v")
		}
	}},
	{"ttl-untouched", "Neither a read nor a verb that was refused changes the time to live.", func(e *env) {
		const ttl = 1100 * time.Millisecond
		v := []byte("v")
		verbs := map[string]func(item core.Item) error{
			"Add": func(item core.Item) error { return e.cache.Add(e.ctx, item.Key, v, longTTL) },
			"AddMulti": func(item core.Item) error {
				return e.cache.AddMulti(e.ctx, map[string][]byte{item.Key: v}, longTTL)
			},
			"CompareAndSwap": func(item core.Item) error {
				item.TTL, item.Token = longTTL, new(int)
				return e.cache.CompareAndSwap(e.ctx, item)
			},
			"Incr": func(item core.Item) error { _, err := e.cache.Incr(e.ctx, item.Key, 1); return err },
			"IncrFrom": func(item core.Item) error {
				_, err := e.cache.IncrFrom(e.ctx, item.Key, 1, 1, longTTL)
				return err
			},
			"Get":      func(item core.Item) error { _, err := e.cache.Get(e.ctx, item.Key); return err },
			"GetMulti": func(item core.Item) error { _, err := e.cache.GetMulti(e.ctx, []string{item.Key}); return err },
		}
		var all []lifetime
		for name := range verbs {
			all = append(all, e.born(name, name, ttl, func() error { return e.cache.Set(e.ctx, name, []byte("text"), ttl) }))
		}
		time.Sleep(ttl / 2)
		for name, verb := range verbs {
			if err := verb(e.item(name)); err == nil && name != "Get" && name != "GetMulti" {
				e.errorf("%s of text that is there succeeded", name)
			}
		}
		e.live(all)
	}},
	{"ttl-ever", "A time to live of 0 is for ever, by every verb, and not some long time.", func(e *env) {
		v := []byte("1")
		e.must("Set", e.cache.Set(e.ctx, "set", v, 0))
		e.must("SetMulti", e.cache.SetMulti(e.ctx, map[string][]byte{"setmulti": v}, 0))
		e.must("Set", e.cache.Set(e.ctx, "touch", v, longTTL))
		e.must("Touch", e.cache.Touch(e.ctx, "touch", 0))
		_, err := e.cache.IncrFrom(e.ctx, "incrfrom", 1, 0, 0)
		e.must("IncrFrom", err)
		wait := e.resolution()
		if e.fakeTime && e.cache.Traits().MaxTTL == 0 {
			wait = 1000 * 24 * time.Hour
		}
		time.Sleep(wait)
		for _, key := range []string{"set", "setmulti", "touch", "incrfrom"} {
			e.holds(key, "1")
		}
	}},
	{"ttl-shorter", "Touch and Set can shorten a life.", func(e *env) {
		const short = 200 * time.Millisecond
		e.must("Set", e.cache.Set(e.ctx, "touch", []byte("v"), longTTL))
		e.must("Set", e.cache.Set(e.ctx, "set", []byte("v"), 0))
		e.live([]lifetime{
			e.born("Touch", "touch", short, func() error { return e.cache.Touch(e.ctx, "touch", short) }),
			e.born("Set", "set", short, func() error { return e.cache.Set(e.ctx, "set", []byte("v"), short) }),
		})
	}},
	{"ttl-counter", "Incr, Decr, IncrFrom and DecrFrom leave the time to live of a counter that is there.", func(e *env) {
		const ttl = 1100 * time.Millisecond
		moves := map[string]func(key string) (uint64, error){
			"incr":     func(key string) (uint64, error) { return e.cache.Incr(e.ctx, key, 1) },
			"decr":     func(key string) (uint64, error) { return e.cache.Decr(e.ctx, key, 1) },
			"incrfrom": func(key string) (uint64, error) { return e.cache.IncrFrom(e.ctx, key, 1, 1, longTTL) },
			"decrfrom": func(key string) (uint64, error) { return e.cache.DecrFrom(e.ctx, key, 1, 1, longTTL) },
		}
		var all []lifetime
		for key := range moves {
			all = append(all, e.born("Set", key, ttl, func() error { return e.cache.Set(e.ctx, key, []byte("10"), ttl) }))
		}
		time.Sleep(ttl / 2)
		for key, move := range moves {
			_, err := move(key)
			e.must(key, err)
		}
		e.live(all)
	}},
	{"ttl-far", "Long times to live, on both sides of memcached's 30 days and up to the longest duration, are not over at once.", func(e *env) {
		const day = 24 * time.Hour
		all := []time.Duration{30*day - time.Second, 30 * day, 30*day + time.Second, 30*day + time.Nanosecond, 365 * day, 100 * 365 * day, core.Forever - 1, core.Forever}
		for _, ttl := range all {
			key := ttl.String()
			e.must("Set", e.cache.Set(e.ctx, key, []byte("v"), ttl))
			e.holds(key, "v")
			e.must("Touch", e.cache.Touch(e.ctx, key, ttl))
			e.holds(key, "v")
			n, err := e.cache.IncrFrom(e.ctx, "n"+key, 1, 1, ttl)
			e.moved("IncrFrom", n, err, 2)
			e.counts("n"+key, 2)
		}
		time.Sleep(e.resolution())
		for _, ttl := range all {
			e.holds(ttl.String(), "v")
			e.counts("n"+ttl.String(), 2)
		}
		if !e.fakeTime {
			return
		}
		if limit := e.cache.Traits().MaxTTL; limit > 0 && limit <= 366*day {
			return
		}
		time.Sleep(30*day - 3*time.Second - e.resolution())
		e.holds((30*day - time.Second).String(), "v")
		time.Sleep(5*time.Second + 2*e.resolution())
		e.lacks((30*day - time.Second).String())
		e.lacks((30*day + time.Second).String())
		e.holds((365 * day).String(), "v")
		time.Sleep(335 * day)
		e.lacks((365 * day).String())
		e.holds((core.Forever - 1).String(), "v")
		e.holds(core.Forever.String(), "v")
	}},
}
