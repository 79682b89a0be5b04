package memory

import (
	"context"
	"fmt"

	"github.com/cachewire/cachewire/core"
)

// A Reason says why an item was removed.
type Reason uint8

const (
	Expired  Reason = iota // its time to live was over
	Evicted                // another item needed its room
	Replaced               // another item was stored under its key
	Deleted                // by Delete, DeleteMulti or CompareAndDelete
	Flushed                // by Flush or Close, even if it had expired

	reasons = iota // the number of them
)

var reasonNames = [reasons]string{"Expired", "Evicted", "Replaced", "Deleted", "Flushed"}

// String returns the name of the constant.
func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return fmt.Sprintf("Reason(%d)", uint8(r))
}

// Counts are how many items were stored in a Backend, and how many were removed for each
// Reason, since it was made. At every moment
//
//	Inserts == Items + Expired + Evicted + Replaced + Deleted + Flushed
//
// Incr, Decr and Touch change an item. They neither store nor remove one.
type Counts struct {
	Items   uint64 // items now, including expired ones that are still in memory
	Inserts uint64 // items stored

	Expired, Evicted, Replaced, Deleted, Flushed uint64 // items removed, by Reason

	Lost uint64 // items removed with which OnRemove was not called
}

// Counts returns the counts of the Backend. It takes the lock of one shard after the other, so
// that the equation holds even while verbs run.
func (b *Backend) Counts() Counts {
	c, _ := b.sum()
	c.Lost = b.removals.lostCount()
	return c
}

// sum returns the counts of all shards, and what their entries cost.
func (b *Backend) sum() (c Counts, bytes int64) {
	for i := range b.shards {
		sh := &b.shards[i]
		sh.mu.Lock()
		c.Items, bytes = c.Items+uint64(sh.count), bytes+sh.bytes
		c.Inserts += sh.inserts
		c.Expired += sh.removed[Expired]
		c.Evicted += sh.removed[Evicted]
		c.Replaced += sh.removed[Replaced]
		c.Deleted += sh.removed[Deleted]
		c.Flushed += sh.removed[Flushed]
		sh.mu.Unlock()
	}
	return c, bytes
}

// Stats returns the figures of the Backend. The error is always nil.
//
// Each key that a verb reads is either a hit or a miss. Incr, Decr, Touch, TTL and Keys do not
// read, nor do the store verbs.
func (b *Backend) Stats(context.Context) (core.Stats, error) {
	c, bytes := b.sum()
	sum := core.Stats{
		Items:       c.Items,
		Bytes:       uint64(bytes),
		Evictions:   c.Evicted,
		Expirations: c.Expired,
	}
	for i := range b.reads {
		sum.Hits += b.reads[i].hits.Load()
		sum.Misses += b.reads[i].misses.Load()
	}
	return sum, nil
}
