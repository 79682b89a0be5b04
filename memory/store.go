package memory

import (
	"runtime"
	"time"

	"github.com/cachewire/cachewire/core"
)

// A write is a running store.
type write struct {
	mode  core.Mode
	hash  uint64
	key   string
	token any
	ttl   time.Duration
	entry *entry // what is stored; nil for CompareAndDelete
	cost  int64  // of entry

	// The items and bytes that were evicted for this write. The bounds still count them as
	// held, so that no other write takes the room.
	freedItems, freedBytes int64
}

// store stores item under the condition of mode. If isShared is true, it stores value
// instead of item.Value.
func (b *Backend) store(mode core.Mode, item *core.Item, value any, isShared bool) error {
	b.sweep(b.approxNow())
	hash := b.hash(item.Key)
	sh := b.shardOf(hash)
	w := &write{mode: mode, hash: hash, key: item.Key, token: item.Token, ttl: item.TTL}
	if mode != core.CompareAndDelete {
		if isShared {
			box := newBoxedEntry(item.Key, shared, item.Flags, b.bounds.layout)
			box.shared = value
			if s, ok := value.(core.Sizer); ok {
				box.weight = min(max(0, int64(s.Size())), maxShared)
			}
			w.entry = &box.entry
		} else if err := sh.prepare(w, item); err != nil {
			return err
		}
		if b.bounds.weight != nil {
			b.bounds.weigh(w.entry)
		}
		if w.cost = b.bounds.cost(w.entry); b.bounds.tooLarge(w.cost) {
			return b.bounds.errTooLarge(w.cost)
		}
	}
	done, err := sh.tryWrite(w)
	if !done {
		err = b.writeLarge(sh, w)
	}
	return err
}

// prepare makes the entry of w, or returns the error of a write that cannot succeed.
func (sh *shard) prepare(w *write, item *core.Item) error {
	if bounds := &sh.backend.bounds; bounds.maxBytes > 0 && bounds.weight == nil {
		if c := bounds.minCost(item.Key, len(item.Value)); bounds.tooLarge(c) {
			return bounds.errTooLarge(c)
		}
	}
	// If an application uses a key as a lock, most of its Adds fail. Checking the condition
	// first saves them the copy of the value. tryWrite checks it again, because it may have
	// changed.
	if w.mode != core.Set {
		sh.mu.Lock()
		e, _ := sh.findLive(w.hash, w.key, sh.backend.now())
		err := checkMode(w.mode, e, w.token)
		sh.mu.Unlock()
		if err != nil {
			return err
		}
	}
	w.entry = newEntry(item.Key, item.Value, item.Flags, sh.backend.bounds.layout)
	return nil
}

// tryWrite does w, unless it needs more room than the shard can make. Then done is false,
// and nothing was stored.
func (sh *shard) tryWrite(w *write) (done bool, err error) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	now := sh.backend.now()
	old, s := sh.findLive(w.hash, w.key, now)
	if err := checkMode(w.mode, old, w.token); err != nil {
		return true, err
	}
	if w.mode == core.CompareAndDelete {
		sh.drop(old, Deleted)
		return true, nil
	}
	extraItems, extraCost := int64(1), w.cost
	if old != nil {
		extraItems, extraCost = 0, w.cost-sh.backend.bounds.cost(old)
	}
	if sh.backend.bounds.isSet() {
		t := sh.part(homeOf(w.hash))
		if !sh.makeRoom(old, w, extraItems, extraCost) {
			return false, nil
		}
		if shrunk := sh.part(homeOf(w.hash)); shrunk != t && old != nil {
			s = shrunk.slotOf(old, homeOf(w.hash))
		}
	}
	e, end := w.entry, deadlineAfter(now, w.ttl)
	if sh.backend.idle != 0 {
		end = sh.backend.setLimit(e, now, end)
	}
	e.deadline.Store(end)
	if old == nil {
		s = sh.insert(e, w.hash, w.cost)
	} else {
		sh.replace(old, e, w.hash, s, extraCost)
		sh.inserts++
		sh.countRemoved(old, Replaced)
		sh.markRead(e)
	}
	sh.setDeadline(w.hash, s, e, end, now)
	return true, nil
}

// checkMode returns nil if a write with mode may take place, and the error of the write
// otherwise. If the key is absent, e is nil.
func checkMode(mode core.Mode, e *entry, token any) error {
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

// makeRoom reserves room for w, which adds items and bytes, and reports whether it could. If
// w replaces an entry, e is that entry; otherwise e is nil. makeRoom evicts entries of the
// shard, but never e, until there is room or the shard holds less than its share.
func (sh *shard) makeRoom(e *entry, w *write, items, bytes int64) bool {
	bounds := &sh.backend.bounds
	if bounds.reserve(items-w.freedItems, bytes-w.freedBytes) {
		return true
	}
	if e != nil {
		queue, reads := e.queue(), e.reads.Load()&^queueBit
		sh.queues.remove(e)
		defer sh.queues.push(e, queue, reads)
	}
	for sh.holdsItsShare(w) && sh.evict(w) {
		if bounds.reserve(items-w.freedItems, bytes-w.freedBytes) {
			return true
		}
	}
	return false
}

// holdsItsShare reports whether the shard holds about as much as the other shards do.
// Entries that were evicted for w do not count. A shard that holds less evicts nothing, so
// that one large item does not evict everything in its shard.
func (sh *shard) holdsItsShare(w *write) bool {
	bounds, n := &sh.backend.bounds, int64(len(sh.backend.shards))
	own, all := int64(sh.count), bounds.items.Load()-w.freedItems
	if bounds.maxBytes > 0 {
		own, all = sh.bytes, bounds.bytes.Load()-w.freedBytes
	}
	return own*n >= all-all/8
}

// writeLarge does w, for which sh could not make room. It also evicts from other shards.
// Only one write at a time does so: two writes that each hold a part of the room could wait
// for each other.
func (b *Backend) writeLarge(sh *shard, w *write) error {
	// For the same reason, w does not keep the room that tryWrite made while it waits.
	b.bounds.release(w.freedItems, w.freedBytes)
	w.freedItems, w.freedBytes = 0, 0
	b.bounds.largeWrite.Lock()
	defer b.bounds.largeWrite.Unlock()
	for {
		done, err := sh.tryWrite(w)
		if done {
			if err != nil {
				b.bounds.release(w.freedItems, w.freedBytes)
			}
			return err
		}
		if !b.evictElsewhere(sh, w) {
			runtime.Gosched() // running stores hold all of the room
		}
	}
}

// evictElsewhere evicts one entry of another shard than sh, and reports whether there was
// one.
func (b *Backend) evictElsewhere(sh *shard, w *write) bool {
	n := len(b.shards)
	start := int(b.bounds.nextShard.Add(1) % uint32(n))
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
