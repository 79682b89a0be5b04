package core_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cachewire/cachewire/core"
)

// A backend is a correct core.Backend and no more: a map behind a mutex. Tests
// watch and disturb it.
type backend struct {
	// before is called, without the lock, when a verb begins, with the keys
	// joined by commas. An error is the verb's answer. Set it before the first
	// use; nil does nothing.
	before func(ctx context.Context, verb, keys string) error

	mu      sync.Mutex
	entries map[string]entry // guarded by mu
	calls   []called         // guarded by mu
	closes  int              // guarded by mu
}

type entry struct {
	value    []byte
	flags    uint32
	expires  time.Time // zero is never
	token    *int
	shared   any
	isShared bool
}

// A called is one call that a backend got.
type called struct {
	verb   string
	keys   []string
	ttl    time.Duration
	nilCtx bool
}

func newBackend() *backend { return &backend{entries: map[string]entry{}} }

func (b *backend) enter(ctx context.Context, verb string, ttl time.Duration, keys ...string) error {
	b.mu.Lock()
	b.calls = append(b.calls, called{verb, keys, ttl, ctx == nil})
	b.mu.Unlock()
	if b.before != nil {
		if err := b.before(ctx, verb, strings.Join(keys, ",")); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// log answers the calls so far and forgets them.
func (b *backend) log() []called {
	b.mu.Lock()
	defer b.mu.Unlock()
	calls := b.calls
	b.calls = nil
	return calls
}

// keys answers the keys held, in order.
func (b *backend) keys() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Sorted(maps.Keys(b.entries))
}

func (b *backend) closed() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closes
}

// find answers the entry under key. The lock is held.
func (b *backend) find(key string) (entry, bool) {
	e, ok := b.entries[key]
	if ok && !e.expires.IsZero() && !time.Now().Before(e.expires) {
		delete(b.entries, key)
		return entry{}, false
	}
	return e, ok
}

func deadline(ttl time.Duration) time.Time {
	if ttl == 0 {
		return time.Time{}
	}
	return time.Now().Add(ttl)
}

func (b *backend) GetItem(ctx context.Context, key string) (core.Item, error) {
	if err := b.enter(ctx, "GetItem", 0, key); err != nil {
		return core.Item{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.get(key)
}

func (b *backend) get(key string) (core.Item, error) {
	e, ok := b.find(key)
	switch {
	case !ok:
		return core.Item{}, core.ErrMiss
	case e.isShared:
		return core.Item{}, core.ErrCodec
	}
	// The spare capacity and the other fields are there for core to take away.
	return core.Item{Key: key, Value: slices.Grow(e.value, 8), Flags: e.flags, TTL: time.Hour, Token: e.token}, nil
}

func (b *backend) Store(ctx context.Context, mode core.Mode, item core.Item) error {
	if err := b.enter(ctx, mode.String(), item.TTL, item.Key); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.store(mode, item.Key, item.Token, entry{
		value: slices.Clone(item.Value), flags: item.Flags, expires: deadline(item.TTL), token: new(int),
	})
}

func (b *backend) store(mode core.Mode, key string, token any, e entry) error {
	old, present := b.find(key)
	if mode == core.Add && present {
		return core.ErrExists
	}
	if mode != core.Set && mode != core.Add && !present {
		return core.ErrMiss
	}
	if mode == core.CompareAndSwap || mode == core.CompareAndDelete {
		if own, ok := token.(*int); !ok || own != old.token {
			return core.ErrConflict
		}
	}
	if mode == core.CompareAndDelete {
		delete(b.entries, key)
		return nil
	}
	b.entries[key] = e
	return nil
}

func (b *backend) Delete(ctx context.Context, key string) error {
	if err := b.enter(ctx, "Delete", 0, key); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.find(key); !ok {
		return core.ErrMiss
	}
	delete(b.entries, key)
	return nil
}

func (b *backend) Incr(ctx context.Context, key string, delta uint64) (uint64, error) {
	return b.move(ctx, "Incr", key, func(n uint64) uint64 { return n + delta })
}

func (b *backend) Decr(ctx context.Context, key string, delta uint64) (uint64, error) {
	return b.move(ctx, "Decr", key, func(n uint64) uint64 { return n - min(n, delta) })
}

func (b *backend) move(ctx context.Context, verb, key string, by func(uint64) uint64) (uint64, error) {
	if err := b.enter(ctx, verb, 0, key); err != nil {
		return 0, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	e, ok := b.find(key)
	if !ok {
		return 0, core.ErrMiss
	}
	n, err := strconv.ParseUint(string(e.value), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", core.ErrNotNumber, err)
	}
	n = by(n)
	e.value, e.token = strconv.AppendUint(nil, n, 10), new(int)
	b.entries[key] = e
	return n, nil
}

func (b *backend) Touch(ctx context.Context, key string, ttl time.Duration) error {
	if err := b.enter(ctx, "Touch", ttl, key); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	e, ok := b.find(key)
	if !ok {
		return core.ErrMiss
	}
	e.expires = deadline(ttl)
	b.entries[key] = e
	return nil
}

func (b *backend) Flush(ctx context.Context) error {
	if err := b.enter(ctx, "Flush", 0); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.entries)
	return nil
}

func (b *backend) Close() error {
	b.mu.Lock()
	b.closes++
	b.mu.Unlock()
	if b.before != nil {
		return b.before(context.Background(), "Close", "")
	}
	return nil
}
