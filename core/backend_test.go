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

// A backend is a correct core.Backend without optional interfaces: a map behind a mutex. It
// records the calls, and tests can make its verbs wait or fail.
type backend struct {
	// before is called without the lock when a verb begins, with the keys joined by
	// commas. If it returns an error, the verb returns that error. Set it before the
	// first use. If nil, it is not called.
	before func(ctx context.Context, verb, keys string) error

	mu      sync.Mutex
	entries map[string]entry // guarded by mu
	calls   []backendCall    // guarded by mu
	closes  int              // guarded by mu
}

type entry struct {
	value    []byte
	flags    uint32
	expires  time.Time // zero if the entry never expires
	token    *int
	shared   any
	isShared bool
}

// A backendCall is a call of a method of a backend.
type backendCall struct {
	verb   string
	keys   []string
	ttl    time.Duration
	nilCtx bool
}

func newBackend() *backend { return &backend{entries: map[string]entry{}} }

// enter records a call and returns the error with which the verb must return, if any.
func (b *backend) enter(ctx context.Context, verb string, ttl time.Duration, keys ...string) error {
	b.mu.Lock()
	b.calls = append(b.calls, backendCall{verb, keys, ttl, ctx == nil})
	b.mu.Unlock()
	if b.before != nil {
		if err := b.before(ctx, verb, strings.Join(keys, ",")); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// takeCalls returns the calls since the last takeCalls.
func (b *backend) takeCalls() []backendCall {
	b.mu.Lock()
	defer b.mu.Unlock()
	calls := b.calls
	b.calls = nil
	return calls
}

// keys returns the keys that are present, sorted.
func (b *backend) keys() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Sorted(maps.Keys(b.entries))
}

// closeCount returns how often the backend was closed.
func (b *backend) closeCount() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closes
}

// find returns the entry under key, if it is present. The caller holds the lock.
func (b *backend) find(key string) (entry, bool) {
	e, ok := b.entries[key]
	if ok && !e.expires.IsZero() && !time.Now().Before(e.expires) {
		delete(b.entries, key)
		return entry{}, false
	}
	return e, ok
}

// expiry returns when an item with the time to live ttl expires, or the zero time if it
// never does.
func expiry(ttl time.Duration) time.Time {
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
	return core.Item{
		Key:   key,
		Value: slices.Grow(e.value, 8), // core must remove the spare capacity
		Flags: e.flags,
		TTL:   time.Hour, // core must ignore it
		Token: e.token,
	}, nil
}

func (b *backend) Store(ctx context.Context, mode core.Mode, item core.Item) error {
	if err := b.enter(ctx, mode.String(), item.TTL, item.Key); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.store(mode, item.Key, item.Token, newEntry(item))
}

// newEntry returns an entry with the value, the flags and the time to live of item, and a
// new token.
func newEntry(item core.Item) entry {
	return entry{
		value:   slices.Clone(item.Value),
		flags:   item.Flags,
		expires: expiry(item.TTL),
		token:   new(int),
	}
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

// move replaces the number n under key by change(n).
func (b *backend) move(
	ctx context.Context, verb, key string, change func(n uint64) uint64,
) (uint64, error) {
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
	n = change(n)
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
	e.expires = expiry(ttl)
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
