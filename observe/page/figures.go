package page

import (
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/cachewire/cachewire/observe"
)

// figures are what is counted of a cache.
type figures struct {
	verbs        [observe.NumVerbs]atomic.Pointer[verbFigures]
	hits, misses atomic.Uint64 // keys

	served            [observe.NumServed]atomic.Uint64
	loads, loadErrors atomic.Uint64
	loadTime          atomic.Int64 // nanoseconds

	keys *keyFigures // nil unless keys are recorded

	window  window  // guarded by Page.mu
	reading reading // guarded by Page.mu
}

// newFigures returns the figures of a cache, with shown keys.
func newFigures(shown int) *figures {
	start := &samples{at: time.Now()}
	f := &figures{window: window{start, start}}
	if shown > 0 {
		f.keys = newKeyFigures(shown)
	}
	return f
}

// A reading is what Stats of the cache returned at a time.
type reading struct {
	observe.Reading
	at time.Time
}

// verbFigures are what is counted of a verb. Its buckets grow exponentially: there are four for
// each power of two nanoseconds.
type verbFigures struct {
	outcomes [observe.NumOutcomes]atomic.Uint64
	buckets  [numBuckets]atomic.Uint64
}

const (
	bucketBits = 2
	maxPower   = 37 // of two nanoseconds, which is more than two minutes
	numBuckets = (maxPower - bucketBits + 1) << bucketBits
)

// verb returns the figures of a verb, and makes them when they are first needed.
func (f *figures) verb(v observe.Verb) *verbFigures {
	slot := &f.verbs[v]
	if vf := slot.Load(); vf != nil {
		return vf
	}
	slot.CompareAndSwap(nil, new(verbFigures))
	return slot.Load()
}

func (vf *verbFigures) add(d time.Duration, o observe.Outcome) {
	vf.buckets[bucketOf(d)].Add(1)
	vf.outcomes[o].Add(1)
}

// bucketOf returns the index of the bucket for d. The last has all that are longer.
func bucketOf(d time.Duration) int {
	n := uint64(max(d, 0))
	if n < 1<<bucketBits {
		return int(n)
	}
	power := bits.Len64(n) - 1 - bucketBits
	return min(power<<bucketBits+int(n>>power), numBuckets-1)
}

// upperBound returns the longest duration of a bucket.
func upperBound(bucket int) time.Duration {
	if bucket < 1<<bucketBits {
		return time.Duration(bucket)
	}
	power := bucket>>bucketBits - 1
	low := uint64(bucket&(1<<bucketBits-1)+1<<bucketBits) << power
	return time.Duration(low + 1<<power - 1)
}

// A sample is a copy of the figures of a verb.
type sample struct {
	outcomes [observe.NumOutcomes]uint64
	buckets  [numBuckets]uint64
}

// sample returns a copy of vf.
func (vf *verbFigures) sample() *sample {
	s := new(sample)
	for i := range s.outcomes {
		s.outcomes[i] = vf.outcomes[i].Load()
	}
	for i := range s.buckets {
		s.buckets[i] = vf.buckets[i].Load()
	}
	return s
}

// minus returns what was counted since old, which may be nil.
func (s *sample) minus(old *sample) *sample {
	if old == nil {
		return s
	}
	d := new(sample)
	for i := range d.outcomes {
		d.outcomes[i] = s.outcomes[i] - old.outcomes[i]
	}
	for i := range d.buckets {
		d.buckets[i] = s.buckets[i] - old.buckets[i]
	}
	return d
}

// plus adds other to s.
func (s *sample) plus(other *sample) {
	for i, n := range other.outcomes {
		s.outcomes[i] += n
	}
	for i, n := range other.buckets {
		s.buckets[i] += n
	}
}

// calls returns how many calls s has, and how many of them failed.
func (s *sample) calls() (all, failed uint64) {
	for i, n := range s.outcomes {
		all += n
		if observe.Outcome(i).IsError() {
			failed += n
		}
	}
	return all, failed
}

// quantile returns the duration that a share q of the calls did not exceed, at most 25 % more
// than it was. It returns 0 if there are no calls.
func (s *sample) quantile(q float64) time.Duration {
	var all uint64
	for _, n := range s.buckets {
		all += n
	}
	rank := uint64(float64(all) * q)
	for i, n := range s.buckets {
		if n > rank {
			return upperBound(i)
		}
		rank -= n
	}
	return 0
}

// samples are those of the verbs of a cache at a moment. One is nil if there were no calls.
type samples struct {
	at    time.Time
	verbs [observe.NumVerbs]*sample
}

func (f *figures) samples(at time.Time) *samples {
	s := &samples{at: at}
	for v := range s.verbs {
		if vf := f.verbs[v].Load(); vf != nil {
			s.verbs[v] = vf.sample()
		}
	}
	return s
}

// A window says since when the rates and quantiles of a cache count. It has the samples of two
// earlier looks at the page, and nothing runs between them.
type window struct{ old, next *samples }

// windowStep is the least time between the two samples of a window.
const windowStep = 30 * time.Second

// advance returns the samples that now is compared with. They are between one and two steps
// old, or as old as the last look.
func (w *window) advance(now *samples) *samples {
	if now.at.Sub(w.next.at) >= windowStep {
		w.old, w.next = w.next, now
	}
	return w.old
}
