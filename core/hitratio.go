package core

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"sync/atomic"
)

// A table holds a T for each name that was asked for. Names are few, and found by
// looking at one after the other. The zero table is empty.
type table[T any] struct {
	mu   sync.Mutex               // held to add a row
	rows atomic.Pointer[[]row[T]] // what it points to never changes
}

type row[T any] struct {
	name  string
	value *T
}

// of answers the T for name.
func (t *table[T]) of(name string) *T {
	for _, r := range t.all() {
		if r.name == name {
			return r.value
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	rows := t.all()
	for _, r := range rows {
		if r.name == name { // meanwhile
			return r.value
		}
	}
	value := new(T)
	rows = append(slices.Clip(rows), row[T]{name, value})
	t.rows.Store(&rows)
	return value
}

// all answers the rows, read-only.
func (t *table[T]) all() []row[T] {
	if rows := t.rows.Load(); rows != nil {
		return *rows
	}
	return nil
}

// A HitRatio is a Hook that counts hits and misses, by cache and verb. The zero
// value is ready to use, by any number of caches. It must not be copied.
//
// It is an expvar.Var: expvar.Publish("cache_hits", ratio) shows its figures at
// /debug/vars.
type HitRatio struct{ caches table[table[hits]] }

type hits struct{ hits, misses atomic.Uint64 }

// A Ratio is how often keys that were looked for were there.
type Ratio struct {
	Hits   uint64  `json:"hits"`
	Misses uint64  `json:"misses"`
	Ratio  float64 `json:"ratio"` // of hits to both; 0 where nobody looked
}

func (r *Ratio) add(hits, misses uint64) {
	r.Hits, r.Misses = r.Hits+hits, r.Misses+misses
	if sum := r.Hits + r.Misses; sum > 0 {
		r.Ratio = float64(r.Hits) / float64(sum)
	}
}

// A CacheRatio is the Ratio of all verbs of a cache, and that of each.
type CacheRatio struct {
	Ratio
	Verbs map[string]Ratio `json:"verbs"`
}

// Before does nothing.
func (h *HitRatio) Before(ctx context.Context, _ *Op) context.Context { return ctx }

// After counts.
func (h *HitRatio) After(_ context.Context, op *Op) { h.count(op.Cache, op.Verb, op.Hits, op.Misses) }

func (h *HitRatio) count(cache, verb string, hits, misses int) {
	if hits <= 0 && misses <= 0 {
		return
	}
	n := h.caches.of(cache).of(verb)
	if hits > 0 {
		n.hits.Add(uint64(hits))
	}
	if misses > 0 {
		n.misses.Add(uint64(misses))
	}
}

// Snapshot answers the figures by the names of caches; see Options.Name. Verbs
// that look for no keys, and those that nobody has called, are not in it. It holds
// up nobody: of a verb with many keys it may see the hits and not yet the misses.
func (h *HitRatio) Snapshot() map[string]CacheRatio {
	all := map[string]CacheRatio{}
	for _, c := range h.caches.all() {
		sum := CacheRatio{Verbs: map[string]Ratio{}}
		for _, v := range c.value.all() {
			hits, misses := v.value.hits.Load(), v.value.misses.Load()
			var one Ratio
			one.add(hits, misses)
			sum.Verbs[v.name] = one
			sum.add(hits, misses)
		}
		all[c.name] = sum
	}
	return all
}

// String answers the Snapshot as JSON.
func (h *HitRatio) String() string { return jsonOf(h.Snapshot()) }

func jsonOf(v any) string {
	text, err := json.Marshal(v)
	if err != nil { // of what is made of maps, strings and numbers
		panic(err)
	}
	return string(text)
}
