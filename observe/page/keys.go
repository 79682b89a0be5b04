package page

import (
	"cmp"
	"container/heap"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cachewire/cachewire/core"
)

// maxShownKey is how many bytes of a key are recorded.
const maxShownKey = 200

// slowFor is how long a slow key is shown.
const slowFor = 10 * time.Minute

// keyFigures are the most frequent keys of a cache and those with the slowest verbs.
//
// Frequent keys are counted by Space-Saving (Metwally, Agrawal, El Abbadi: Efficient Computation
// of Frequent and Top-k Elements in Data Streams, 2005): a new key takes the place of the one
// with the smallest count, and that count. So a count may be too high by that, never too low.
type keyFigures struct {
	shown int // how many keys the page shows

	mu    sync.Mutex
	byKey map[string]*keyCount // guarded by mu
	least countHeap            // guarded by mu: the values of byKey
	slow  []slowKey            // guarded by mu: the slowest first, each key once
}

type keyCount struct {
	Key   string
	Count uint64
	Over  uint64 // by how much Count may be too high
	index int    // in the heap
}

// AtLeast returns the smallest count that the key can have.
func (c keyCount) AtLeast() uint64 { return c.Count - c.Over }

type slowKey struct {
	Key, Verb string
	Took      time.Duration
	At        time.Time
}

func newKeyFigures(shown int) *keyFigures {
	return &keyFigures{shown: shown, byKey: map[string]*keyCount{}}
}

// room is how many keys are counted for each one that is shown.
const room = 10

// add counts the keys of a verb.
func (k *keyFigures) add(op *core.Op) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if op.Key != "" {
		k.count(op.Key)
		k.addSlow(op)
	}
	for _, key := range op.Keys {
		k.count(key)
	}
}

// count counts key. The caller holds mu.
func (k *keyFigures) count(key string) {
	key = key[:min(len(key), maxShownKey)]
	c := k.byKey[key]
	switch {
	case c != nil:
		c.Count++
		heap.Fix(&k.least, c.index)
	case len(k.least) < room*k.shown:
		key = strings.Clone(key) // it must keep nothing of the caller alive
		c = &keyCount{Key: key, Count: 1}
		k.byKey[key] = c
		heap.Push(&k.least, c)
	default:
		c = k.least[0]
		delete(k.byKey, c.Key)
		c.Key, c.Over, c.Count = strings.Clone(key), c.Count, c.Count+1
		k.byKey[c.Key] = c
		heap.Fix(&k.least, 0)
	}
}

// addSlow records op if it is among the slowest. The caller holds mu.
func (k *keyFigures) addSlow(op *core.Op) {
	if len(k.slow) == k.shown {
		if last := k.slow[len(k.slow)-1]; op.Duration <= last.Took &&
			time.Since(k.slow[0].At) < slowFor {
			return
		}
	}
	k.dropOldSlow()
	key := op.Key[:min(len(op.Key), maxShownKey)]
	if i := slices.IndexFunc(k.slow, func(s slowKey) bool { return s.Key == key }); i >= 0 {
		if k.slow[i].Took >= op.Duration {
			return
		}
		k.slow = slices.Delete(k.slow, i, i+1)
	}
	i, _ := slices.BinarySearchFunc(k.slow, op.Duration, func(s slowKey, d time.Duration) int {
		return cmp.Compare(d, s.Took)
	})
	k.slow = slices.Insert(k.slow, i, slowKey{strings.Clone(key), op.Verb, op.Duration, time.Now()})
	k.slow = k.slow[:min(len(k.slow), k.shown)]
}

// dropOldSlow drops what was recorded too long ago. The caller holds mu.
func (k *keyFigures) dropOldSlow() {
	k.slow = slices.DeleteFunc(k.slow, func(s slowKey) bool { return time.Since(s.At) >= slowFor })
}

// top returns copies of the most frequent and the slowest keys.
func (k *keyFigures) top() ([]keyCount, []slowKey) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.dropOldSlow()
	var counts []keyCount
	for _, c := range k.byKey {
		if c.Over <= c.Count/2 { // of the others not enough is known
			counts = append(counts, *c)
		}
	}
	slices.SortFunc(counts, func(a, b keyCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Key, b.Key))
	})
	return counts[:min(len(counts), k.shown)], slices.Clone(k.slow)
}

// A countHeap has the smallest count first; see container/heap.
type countHeap []*keyCount

func (h countHeap) Len() int           { return len(h) }
func (h countHeap) Less(i, j int) bool { return h[i].Count < h[j].Count }

func (h countHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *countHeap) Push(x any) {
	c := x.(*keyCount)
	c.index = len(*h)
	*h = append(*h, c)
}

func (h *countHeap) Pop() any { // unused: a count is replaced, not removed
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
