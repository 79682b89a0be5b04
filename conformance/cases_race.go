package conformance

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/cachewire/cachewire/core"
)

const (
	goroutines = 16
	rounds     = 25 // for each goroutine
)

// addByCompareAndSwap adds delta to a counter, and tries again if another goroutine changed
// it.
func (e *env) addByCompareAndSwap(key string, delta uint64) {
	for {
		item := e.item(key)
		n, err := core.ParseCount(item.Value)
		e.must("ParseCount", err)
		err = e.cache.CompareAndSwap(e.ctx, withValue(item, fmt.Sprint(n+delta)))
		if err == nil {
			return
		}
		if !errors.Is(err, core.ErrConflict) {
			e.fatalf("CompareAndSwap: error is %v, want %v", err, core.ErrConflict)
		}
	}
}

var raceCases = []testCase{
	{
		id:   "race-add",
		rule: "If many goroutines Add one key, exactly one of them stores its value.",
		run: func(e *env) {
			for round := range 20 {
				key := numbered("k", round)
				var winner atomic.Int64
				var won atomic.Int32
				e.inParallel(goroutines, func(i int) {
					value := []byte(fmt.Sprint(i))
					var err error
					if round%2 == 0 {
						err = e.cache.Add(e.ctx, key, value, 0)
					} else {
						values := map[string][]byte{key: value}
						err = keyError(e.cache.AddMulti(e.ctx, values, 0), key)
					}
					switch {
					case err == nil:
						won.Add(1)
						winner.Store(int64(i))
					case !errors.Is(err, core.ErrExists):
						e.errorf("Add: error is %v, want %v", err, core.ErrExists)
					}
				})
				if n := won.Load(); n != 1 {
					e.fatalf("%d of %d Adds stored, want 1", n, goroutines)
				}
				e.wantValue(key, fmt.Sprint(winner.Load()))
			}
		},
	},
	{
		id: "race-incr",
		rule: "If many goroutines increment or decrement a counter, no change is lost, and no " +
			"two increments return the same number.",
		run: func(e *env) {
			e.set("n", "0")
			var seen [goroutines*rounds + 1]atomic.Bool
			e.inParallel(goroutines, func(int) {
				for range rounds {
					n, err := e.cache.Incr(e.ctx, "n", 1)
					e.must("Incr", err)
					if n > goroutines*rounds || seen[n].Swap(true) {
						e.errorf("Incr returned %d twice, or a number that is too large", n)
					}
				}
			})
			e.wantCount("n", goroutines*rounds)
			e.inParallel(goroutines, func(int) {
				for range rounds {
					_, err := e.cache.Decr(e.ctx, "n", 1)
					e.must("Decr", err)
				}
			})
			e.wantCount("n", 0)
		},
	},
	{
		id:        "race-incr-many",
		rule:      "None of 20,000 increments by 32 goroutines is lost.",
		plainOnly: true,
		run: func(e *env) {
			const workers, increments = 32, 20_000
			e.set("n", "0")
			e.inParallel(workers, func(w int) {
				for i := w; i < increments; i += workers {
					_, err := e.cache.Incr(e.ctx, "n", 1)
					e.must("Incr", err)
				}
			})
			e.wantCount("n", increments)
		},
	},
	{
		id: "race-cas-incr-touch",
		rule: "If CompareAndSwap, Incr and Touch change one counter at the same time, no change " +
			"is lost.",
		run: func(e *env) {
			const workers, changes = 4, 50
			e.set("n", "0")
			e.inParallel(2*workers+1, func(w int) {
				for range changes {
					switch {
					case w < workers:
						_, err := e.cache.Incr(e.ctx, "n", 1)
						e.must("Incr", err)
					case w < 2*workers:
						e.addByCompareAndSwap("n", 1000)
					default:
						e.must("Touch", e.cache.Touch(e.ctx, "n", longTTL))
					}
				}
			})
			e.wantCount("n", workers*changes*1001)
		},
	},
	{
		id: "race-incrfrom",
		rule: "If many goroutines call IncrFrom on an absent key, the counter becomes initial " +
			"plus the delta of every call.",
		run: func(e *env) {
			for round := range 20 {
				key := numbered("n", round)
				e.inParallel(goroutines, func(int) {
					_, err := e.cache.IncrFrom(e.ctx, key, 3, 1000, longTTL)
					e.must("IncrFrom", err)
				})
				e.wantCount(key, 1000+3*goroutines)
			}
		},
	},
	{
		id:   "race-cas",
		rule: "Increments by GetItem and CompareAndSwap, repeated on ErrConflict, are not lost.",
		run: func(e *env) {
			e.set("n", "0")
			const goroutines = goroutines / 2 // each success makes the others try again
			e.inParallel(goroutines, func(i int) {
				for range rounds {
					for {
						item := e.item("n")
						n, err := core.ParseCount(item.Value)
						e.must("ParseCount", err)
						if item = withValue(item, fmt.Sprint(n+1)); i%2 == 0 {
							err = e.cache.CompareAndSwap(e.ctx, item)
						} else {
							items := []core.Item{item}
							err = e.cache.StoreMulti(e.ctx, core.CompareAndSwap, items)
							err = keyError(err, "n")
						}
						if err == nil {
							break
						}
						if !errors.Is(err, core.ErrConflict) {
							e.fatalf("CompareAndSwap: error is %v, want %v", err, core.ErrConflict)
						}
					}
				}
			})
			e.wantCount("n", goroutines*rounds)
		},
	},
	{
		id: "race-delete",
		rule: "If many goroutines delete one item, by Delete or CompareAndDelete, exactly one of " +
			"them succeeds.",
		run: func(e *env) {
			for round := range 30 {
				key := numbered("k", round)
				e.set(key, "v")
				item := e.item(key)
				var won atomic.Int32
				e.inParallel(goroutines, func(i int) {
					var err error
					if byToken := round%3 == 0 || round%3 == 1 && i%2 == 0; byToken {
						err = e.cache.CompareAndDelete(e.ctx, item)
					} else {
						err = e.cache.Delete(e.ctx, key)
					}
					switch {
					case err == nil:
						won.Add(1)
					case !errors.Is(err, core.ErrMiss):
						e.errorf("error is %v, want %v", err, core.ErrMiss)
					}
				})
				if n := won.Load(); n != 1 {
					e.fatalf("%d of %d succeeded, want 1", n, goroutines)
				}
			}
		},
	},
	{
		id: "race-multi",
		rule: "If many goroutines call multi verbs at once, every value that is read is one that " +
			"was stored under its key.",
		run: func(e *env) {
			keys := make([]string, 50)
			for i := range keys {
				keys[i] = numbered("k", i)
			}
			e.inParallel(goroutines, func(w int) {
				values := map[string][]byte{}
				for _, key := range keys {
					values[key] = []byte(key + " by " + fmt.Sprint(w))
				}
				for range 5 {
					e.want("SetMulti", e.cache.SetMulti(e.ctx, values, 0), nil)
					got, err := e.cache.GetMulti(e.ctx, keys)
					e.want("GetMulti", err, nil)
					for _, key := range keys {
						var by int
						if n, err := fmt.Sscanf(string(got[key]), key+" by %d", &by); n != 1 {
							e.errorf("GetMulti: value of %s is %s, which was never stored (%v)",
								quote(key), quote(string(got[key])), err)
						}
					}
				}
			})
		},
	},
	{
		id: "race-history",
		rule: "Each key is linearizable: if several goroutines call all verbs, on values and " +
			"counters, single and multi, some order of the verbs explains their results.",
		run: func(e *env) {
			rounds := 8
			if e.fakeTime {
				rounds = 40
			}
			for round := range rounds {
				e.checkHistory(round)
			}
		},
	},
}
