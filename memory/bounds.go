package memory

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/cachewire/cachewire/core"
)

// bounds are what a Backend may hold, and what it does hold. Without a bound
// nothing is counted here.
type bounds struct {
	maxItems, maxBytes int64 // 0 is no bound
	items, bytes       atomic.Int64
	next               atomic.Uint32 // where evictBeside begins
	large              sync.Mutex    // held by the one write that makes room in many shards
}

func (bo *bounds) set() bool { return bo.maxItems > 0 || bo.maxBytes > 0 }

// take claims room and answers true, or claims nothing and answers false. What
// needs no more room than there was always gets it.
func (bo *bounds) take(items, bytes int64) bool {
	if !claim(&bo.items, items, bo.maxItems) {
		return false
	}
	if !claim(&bo.bytes, bytes, bo.maxBytes) {
		bo.items.Add(-items)
		return false
	}
	return true
}

func claim(held *atomic.Int64, more, bound int64) bool {
	for {
		n := held.Load()
		if bound > 0 && more > 0 && n+more > bound {
			return false
		}
		if held.CompareAndSwap(n, n+more) {
			return true
		}
	}
}

// release gives room back.
func (bo *bounds) release(items, bytes int64) {
	if bo.set() {
		bo.items.Add(-items)
		bo.bytes.Add(-bytes)
	}
}

const (
	// entryCost is the memory that an item takes beside its key and value: the
	// entry, its place in the map, and what the allocator rounds up. See
	// TestBytesTellTheHeapInUse.
	entryCost = 176

	// ghostCost is what eviction remembers for each item of a bounded Backend.
	ghostCost = 40

	// minValueCost is what a short value counts as. It is the length of the
	// longest counter, so that a counter needs no more room when it moves.
	minValueCost = 20
)

// cost answers the memory that an item counts as whose value takes valueSize
// bytes. That is 0 for what core.Shared stores.
func (bo *bounds) cost(key string, valueSize int) int64 {
	c := entryCost + len(key) + max(valueSize, minValueCost)
	if bo.set() {
		c += ghostCost
	}
	return int64(c)
}

func (bo *bounds) tooLarge(cost int64) bool { return bo.maxBytes > 0 && cost > bo.maxBytes }

func errTooLarge(cost, bound int64) error {
	return fmt.Errorf("%w: the item takes %d bytes, all of them together may take %d", core.ErrTooLarge, cost, bound)
}
