package memory

import (
	"runtime"
	"strings"

	"github.com/cachewire/cachewire/core"
)

// A write is a store that is under way.
type write struct {
	mode   core.Mode
	item   core.Item    // its Value the shard's own
	shared *sharedValue // in the place of Value, from StoreShared
	cost   int64

	// What was evicted for this write: it is still counted as held, so that
	// nobody else takes the room.
	items, bytes int64
}

func (b *Backend) store(mode core.Mode, item core.Item, shared *sharedValue) error {
	b.sweep(b.now())
	sh := b.shardOf(item.Key)
	w := write{mode: mode, item: item, shared: shared}
	if mode != core.CompareAndDelete {
		if err := sh.prepare(&w); err != nil {
			return err
		}
	}
	done, err := sh.try(&w)
	if !done {
		err = b.storeLarge(sh, &w)
	}
	return err
}

// prepare copies the value that w is to store and reckons its cost.
func (sh *shard) prepare(w *write) error {
	bounds := &sh.owner.bounds
	if w.cost = bounds.cost(w.item.Key, len(w.item.Value)); bounds.tooLarge(w.cost) {
		return errTooLarge(w.cost, bounds.maxBytes)
	}
	if w.shared != nil {
		return nil
	}
	// A lock that is taken makes many an Add fail: then the copy would be for
	// nothing. Whether the condition still holds, try finds out.
	if w.mode != core.Set {
		sh.mu.Lock()
		err := admit(w.mode, sh.live(w.item.Key, sh.owner.now()), w.item.Token)
		sh.mu.Unlock()
		if err != nil {
			return err
		}
	}
	w.item.Value = cloneValue(w.item.Value)
	if w.cost = bounds.cost(w.item.Key, cap(w.item.Value)); bounds.tooLarge(w.cost) {
		return errTooLarge(w.cost, bounds.maxBytes)
	}
	return nil
}

// try does w, unless it needs more room than the shard can make: then it answers
// false and has stored nothing.
func (sh *shard) try(w *write) (done bool, err error) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	now := sh.owner.now()
	e := sh.live(w.item.Key, now)
	if err := admit(w.mode, e, w.item.Token); err != nil {
		return true, err
	}
	if w.mode == core.CompareAndDelete {
		sh.drop(e)
		return true, nil
	}
	if sh.owner.bounds.set() && !sh.makeRoom(e, w) {
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
	sh.setDeadline(e, deadline(now, w.item.TTL), now)
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

// makeRoom takes room for w in the place of e, which is nil for a new item. For
// it, it evicts what it must, though never e, as long as the shard holds its
// share of the whole; it answers false if that was not enough.
func (sh *shard) makeRoom(e *entry, w *write) bool {
	items, bytes := int64(1), w.cost
	if e != nil {
		items, bytes = 0, w.cost-e.cost
	}
	bounds := &sh.owner.bounds
	if bounds.take(items-w.items, bytes-w.bytes) {
		return true
	}
	if e != nil {
		sh.queues.remove(e)
		defer sh.queues.push(e, e.queue)
	}
	for sh.hasItsShare(w) && sh.evict(w) {
		if bounds.take(items-w.items, bytes-w.bytes) {
			return true
		}
	}
	return false
}

// hasItsShare tells whether the shard holds about as much as the others do, what
// was evicted for w aside: one large item is not to drive out all that its shard
// holds.
func (sh *shard) hasItsShare(w *write) bool {
	bounds, n := &sh.owner.bounds, int64(len(sh.owner.shards))
	own, all := int64(len(sh.entries)), bounds.items.Load()-w.items
	if bounds.maxBytes > 0 {
		own, all = sh.bytes, bounds.bytes.Load()-w.bytes
	}
	return own*n >= all-all/8
}

// storeLarge does w, for which sh could not make room, by evicting from other
// shards too. Only one write at a time does so: two that each hold a part of the
// room could wait for each other's.
func (b *Backend) storeLarge(sh *shard, w *write) error {
	// What try evicted anybody may have meanwhile, for the same reason.
	b.bounds.release(w.items, w.bytes)
	w.items, w.bytes = 0, 0
	b.bounds.large.Lock()
	defer b.bounds.large.Unlock()
	for {
		done, err := sh.try(w)
		if done {
			if err != nil {
				b.bounds.release(w.items, w.bytes)
			}
			return err
		}
		if !b.evictBeside(sh, w) {
			runtime.Gosched() // all room is taken by stores that are under way
		}
	}
}

// evictBeside evicts one entry of another shard than sh, if there is any.
func (b *Backend) evictBeside(sh *shard, w *write) bool {
	n := len(b.shards)
	start := int(b.bounds.next.Add(1) % uint32(n))
	for i := range n {
		other := &b.shards[(start+i)%n]
		if other == sh {
			continue
		}
		other.mu.Lock()
		evicted := other.evict(w)
		other.mu.Unlock()
		if evicted {
			return true
		}
	}
	return false
}
