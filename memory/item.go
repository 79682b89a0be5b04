package memory

import "github.com/cachewire/cachewire/core"

// An Item is an item as a Backend holds it: bytes, or a Go value that was stored through
// core.Shared. If it is a Go value, Value is nil. Otherwise Value is not nil, and must not be
// written to.
type Item struct {
	core.Item
	Shared any // the value of core.Shared
}

// describe returns e as an Item without TTL. If e is a counter, the caller must hold the lock of
// its shard, or e must have been removed.
func (e *entry) describe() Item {
	if e.kind() == shared {
		return Item{
			Item:   core.Item{Key: e.key(), Flags: e.flags(), Token: e},
			Shared: e.boxed().shared,
		}
	}
	value, token := e.item()
	return Item{Item: core.Item{Key: e.key(), Value: value, Flags: e.flags(), Token: token}}
}
