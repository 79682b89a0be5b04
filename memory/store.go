package memory

import (
	"runtime"
	"time"

	"github.com/cachewire/cachewire/core"
)

// A write is a store that is under way.
type write struct {
	mode  core.Mode
	hash  uint64
	key   string
	token any
	ttl   time.Duration
	entry *entry // what is to be stored; nil for CompareAndDelete
	cost  int64

	// What was evicted for this write: it is still counted as held, so that
	// nobody else takes the room.
	items, bytes int64
}

// store stores item, or for isShared value.
func (b *Backend) store(mode core.Mode, item *core.Item, value any, isShared bool) error {
	b.sweep(b.about())
	hash := b.hash(item.Key)
	sh := b.shardOf(hash)
	w := &write{mode: mode, hash: hash, key: item.Key, token: item.Token, ttl: item.TTL}
	if mode != core.CompareAndDelete {
		if isShared {
			box := newBoxed(homeOf(hash), item.Key, shared, item.Flags)
			box.shared = value
			w.entry = &box.entry
		} else if err := sh.prepare(w, item); err != nil {
			return err
		}
		if w.cost = b.bounds.cost(w.entry); b.bounds.tooLarge(w.cost) {
			return errTooLarge(w.cost, b.bounds.maxBytes)
		}
	}
	done, err := sh.try(w)
	if !done {
		err = b.storeLarge(sh, w)
	}
	return err
}

// prepare makes the entry that w is to store.
func (sh *shard) prepare(w *write, item *core.Item) error {
	if bounds := &sh.owner.bounds; bounds.maxBytes > 0 {
		if c := bounds.least(item.Key, len(item.Value)); bounds.tooLarge(c) {
			return errTooLarge(c, bounds.maxBytes)
		}
	}
	// A lock that is taken makes many an Add fail: then the copy would be for
	// nothing. Whether the condition still holds, try finds out.
	if w.mode != core.Set {
		sh.mu.Lock()
		e, _ := sh.live(w.hash, w.key, sh.owner.now())
		err := admit(w.mode, e, w.token)
		sh.mu.Unlock()
		if err != nil {
			return err
		}
	}
	w.entry = newEntry(homeOf(w.hash), item.Key, item.Value, item.Flags)
	return nil
}

// try does w, unless it needs more room than the shard can make: then it answers
// false and has stored nothing.
func (sh *shard) try(w *write) (done bool, err error) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	now := sh.owner.now()
	old, s := sh.live(w.hash, w.key, now)
	if err := admit(w.mode, old, w.token); err != nil {
		return true, err
	}
	if w.mode == core.CompareAndDelete {
		sh.drop(old)
		return true, nil
	}
	items, more := int64(1), w.cost // than there are
	if old != nil {
		items, more = 0, w.cost-sh.owner.bounds.cost(old)
	}
	if sh.owner.bounds.set() {
		t := sh.table.Load()
		if !sh.makeRoom(old, w, items, more) {
			return false, nil
		}
		if other := sh.table.Load(); other != t && old != nil { // it got smaller
			s = other.slotOf(old)
		}
	}
	e, end := w.entry, deadline(now, w.ttl)
	e.deadline.Store(end)
	if old == nil {
		s = sh.insert(e, w.hash, w.cost)
	} else {
		sh.replace(old, e, s, more)
		sh.use(e)
	}
	sh.setDeadline(s, e, end, now)
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

// makeRoom takes room for so many items and bytes more for w, which replaces e, or nil
// where it is a new item. For it, it evicts what it must, though never e, as long as the shard holds its
// share of the whole; it answers false if that was not enough.
func (sh *shard) makeRoom(e *entry, w *write, items, bytes int64) bool {
	bounds := &sh.owner.bounds
	if bounds.take(items-w.items, bytes-w.bytes) {
		return true
	}
	if e != nil {
		queue, reads := e.queue(), e.reads.Load()&^queueBit
		sh.queues.remove(e)
		defer sh.queues.push(e, queue, reads)
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
	own, all := int64(sh.count), bounds.items.Load()-w.items
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
