// Package mapdriver is a complete cachewire driver in one map and one mutex,
// written to be read: the page docs/drivers.md walks through it.
//
//	cache, err := core.Open(ctx, "map://", nil)
//
// It keeps the whole contract. It is slow where many goroutines want the mutex
// at once, and it never drops an item whose time is over before somebody asks
// for its key: a program that needs a cache in its own memory takes package
// memory.
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

// A Driver opens map:// URLs. A program that imports this package has one under
// the scheme map; for a core.Registry of its own it registers another.
type Driver struct{}

// Open answers a new Backend each time: two caches opened from the same URL
// share nothing. There are no parameters, so that each one is refused.
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

// An entry never changes once it is in the map: whatever happens to a key puts
// a new entry there. So Get may give out the value without a copy, and the
// pointer tells one state of the item from the next, which makes it the token.
type entry struct {
	value   []byte
	flags   uint32
	expires time.Time // zero: never
}

// New answers an empty Backend, for core.New.
func New() *Backend { return &Backend{entries: map[string]*entry{}} }

// GetItem looks at the key and nothing else. That the context is done, the key
// illegal or the Cache closed, core has found out before it calls a Backend;
// and a method that never waits, as all of these, may leave it at that.
func (b *Backend) GetItem(_ context.Context, key string) (core.Item, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.live(key)
	if e == nil {
		return core.Item{}, core.ErrMiss
	}
	return core.Item{Value: e.value, Flags: e.flags, Token: e}, nil
}

// Store looks and stores under one lock, so that nobody comes between.
func (b *Backend) Store(_ context.Context, mode core.Mode, item core.Item) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	old := b.live(item.Key)
	switch {
	case mode == core.Add && old != nil:
		return core.ErrExists
	case mode > core.Add && old == nil: // Replace and the compare modes
		return core.ErrMiss
	case mode > core.Replace && item.Token != any(old): // another state of the item, or no token of ours
		return core.ErrConflict
	case mode == core.CompareAndDelete:
		delete(b.entries, item.Key)
		return nil
	}
	// The caller may write to item.Value again, so the entry gets a copy.
	b.entries[item.Key] = &entry{bytes.Clone(item.Value), item.Flags, after(item.TTL)}
	return nil
}

// Delete of an absent key is a miss like any other.
func (b *Backend) Delete(_ context.Context, key string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.live(key) == nil {
		return core.ErrMiss
	}
	delete(b.entries, key)
	return nil
}

// Incr wraps around at 2^64, as unsigned integers do.
func (b *Backend) Incr(_ context.Context, key string, delta uint64) (uint64, error) {
	return b.count(key, func(n uint64) uint64 { return n + delta })
}

// Decr stops at 0.
func (b *Backend) Decr(_ context.Context, key string, delta uint64) (uint64, error) {
	return b.count(key, func(n uint64) uint64 { return n - min(n, delta) })
}

// count moves a counter, which keeps its flags and its time to live.
func (b *Backend) count(key string, move func(uint64) uint64) (uint64, error) {
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
	n = move(n)
	b.entries[key] = &entry{strconv.AppendUint(nil, n, 10), old.flags, old.expires}
	return n, nil
}

// Touch makes a new entry, and so a new token: the contract allows that.
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

// Flush empties the map.
func (b *Backend) Flush(context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.entries)
	return nil
}

// Close empties the map too, but leaves it there: a verb that was on its way
// when the Cache was closed may still store something, and a nil map would
// panic.
func (b *Backend) Close() error { return b.Flush(context.Background()) }

// TTL is an ability beyond core.Backend, that of a core.TTLReader: core looks for
// such methods when the Cache is made. It answers 0 for an item that lives for
// ever.
func (b *Backend) TTL(_ context.Context, key string) (time.Duration, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := b.live(key); {
	case e == nil:
		return 0, core.ErrMiss
	case e.expires.IsZero():
		return 0, nil
	default:
		return max(time.Until(e.expires), 1), nil // 0 would be for ever
	}
}

// live answers the entry under key, or nil if there is none whose time is not
// over. The caller holds mu.
func (b *Backend) live(key string) *entry {
	e := b.entries[key]
	if e == nil || e.expires.IsZero() || time.Now().Before(e.expires) {
		return e
	}
	delete(b.entries, key)
	return nil
}

func after(ttl time.Duration) time.Time {
	if ttl == 0 {
		return time.Time{}
	}
	return time.Now().Add(ttl)
}
