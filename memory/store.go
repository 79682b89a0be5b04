package memory

import (
	"strings"

	"github.com/cachewire/cachewire/core"
)

// A write is a store that is under way.
type write struct {
	mode     core.Mode
	item     core.Item    // its Value the shard's own
	shared   *sharedValue // in the place of Value, from StoreShared
	deadline int64
	cost     int64
}

func (b *Backend) store(mode core.Mode, item core.Item, shared *sharedValue) error {
	now := b.now()
	b.sweep(now)
	w := write{mode: mode, item: item, shared: shared, deadline: deadline(now, item.TTL), cost: cost(item.Key, len(item.Value))}
	if limit := b.bounds.maxBytes; limit > 0 && w.cost > limit && mode != core.CompareAndDelete {
		return tooLarge(w.cost, limit)
	}
	if shared == nil && mode != core.CompareAndDelete {
		w.item.Value = cloneValue(item.Value)
	}
	sh := b.shardOf(item.Key)
	for {
		done, err := sh.try(&w)
		if done {
			return err
		}
		b.evictBeside(sh)
	}
}

// try does w, unless it needs more room than the shard can make: then it answers
// false and has stored nothing.
func (sh *shard) try(w *write) (done bool, err error) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e := sh.live(w.item.Key)
	if err := admit(w.mode, e, w.item.Token); err != nil {
		return true, err
	}
	if w.mode == core.CompareAndDelete {
		sh.drop(e)
		return true, nil
	}
	if sh.owner.bounds.set() && !sh.makeRoom(e, w.cost) {
		return false, nil
	}
	if e == nil {
		e = &entry{key: strings.Clone(w.item.Key), cost: w.cost}
		sh.insert(e)
	} else {
		sh.bytes += w.cost - e.cost
		e.cost = w.cost
		sh.use(e)
	}
	e.value, e.shared, e.counter, e.flags = w.item.Value, w.shared, false, w.item.Flags
	sh.setDeadline(e, w.deadline)
	return true, nil
}

// admit tells what mode makes of e, which is nil for an absent key.
func admit(mode core.Mode, e *entry, token any) error {
	switch {
	case mode == core.Set:
		return nil
	case mode == core.Add && e == nil:
		return nil
	case mode == core.Add:
		return core.ErrExists
	case e == nil:
		return core.ErrMiss
	case mode == core.Replace || e.matches(token):
		return nil
	}
	return core.ErrConflict
}

// makeRoom takes room for an entry of this cost in the place of e, which is nil
// for a new one. For it, it evicts what it must, though never e, as long as the
// shard holds its share of the whole; it answers false if that was not enough.
func (sh *shard) makeRoom(e *entry, cost int64) bool {
	items, bytes := int64(1), cost
	if e != nil {
		items, bytes = 0, cost-e.cost
	}
	bounds := &sh.owner.bounds
	if bounds.take(items, bytes) {
		return true
	}
	if e != nil {
		sh.queues.remove(e)
		defer sh.queues.push(e, e.queue)
	}
	for sh.hasItsShare() && sh.evict() {
		if bounds.take(items, bytes) {
			return true
		}
	}
	return false
}

// hasItsShare tells whether the shard holds about as much as the others do: one
// large item is not to drive out all that its shard holds.
func (sh *shard) hasItsShare() bool {
	bounds, n := &sh.owner.bounds, int64(len(sh.owner.shards))
	own, all := int64(len(sh.entries)), bounds.items.Load()
	if bounds.maxBytes > 0 {
		own, all = sh.bytes, bounds.bytes.Load()
	}
	return own*n >= all-all/8
}

// evictBeside evicts one entry of another shard than sh, if there is any.
func (b *Backend) evictBeside(sh *shard) {
	n := len(b.shards)
	start := int(b.bounds.next.Add(1) % uint32(n))
	for i := range n {
		other := &b.shards[(start+i)%n]
		if other == sh {
			continue
		}
		other.mu.Lock()
		evicted := other.evict()
		other.mu.Unlock()
		if evicted {
			return
		}
	}
}
