package core

import (
	"context"
	"math"
	"math/bits"
	"sync/atomic"
	"time"
)

// A Timing is a Hook that measures how long verbs take, by cache and verb. It keeps
// a histogram of constant size, from which quantiles are told to within 6.25 %. The
// zero value is ready to use, by any number of caches. It must not be copied.
//
// It is an expvar.Var: expvar.Publish("cache_times", timing) shows its figures, in
// nanoseconds, at /debug/vars.
type Timing struct{ caches table[table[histogram]] }

// Times are how long calls of a verb took.
type Times struct {
	Count uint64        `json:"count"`
	Min   time.Duration `json:"min"`
	Max   time.Duration `json:"max"`
	Mean  time.Duration `json:"mean"`
	P50   time.Duration `json:"p50"` // half of them took no longer
	P90   time.Duration `json:"p90"`
	P99   time.Duration `json:"p99"`
	P999  time.Duration `json:"p999"`
}

// Before does nothing.
func (t *Timing) Before(ctx context.Context, _ *Op) context.Context { return ctx }

// After measures.
func (t *Timing) After(_ context.Context, op *Op) { t.add(op.Cache, op.Verb, op.Duration) }

func (t *Timing) add(cache, verb string, d time.Duration) { t.caches.of(cache).of(verb).add(d) }

// Snapshot answers the figures by the names of caches and of verbs. Those that
// nobody has called are not in it. It holds up nobody, and may see a part of what is
// added meanwhile.
func (t *Timing) Snapshot() map[string]map[string]Times {
	all := map[string]map[string]Times{}
	for _, c := range t.caches.all() {
		verbs := map[string]Times{}
		for _, v := range c.value.all() {
			if times := v.value.times(); times.Count > 0 {
				verbs[v.name] = times
			}
		}
		all[c.name] = verbs
	}
	return all
}

// String answers the Snapshot as JSON.
func (t *Timing) String() string { return jsonOf(t.Snapshot()) }

// A histogram counts durations in buckets that grow exponentially: each power of two
// is 1<<finer of them.
type histogram struct {
	sum     atomic.Uint64
	least   atomic.Uint64 // plus 1; 0 while there is none
	most    atomic.Uint64
	buckets [(63 - finer + 1) << finer]atomic.Uint64
}

const finer = 3

// bucketOf answers the bucket of n nanoseconds.
func bucketOf(n uint64) int {
	if n < 1<<finer {
		return int(n)
	}
	power := bits.Len64(n) - 1 - finer // at least 0
	return power<<finer + int(n>>power)
}

// middleOf answers what stands for all that are in a bucket.
func middleOf(bucket int) uint64 {
	if bucket < 1<<finer {
		return uint64(bucket)
	}
	power := bucket>>finer - 1
	low := uint64(bucket&(1<<finer-1)+1<<finer) << power
	return low + (1<<power-1)/2
}

func (h *histogram) add(d time.Duration) {
	n := uint64(max(d, 0))
	h.sum.Add(n)
	for least := h.least.Load(); least == 0 || n+1 < least; least = h.least.Load() {
		if h.least.CompareAndSwap(least, n+1) {
			break
		}
	}
	for most := h.most.Load(); n > most; most = h.most.Load() {
		if h.most.CompareAndSwap(most, n) {
			break
		}
	}
	h.buckets[bucketOf(n)].Add(1) // last, so that what is counted is in the others
}

func (h *histogram) times() Times {
	var counts [len(h.buckets)]uint64
	var t Times
	for i := range counts {
		counts[i] = h.buckets[i].Load()
		t.Count += counts[i]
	}
	if t.Count == 0 {
		return t
	}
	t.Min, t.Max = time.Duration(max(h.least.Load(), 1)-1), time.Duration(h.most.Load())
	within := func(n uint64) time.Duration { return min(max(time.Duration(n), t.Min), t.Max) }
	t.Mean = within(h.sum.Load() / t.Count)
	quantile := func(q float64) time.Duration {
		rank := uint64(math.Ceil(q * float64(t.Count)))
		for i, n := range counts {
			if rank <= n {
				return within(middleOf(i))
			}
			rank -= n
		}
		return t.Max
	}
	t.P50, t.P90, t.P99, t.P999 = quantile(0.5), quantile(0.9), quantile(0.99), quantile(0.999)
	return t
}
