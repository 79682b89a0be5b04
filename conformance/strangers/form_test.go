package strangers_test

import (
	"bytes"
	"strconv"
	"time"

	"github.com/cachewire/cachewire/core"
)

// An entry is an item as both drivers keep it. It never changes, so that its address can be a
// token.
type entry struct {
	value   []byte
	flags   uint32
	expires time.Time // zero if it never expires
}

func (e *entry) expired(now time.Time) bool {
	return !e.expires.IsZero() && !now.Before(e.expires)
}

func expiry(ttl time.Duration) time.Time {
	if ttl == 0 {
		return time.Time{}
	}
	return time.Now().Add(ttl)
}

// left returns what a core.TTLReader returns for e.
func (e *entry) left() time.Duration {
	if e.expires.IsZero() {
		return 0
	}
	return max(time.Until(e.expires), 1)
}

// store returns the entry after a Store of item. Old is the entry before it, and sameToken
// says whether item has the token of old. A nil result means that the entry is deleted.
func store(mode core.Mode, item core.Item, old *entry, sameToken bool) (*entry, error) {
	switch {
	case mode == core.Add && old != nil:
		return nil, core.ErrExists
	case mode > core.Add && old == nil: // Replace and the compare modes
		return nil, core.ErrMiss
	case mode > core.Replace && !sameToken:
		return nil, core.ErrConflict
	case mode == core.CompareAndDelete:
		return nil, nil
	}
	// A clone, because Store must not keep the caller's bytes.
	return &entry{bytes.Clone(item.Value), item.Flags, expiry(item.TTL)}, nil
}

// count calls change with the number of old. It returns the new entry and the new number.
func count(old *entry, change func(n uint64) uint64) (*entry, uint64, error) {
	if old == nil {
		return nil, 0, core.ErrMiss
	}
	n, err := core.ParseCount(old.value)
	if err != nil {
		return nil, 0, err
	}
	n = change(n)
	return &entry{strconv.AppendUint(nil, n, 10), old.flags, old.expires}, n, nil
}

func touch(old *entry, ttl time.Duration) (*entry, error) {
	if old == nil {
		return nil, core.ErrMiss
	}
	return &entry{old.value, old.flags, expiry(ttl)}, nil
}
