package hooks

import (
	"context"
	"math"
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/cachewire/cachewire/core"
)

// A Timing is a Hook that measures how long verbs take. It keeps a histogram of constant
// size for each verb of each cache; the quantiles are accurate to within 6.25 %. The zero
// value is ready to use. Any number of caches may share a Timing. It must not be copied.
type Timing struct{ caches table[table[histogram]] }

// Times says how long the calls of a verb took.
type Times struct {
	Count uint64        `json:"count"`
	Min   time.Duration `json:"min"` // this and the others are nanoseconds in JSON
	Max   time.Duration `json:"max"`
	Mean  time.Duration `json:"mean"`
	P50   time.Duration `json:"p50"` // half of the calls took no longer
	P90   time.Duration `json:"p90"`
	P99   time.Duration `json:"p99"`
	P999  time.Duration `json:"p999"`
}

// After adds the duration of the verb to the figures.
func (t *Timing) After(_ context.Context, op *core.Op) {
	t.Count(op.Cache, op.Verb, op.Hits, op.Misses, op.Duration, op.Err)
}

// Count does the same as After; see core.CountHook.
func (t *Timing) Count(cache, verb string, _, _ int, duration time.Duration, _ error) {
	t.caches.get(cache).get(verb).add(duration)
}

// Snapshot returns the figures by the names of the caches and the verbs. It leaves out
// verbs that were not called. Snapshot does not block verbs. If a verb ends while Snapshot
// runs, the result may have only a part of its figures.
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

// String returns the Snapshot as JSON.
func (t *Timing) String() string { return toJSON(t.Snapshot()) }

// A histogram counts durations in buckets that grow exponentially: there are 1<<bucketBits
// buckets for each power of two nanoseconds.
type histogram struct {
	sum     atomic.Uint64 // in nanoseconds, as are least and most
	least   atomic.Uint64 // plus 1; 0 if there is none yet
	most    atomic.Uint64
	buckets [(63 - bucketBits + 1) << bucketBits]atomic.Uint64
}

const bucketBits = 3

// bucketOf returns the index of the bucket for a duration of n nanoseconds.
func bucketOf(n uint64) int {
	if n < 1<<bucketBits {
		return int(n)
	}
	power := bits.Len64(n) - 1 - bucketBits // at least 0
	return power<<bucketBits + int(n>>power)
}

// midpoint returns the nanoseconds in the middle of a bucket, which stand for all durations
// in it.
func midpoint(bucket int) uint64 {
	if bucket < 1<<bucketBits {
		return uint64(bucket)
	}
	power := bucket>>bucketBits - 1
	low := uint64(bucket&(1<<bucketBits-1)+1<<bucketBits) << power
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
	// Last, so that the other figures already include every duration that is counted.
	h.buckets[bucketOf(n)].Add(1)
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
	clamp := func(n uint64) time.Duration { return min(max(time.Duration(n), t.Min), t.Max) }
	t.Mean = clamp(h.sum.Load() / t.Count)
	quantile := func(q float64) time.Duration {
		rank := uint64(math.Ceil(q * float64(t.Count)))
		for i, n := range counts {
			if rank <= n {
				return clamp(midpoint(i))
			}
			rank -= n
		}
		return t.Max
	}
	t.P50, t.P90, t.P99, t.P999 = quantile(0.5), quantile(0.9), quantile(0.99), quantile(0.999)
	return t
}
