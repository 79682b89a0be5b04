package memory

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/cachewire/cachewire/core"
)

// bounds limit what a Backend holds, and count what it holds. Without a bound they count
// nothing.
type bounds struct {
	maxItems, maxBytes int64 // 0 if there is no bound
	items, bytes       atomic.Int64
	nextShard          atomic.Uint32 // the shard with which evictElsewhere begins
	largeWrite         sync.Mutex    // held by the one write that evicts from many shards
	layout             layout        // of the entries

	weight func(Item) int64 // Options.Weight; nil if cost is in bytes
}

func (bo *bounds) isSet() bool { return bo.maxItems > 0 || bo.maxBytes > 0 }

// reserve adds items and bytes to those that are held, and reports whether the bounds allow
// it. If not, it changes nothing. A number that is not positive is always allowed.
func (bo *bounds) reserve(items, bytes int64) bool {
	if !tryAdd(&bo.items, items, bo.maxItems) {
		return false
	}
	if !tryAdd(&bo.bytes, bytes, bo.maxBytes) {
		bo.items.Add(-items)
		return false
	}
	return true
}

// tryAdd adds delta to held, unless delta is positive and the sum is above bound.
func tryAdd(held *atomic.Int64, delta, bound int64) bool {
	for {
		n := held.Load()
		if bound > 0 && delta > 0 && n+delta > bound {
			return false
		}
		if held.CompareAndSwap(n, n+delta) {
			return true
		}
	}
}

// release subtracts items and bytes from those that are held.
func (bo *bounds) release(items, bytes int64) {
	if bo.isSet() {
		bo.items.Add(-items)
		bo.bytes.Add(-bytes)
	}
}

const (
	// slotCost is how much of its shard's table an item takes: 17 bytes on 64-bit systems,
	// and 12 on 32-bit systems. That is 1.6 slots, because a table is 76 % full on average
	// and the allocator rounds its size up. See TestBytesIsTheHeapInUse.
	slotCost = 8 * (bucketSize + slots*dueSize) / (5 * slots)

	// dueSize is the size of a number in table.due.
	dueSize = 2

	// queueCost is the memory that eviction uses for each item of a bounded Backend: its
	// place in a queue and its share of the history and of the ghosts. On average a queue has
	// a quarter more places than items.
	queueCost = pointerSize*5/4 + 15

	// maxShared is the most that a shared value counts as. No machine has as much memory.
	maxShared = 1 << 48

	// minNumberSize is the smallest size for which a value counts if it is a number,
	// because the item may become a counter, which needs this many bytes.
	minNumberSize = tallySize + 7
)

// minCost returns the least that an item with a value of valueSize bytes costs.
func (bo *bounds) minCost(key string, valueSize int) int64 {
	if valueSize > maxPlain {
		return bo.boxedCost(len(key), int64(valueSize))
	}
	size := entrySize + len(key) + valueSize
	if bo.layout.extended {
		size += extensionSize
	}
	return bo.overhead() + classSize(int64(withTail(size, bo.layout.words)))
}

// boxedCost returns the cost of an entry whose value is not in its block.
func (bo *bounds) boxedCost(keySize int, valueSize int64) int64 {
	size := boxedEntrySize
	if bo.layout.words > 0 {
		size += 8 * maxTailWords
	}
	return bo.overhead() + classSize(int64(size)) + classSize(int64(keySize)) + classSize(valueSize)
}

// overhead returns the number of bytes that every item takes besides its entry.
func (bo *bounds) overhead() int64 {
	if bo.isSet() {
		return int64(slotCost + queueCost)
	}
	return int64(slotCost)
}

// weigh calls bounds.weight, which must be set, for e, which is new. It keeps the weight in the
// tail, so that the function is called only once.
func (bo *bounds) weigh(e *entry) {
	item := e.describe()
	item.Token = nil
	e.tail(bo.layout.words - 1).Store(max(bo.weight(item), 0))
}

// cost returns what e counts as: its weight, if there is a function for it, or the bytes that it
// takes. A value that core.Shared stored adds what it said as a core.Sizer, or nothing.
func (bo *bounds) cost(e *entry) int64 {
	if bo.weight != nil {
		return e.tail(bo.layout.words - 1).Load()
	}
	size := e.valueOffset() + e.valueSize()
	switch e.kind() {
	case plain:
		if e.valueSize() < minNumberSize {
			if _, err := e.number(); err == nil {
				size = e.valueOffset() + minNumberSize
			}
		}
	case counter:
		size += minNumberSize
	case shared:
		return bo.boxedCost(e.keyLen(), e.boxed().weight)
	default:
		return bo.boxedCost(e.keyLen(), int64(len(e.boxed().value)))
	}
	return bo.overhead() + classSize(int64(withTail(size, bo.layout.words)))
}

func (bo *bounds) tooLarge(cost int64) bool { return bo.maxBytes > 0 && cost > bo.maxBytes }

func (bo *bounds) errTooLarge(cost int64) error {
	if bo.weight != nil {
		return fmt.Errorf("%w: memory: the item has the weight %d; want at most MaxBytes, %d",
			core.ErrTooLarge, cost, bo.maxBytes)
	}
	return fmt.Errorf("%w: memory: the item takes %d bytes; want at most MaxBytes, %d bytes",
		core.ErrTooLarge, cost, bo.maxBytes)
}
