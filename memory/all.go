package memory

import (
	"context"
	"iter"
	"strings"
)

// All yields the items whose keys begin with prefix. A key is that of the Backend: it includes
// the prefix of a Cache. TTL is the time that the item has left to live, or 0 if it never
// expires, and Token is set.
//
// Each item is as it is at the moment at which All yields it, so that the body of the loop never
// gets an item that it has deleted or replaced itself. All yields an item at least once if its
// key is present during the whole iteration. It may miss one that is stored meanwhile, and yield
// one twice that is deleted and stored again. An error, which is always that of ctx, ends the
// iteration; the Item is zero then. The body of the loop may call the Backend.
//
// All takes no lock but to read counters. It does not count as a read, neither for Stats nor for
// eviction.
func (b *Backend) All(ctx context.Context, prefix string) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		for i := range b.shards {
			if err := ctx.Err(); err != nil {
				yield(Item{}, err)
				return
			}
			sh := &b.shards[i]
			for _, e := range sh.entries(prefix) {
				if err := ctx.Err(); err != nil {
					yield(Item{}, err)
					return
				}
				if item, ok := sh.current(e); ok && !yield(item, nil) {
					return
				}
			}
		}
	}
}

// entries returns the entries whose keys begin with prefix. If the table is replaced meanwhile,
// the old one still has all keys that are present during the whole call.
func (sh *shard) entries(prefix string) []*entry {
	var entries []*entry
	sh.table.Load().all(func(e *entry) bool {
		if strings.HasPrefix(e.key(), prefix) {
			entries = append(entries, e)
		}
		return true
	})
	return entries
}

// current returns the item that is now stored under the key of e, and whether there is one.
func (sh *shard) current(e *entry) (Item, bool) {
	key := e.key()
	hash := sh.backend.hash(key)
	e, _ = sh.table.Load().find(hash, key)
	if e == nil {
		return Item{}, false
	}
	// The number of a counter and its life must belong together. An entry that has expired may
	// have been replaced before it did.
	if e.kind() == counter || e.expired(sh.backend.now()) {
		sh.mu.Lock()
		defer sh.mu.Unlock()
		if e, _ = sh.findLive(hash, key, sh.backend.now()); e == nil {
			return Item{}, false
		}
	}
	item := e.describe()
	item.TTL = sh.backend.timeLeft(e, sh.backend.now())
	return item, true
}
