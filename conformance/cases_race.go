package conformance

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/cachewire/cachewire/core"
)

const (
	racers = 16 // goroutines
	laps   = 25 // verbs of each
)

var raceCases = []testCase{
	{"race-add", "Of many goroutines that Add one key, exactly one stores, and its value is there.", func(e *env) {
		for round := range 20 {
			key := numbered("k", round)
			var winner atomic.Int64
			var won atomic.Int32
			e.goAll(racers, func(i int) {
				value := []byte(fmt.Sprint(i))
				var err error
				if round%2 == 0 {
					err = e.cache.Add(e.ctx, key, value, 0)
				} else {
					err = keyError(e.cache.AddMulti(e.ctx, map[string][]byte{key: value}, 0), key)
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
				e.fatalf("%d of %d Adds stored, want 1", n, racers)
			}
			e.holds(key, fmt.Sprint(winner.Load()))
		}
	}},
	{"race-incr", "Of increments and decrements by many goroutines none is lost, and no two answer the same number.", func(e *env) {
		e.set("n", "0")
		var seen [racers*laps + 1]atomic.Bool
		e.goAll(racers, func(int) {
			for range laps {
				n, err := e.cache.Incr(e.ctx, "n", 1)
				e.must("Incr", err)
				if n > racers*laps || seen[n].Swap(true) {
					e.errorf("Incr answered %d twice, or too much", n)
				}
			}
		})
		e.counts("n", racers*laps)
		e.goAll(racers, func(int) {
			for range laps {
				_, err := e.cache.Decr(e.ctx, "n", 1)
				e.must("Decr", err)
			}
		})
		e.counts("n", 0)
	}},
	{"race-incrfrom", "Of many IncrFrom of an absent key none is lost: initial plus each delta.", func(e *env) {
		for round := range 20 {
			key := numbered("n", round)
			e.goAll(racers, func(int) {
				_, err := e.cache.IncrFrom(e.ctx, key, 3, 1000, longTTL)
				e.must("IncrFrom", err)
			})
			e.counts(key, 1000+3*racers)
		}
	}},
	{"race-cas", "Increments by GetItem and CompareAndSwap, tried again on ErrConflict, are not lost.", func(e *env) {
		e.set("n", "0")
		const racers = racers / 2 // each lap of one may cost another of all others
		e.goAll(racers, func(i int) {
			for range laps {
				for {
					item := e.item("n")
					n, err := core.ParseCount(item.Value)
					e.must("ParseCount", err)
					if item = swap(item, fmt.Sprint(n+1)); i%2 == 0 {
						err = e.cache.CompareAndSwap(e.ctx, item)
					} else {
						err = keyError(e.cache.StoreMulti(e.ctx, core.CompareAndSwap, []core.Item{item}), "n")
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
		e.counts("n", racers*laps)
	}},
	{"race-delete", "Of many that delete one item, by Delete or by CompareAndDelete, exactly one succeeds.", func(e *env) {
		for round := range 30 {
			key := numbered("k", round)
			e.set(key, "v")
			item := e.item(key)
			var won atomic.Int32
			e.goAll(racers, func(i int) {
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
				e.fatalf("%d of %d succeeded, want 1", n, racers)
			}
		}
	}},
	{"race-multi", "Multi verbs by many goroutines at once keep each key whole.", func(e *env) {
		keys := make([]string, 50)
		for i := range keys {
			keys[i] = numbered("k", i)
		}
		e.goAll(racers, func(w int) {
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
						e.errorf("GetMulti: %s is %s (%v), which nobody stored", show(key), show(string(got[key])), err)
					}
				}
			}
		})
	}},
	{"race-history", "Each key is linearizable: what many goroutines saw of mixed verbs has an order in which it makes sense.", func(e *env) {
		for seed := range uint64(8) {
			e.history(seed, valueVerbs, valueModel)
		}
	}},
	{"race-counter-history", "Each counter is linearizable, beside Set and Delete, too.", func(e *env) {
		for seed := range uint64(8) {
			e.history(seed, counterVerbs, counterModel)
		}
	}},
}
