package hooks

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/cachewire/cachewire/core"
)

// A HitRatio counts, for each cache, two things that must not be mistaken for each
// other:
//
//   - lookups: the keys that verbs looked for in the cache, and whether they were
//     present. HitRatio counts them as a core.Hook.
//   - served: what the callers of package patterns got, and how often a loader was
//     called. HitRatio counts that as a patterns.Observer. An item that is present but
//     stale is a hit among the lookups, and loaded among the served.
//
// The zero value is ready to use, by any number of caches. It must not be copied.
type HitRatio struct{ caches table[counts] }

// counts are the figures of a cache.
type counts struct {
	verbs  table[hits]
	served table[atomic.Uint64] // by outcome

	loads, loadErrors atomic.Uint64
	loadTime          atomic.Int64 // nanoseconds
}

type hits struct{ hits, misses atomic.Uint64 }

// A CacheRatio has the figures of a cache.
type CacheRatio struct {
	Lookups Lookups `json:"lookups"`
	Served  *Served `json:"served,omitempty"` // nil if no pattern uses the cache
}

// Lookups are the keys that the verbs of a cache looked for.
type Lookups struct {
	Ratio
	Verbs map[string]Ratio `json:"verbs"` // by the name of the verb
}

// A Ratio tells how often keys were present.
type Ratio struct {
	Hits   uint64  `json:"hits"`
	Misses uint64  `json:"misses"`
	Ratio  float64 `json:"ratio"` // of hits to both; 0 if both are 0
}

func (r *Ratio) add(hits, misses uint64) {
	r.Hits, r.Misses = r.Hits+hits, r.Misses+misses
	if sum := r.Hits + r.Misses; sum > 0 {
		r.Ratio = float64(r.Hits) / float64(sum)
	}
}

// Served has what the patterns over a cache served to their callers.
type Served struct {
	// Outcomes has how often keys were served, by the outcomes of package patterns.
	Outcomes map[string]uint64 `json:"outcomes"`

	// Ratio is the share of keys that were served from the cache, by the outcomes
	// patterns.Hit, Stale and Negative.
	Ratio float64 `json:"ratio"`

	Loads      uint64        `json:"loads"`       // calls of loaders, including those in the background
	LoadErrors uint64        `json:"load_errors"` // those that failed
	LoadTime   time.Duration `json:"load_time"`   // how long all of them took together, in nanoseconds
}

// fromCache are the outcomes of package patterns that count as served from the cache.
var fromCache = map[string]bool{"hit": true, "stale": true, "negative": true}

// After counts the keys that a verb looked for.
func (h *HitRatio) After(_ context.Context, op *core.Op) {
	h.Count(op.Cache, op.Verb, op.Hits, op.Misses, op.Duration, op.Err)
}

// Count does what After does; see core.CountHook.
func (h *HitRatio) Count(cache, verb string, hits, misses int, _ time.Duration, _ error) {
	if hits <= 0 && misses <= 0 {
		return
	}
	n := h.caches.get(cache).verbs.get(verb)
	if hits > 0 {
		n.hits.Add(uint64(hits))
	}
	if misses > 0 {
		n.misses.Add(uint64(misses))
	}
}

// Served counts keys that a pattern served; see patterns.Observer.
func (h *HitRatio) Served(cache, outcome string, keys int) {
	if keys > 0 {
		h.caches.get(cache).served.get(outcome).Add(uint64(keys))
	}
}

// Loaded counts a call of a loader; see patterns.Observer.
func (h *HitRatio) Loaded(cache string, _ int, took time.Duration, err error) {
	c := h.caches.get(cache)
	c.loads.Add(1)
	c.loadTime.Add(int64(took))
	if err != nil {
		c.loadErrors.Add(1)
	}
}

// Snapshot returns the figures by the names of caches; see core.Options. It has no
// figures of verbs that look for no keys or were not called. Verbs do not wait for it: of a
// verb with many keys it may have the hits and not yet the misses.
func (h *HitRatio) Snapshot() map[string]CacheRatio {
	all := map[string]CacheRatio{}
	for _, c := range h.caches.all() {
		all[c.name] = CacheRatio{c.value.lookups(), c.value.servedFigures()}
	}
	return all
}

func (c *counts) lookups() Lookups {
	sum := Lookups{Verbs: map[string]Ratio{}}
	for _, v := range c.verbs.all() {
		hits, misses := v.value.hits.Load(), v.value.misses.Load()
		var one Ratio
		one.add(hits, misses)
		sum.Verbs[v.name] = one
		sum.add(hits, misses)
	}
	return sum
}

func (c *counts) servedFigures() *Served {
	s := Served{
		Outcomes: map[string]uint64{},
		Loads:    c.loads.Load(), LoadErrors: c.loadErrors.Load(), LoadTime: time.Duration(c.loadTime.Load()),
	}
	var ratio Ratio
	for _, o := range c.served.all() {
		n := o.value.Load()
		s.Outcomes[o.name] = n
		if fromCache[o.name] {
			ratio.add(n, 0)
		} else {
			ratio.add(0, n)
		}
	}
	s.Ratio = ratio.Ratio
	if len(s.Outcomes) == 0 && s.Loads == 0 {
		return nil
	}
	return &s
}

// String returns the Snapshot as JSON.
func (h *HitRatio) String() string { return toJSON(h.Snapshot()) }
