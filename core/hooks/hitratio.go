package hooks

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/cachewire/cachewire/core"
)

// A HitRatio counts two different things for each cache:
//
//   - lookups: the keys that verbs looked for in the cache, and whether they were
//     present. HitRatio counts them as a core.Hook.
//   - served: what the callers of package patterns got, and how often a loader was
//     called. HitRatio counts that as a patterns.Observer.
//
// If an item is present but so stale that the caller must load it, it is a hit among the
// lookups, and patterns.Loaded among the outcomes.
//
// The zero value is ready to use. Any number of caches may share a HitRatio. It must not be
// copied.
type HitRatio struct{ caches table[counts] }

// counts holds the figures of a cache.
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

// A Ratio says how often keys were present.
type Ratio struct {
	Hits   uint64  `json:"hits"`
	Misses uint64  `json:"misses"`
	Ratio  float64 `json:"ratio"` // Hits / (Hits + Misses), or 0 if there are none
}

func (r *Ratio) add(hits, misses uint64) {
	r.Hits, r.Misses = r.Hits+hits, r.Misses+misses
	if sum := r.Hits + r.Misses; sum > 0 {
		r.Ratio = float64(r.Hits) / float64(sum)
	}
}

// Served has the figures of the keys that patterns over a cache served to their callers.
type Served struct {
	// Outcomes says how many keys were served with each outcome of package patterns.
	Outcomes map[string]uint64 `json:"outcomes"`

	// Ratio is the share of keys that were served from the cache: the outcomes
	// patterns.Hit, Stale and Negative.
	Ratio float64 `json:"ratio"`

	// Loads counts the calls of loaders, including those in the background.
	Loads uint64 `json:"loads"`

	// LoadErrors counts the calls of loaders that failed.
	LoadErrors uint64 `json:"load_errors"`

	// LoadTime is the sum of the times that the loaders took. It is in nanoseconds in
	// JSON.
	LoadTime time.Duration `json:"load_time"`
}

// fromCache are the outcomes of package patterns that count as served from the cache.
var fromCache = map[string]bool{"hit": true, "stale": true, "negative": true}

// After counts the keys that a verb looked for.
func (h *HitRatio) After(_ context.Context, op *core.Op) {
	h.Count(op.Cache, op.Verb, op.Hits, op.Misses, op.Duration, op.Err)
}

// Count does the same as After; see core.CountHook.
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

// Snapshot returns the figures by the Name of the caches; see core.Options. It leaves out
// verbs that look for no keys and verbs that were not called. Snapshot does not block
// verbs. It may count the hits of a multi verb without its misses.
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
		var ratio Ratio
		ratio.add(hits, misses)
		sum.Verbs[v.name] = ratio
		sum.add(hits, misses)
	}
	return sum
}

func (c *counts) servedFigures() *Served {
	s := Served{
		Outcomes:   map[string]uint64{},
		Loads:      c.loads.Load(),
		LoadErrors: c.loadErrors.Load(),
		LoadTime:   time.Duration(c.loadTime.Load()),
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
