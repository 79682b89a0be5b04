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
	// slotCost is what an item takes of its shard's table: 22 bytes on 64-bit systems, and 15 on
	// 32-bit ones. That is about two slots, for a table is 60 % full on the average, and the
	// allocator rounds its size up. See TestBytesTellTheHeapInUse.
	slotCost = 2 * (bucketSize + slots*dueSize) / slots

	// dueSize is the size of a number in table.due.
	dueSize = 2

	// queueCost is what eviction keeps for each item of a bounded Backend: its place in
	// a queue, which has a quarter more of them on the average, and ghosts.
	queueCost = pointerSize*5/4 + 17

	// minNumberSize is what the value of an item counts as that is a number: it may
	// become a counter, which needs so much.
	minNumberSize = tallySize + 7
)

// least answers what a plain item costs at least whose value takes valueSize bytes.
func (bo *bounds) least(key string, valueSize int) int64 {
	return bo.beside() + int64(classSize(entrySize+len(key)+valueSize))
}

// beside answers what any item takes beside its entry.
func (bo *bounds) beside() int64 {
	if bo.set() {
		return int64(slotCost + queueCost)
	}
	return int64(slotCost)
}

// cost answers what e counts as. What core.Shared stored is 0 in it.
func (bo *bounds) cost(e *entry) int64 {
	size := entrySize + e.keyLen() + int(e.valueSize)
	switch e.kind() {
	case plain:
		if int(e.valueSize) < minNumberSize {
			if _, err := e.count(); err == nil {
				size = entrySize + e.keyLen() + minNumberSize
			}
		}
	case counter:
		size += minNumberSize
	default:
		return bo.beside() + int64(classSize(boxedSize)+classSize(e.keyLen())+classSize(len(e.box().value)))
	}
	return bo.beside() + int64(classSize(size))
}

func (bo *bounds) tooLarge(cost int64) bool { return bo.maxBytes > 0 && cost > bo.maxBytes }

func errTooLarge(cost, bound int64) error {
	return fmt.Errorf("%w: the item takes %d bytes, all of them together may take %d", core.ErrTooLarge, cost, bound)
}
