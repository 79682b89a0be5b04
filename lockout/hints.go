package lockout

import (
	"hash/maphash"
	"sync/atomic"
)

// A hint is what this process remembers about a counter. It decides what is read from the
// cache. A wrong hint costs a round trip, but changes no result.
type hint uint8

const (
	mayBeAbsent hint = iota
	wasPresent       // when it was last used, it was present
	wasFull          // when it was last used, it had no more room
)

// hints are the hints of one rule, for the counters that were used last.
type hints struct {
	seed   maphash.Seed
	sets   [1 << 12]hintSet
	fullAt atomic.Int64 // when a counter was last full, in nanoseconds since 1970
}

// A hintSet describes two counters whose keys have hashes with the same lower bits, the last
// used one first. It has the upper bits of each hash. Their lowest bit is set if the counter
// was full.
type hintSet [2]atomic.Uint32

func newHints() *hints { return &hints{seed: maphash.MakeSeed()} }

// find returns the set for key, and the value that stands for it if its counter is present.
func (h *hints) find(key string) (set *hintSet, present uint32) {
	hash := maphash.String(h.seed, key)
	return &h.sets[hash%uint64(len(h.sets))], uint32(hash>>32) &^ 1
}

// of returns the hint for key.
func (h *hints) of(key string) hint {
	set, present := h.find(key)
	for i := range set {
		switch set[i].Load() {
		case present:
			return wasPresent
		case present | 1:
			return wasFull
		}
	}
	return mayBeAbsent
}

// forget makes the hint for key mayBeAbsent.
func (h *hints) forget(key string) {
	set, tag := h.find(key)
	for i := range set {
		if last := set[i].Load(); last&^1 == tag {
			set[i].CompareAndSwap(last, 0)
		}
	}
}

// learn records at the time now that the counter under key is present, and whether it is full.
func (h *hints) learn(key string, isFull bool, now int64) {
	set, tag := h.find(key)
	if last := set[0].Load(); last&^1 != tag {
		set[1].Store(last)
	}
	if isFull {
		tag |= 1
		h.fullAt.Store(now)
	}
	set[0].Store(tag)
}
