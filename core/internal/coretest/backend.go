// Package coretest has a backend for the tests of the packages below core.
package coretest

import (
	"context"
	"net/url"
	"sync"
	"time"

	"github.com/cachewire/cachewire/core"
)

// A Backend keeps values in a map, without flags and times to live. It implements GetItem,
// Store and Delete. Store ignores the mode. Counters are always absent.
type Backend struct {
	// Before is called at the start of every method; its error is returned. It may be
	// nil.
	Before func(ctx context.Context, verb, key string) error

	mu    sync.Mutex
	items map[string][]byte // guarded by mu
	TTLs  []time.Duration   // of every Store; guarded by mu
}

func (b *Backend) before(ctx context.Context, verb, key string) error {
	if b.Before != nil {
		return b.Before(ctx, verb, key)
	}
	return nil
}

// GetItem returns the value under key.
func (b *Backend) GetItem(ctx context.Context, key string) (core.Item, error) {
	if err := b.before(ctx, "Get", key); err != nil {
		return core.Item{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	value, ok := b.items[key]
	if !ok {
		return core.Item{}, core.ErrMiss
	}
	return core.Item{Value: value}, nil
}

// Store stores item.
func (b *Backend) Store(ctx context.Context, mode core.Mode, item core.Item) error {
	if err := b.before(ctx, mode.String(), item.Key); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.items == nil {
		b.items = map[string][]byte{}
	}
	b.items[item.Key] = append([]byte(nil), item.Value...)
	b.TTLs = append(b.TTLs, item.TTL)
	return nil
}

// Delete deletes the value under key.
func (b *Backend) Delete(ctx context.Context, key string) error {
	if err := b.before(ctx, "Delete", key); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.items[key]; !ok {
		return core.ErrMiss
	}
	delete(b.items, key)
	return nil
}

// Incr returns core.ErrMiss.
func (b *Backend) Incr(context.Context, string, uint64) (uint64, error) { return 0, core.ErrMiss }

// Decr returns core.ErrMiss.
func (b *Backend) Decr(context.Context, string, uint64) (uint64, error) { return 0, core.ErrMiss }

// Touch returns core.ErrMiss.
func (b *Backend) Touch(context.Context, string, time.Duration) error { return core.ErrMiss }

// Flush deletes everything.
func (b *Backend) Flush(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.items = nil
	return b.before(ctx, "Flush", "")
}

// Close calls Before, and does nothing else.
func (b *Backend) Close() error { return b.before(context.Background(), "Close", "") }

// A Driver is a core.Driver that is a function.
type Driver func(ctx context.Context, u *url.URL) (core.Backend, error)

// Open calls d.
func (d Driver) Open(ctx context.Context, u *url.URL) (core.Backend, error) { return d(ctx, u) }
