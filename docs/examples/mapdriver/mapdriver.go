// Package mapdriver is a complete cachewire driver in one map and one mutex, written to be
// read. The page docs/drivers.md walks through it.
//
//	cache, err := core.Open(ctx, "map://", nil)
//
// It follows the whole contract. It is slow if many goroutines need the mutex at once. It
// removes an expired item only when a verb is called with its key, or at Flush. For a cache
// in the memory of a program, use package memory.
package mapdriver

import (
	"bytes"
	"context"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/cachewire/cachewire/core"
)

func init() { core.Register("map", Driver{}) }

// A Driver opens map:// URLs. Importing this package registers one in the default registry.
// A program with its own core.Registry registers another Driver there.
type Driver struct{}

// Open returns a new Backend each time: two caches opened from the same URL share nothing.
// It refuses every parameter, because this driver has none.
func (Driver) Open(_ context.Context, u *url.URL) (core.Backend, error) {
	p := core.NewParams(u)
	p.NoHost(u)
	if err := p.Err(); err != nil {
		return nil, err
	}
	return New(), nil
}

// A Backend is a cache in a map.
type Backend struct {
	mu      sync.Mutex
	entries map[string]*entry // guarded by mu
}

// An entry never changes once it is in the map: a verb that changes an item puts a new
// entry there. So GetItem may return the value without a copy. The token is the pointer to
// the entry, because each state of an item has another entry.
type entry struct {
	value   []byte
	flags   uint32
	expires time.Time // zero if it never expires
}

// New returns an empty Backend, for core.New.
func New() *Backend { return &Backend{entries: map[string]*entry{}} }

// GetItem returns the item under key, or core.ErrMiss. Before core calls a Backend, it has
// checked that the key is valid, the context is not done and the Cache is not closed. The
// methods of this Backend ignore the context, because they never wait.
func (b *Backend) GetItem(_ context.Context, key string) (core.Item, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.live(key)
	if e == nil {
		return core.Item{}, core.ErrMiss
	}
	return core.Item{Value: e.value, Flags: e.flags, Token: e}, nil
}

// Store stores item if the condition of mode is true. It checks the condition and stores
// under one lock, so that both are one atomic step.
func (b *Backend) Store(_ context.Context, mode core.Mode, item core.Item) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	old := b.live(item.Key)
	switch {
	case mode == core.Add && old != nil:
		return core.ErrExists
	case mode > core.Add && old == nil: // Replace and the compare modes
		return core.ErrMiss
	case mode > core.Replace && item.Token != any(old):
		// The token is from another state of the item, or from another backend.
		return core.ErrConflict
	case mode == core.CompareAndDelete:
		delete(b.entries, item.Key)
		return nil
	}
	// The caller may write to item.Value again, so the entry gets a copy.
	b.entries[item.Key] = &entry{bytes.Clone(item.Value), item.Flags, after(item.TTL)}
	return nil
}

// Delete deletes the item under key. It returns core.ErrMiss if the key is absent.
func (b *Backend) Delete(_ context.Context, key string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.live(key) == nil {
		return core.ErrMiss
	}
	delete(b.entries, key)
	return nil
}

// Incr adds delta to a counter. It wraps around at 2^64, as unsigned integers do.
func (b *Backend) Incr(_ context.Context, key string, delta uint64) (uint64, error) {
	return b.change(key, func(n uint64) uint64 { return n + delta })
}

// Decr subtracts delta from a counter. It stops at 0.
func (b *Backend) Decr(_ context.Context, key string, delta uint64) (uint64, error) {
	return b.change(key, func(n uint64) uint64 { return n - min(n, delta) })
}

// change replaces the number n of a counter by next(n) and returns it. The counter keeps
// its flags and its time to live.
func (b *Backend) change(key string, next func(n uint64) uint64) (uint64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	old := b.live(key)
	if old == nil {
		return 0, core.ErrMiss
	}
	n, err := core.ParseCount(old.value)
	if err != nil {
		return 0, err
	}
	n = next(n)
	b.entries[key] = &entry{strconv.AppendUint(nil, n, 10), old.flags, old.expires}
	return n, nil
}

// Touch gives the item under key a new time to live. It makes a new entry, and so a new
// token, which the contract allows.
func (b *Backend) Touch(_ context.Context, key string, ttl time.Duration) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	old := b.live(key)
	if old == nil {
		return core.ErrMiss
	}
	b.entries[key] = &entry{old.value, old.flags, after(ttl)}
	return nil
}

// Flush deletes all items.
func (b *Backend) Flush(context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.entries)
	return nil
}

// Close deletes all items. It does not set the map to nil, because a verb that is running
// when the Cache is closed may still store something, and would panic.
func (b *Backend) Close() error { return b.Flush(context.Background()) }

// TTL returns how long the item under key has left to live, or 0 if it never expires. It is
// the method of the optional interface core.TTLReader. core looks for such interfaces when
// the Cache is made.
func (b *Backend) TTL(_ context.Context, key string) (time.Duration, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := b.live(key); {
	case e == nil:
		return 0, core.ErrMiss
	case e.expires.IsZero():
		return 0, nil
	default:
		return max(time.Until(e.expires), 1), nil // 0 would mean that it never expires
	}
}

// live returns the entry under key, or nil if the key is absent or expired. It removes an
// expired entry. The caller holds mu.
func (b *Backend) live(key string) *entry {
	e := b.entries[key]
	if e == nil || e.expires.IsZero() || time.Now().Before(e.expires) {
		return e
	}
	delete(b.entries, key)
	return nil
}

// after returns when an item with this time to live expires, or the zero time if it never
// does.
func after(ttl time.Duration) time.Time {
	if ttl == 0 {
		return time.Time{}
	}
	return time.Now().Add(ttl)
}
