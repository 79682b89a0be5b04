package core_test

import (
	"context"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/cachewire/cachewire/core"
)

// A fullBackend is a backend with every optional interface except CounterStarter.
type fullBackend struct {
	*backend
	traits core.Traits
	inner  *client // given out by As, unless nil
}

// A client stands for the client library of a driver.
type client struct{ name string }

func newFullBackend() *fullBackend { return &fullBackend{backend: newBackend()} }

// These backends have a single optional interface.
type (
	withValueGetter struct {
		core.Backend
		core.ValueGetter
	}
	withMultiGetter struct {
		core.Backend
		core.MultiGetter
	}
	withMultiStorer struct {
		core.Backend
		core.MultiStorer
	}
	withMultiDeleter struct {
		core.Backend
		core.MultiDeleter
	}
	withTTLReader struct {
		core.Backend
		core.TTLReader
	}
	withPinger struct {
		core.Backend
		core.Pinger
	}
	withStatsReader struct {
		core.Backend
		core.StatsReader
	}
	withKeyLister struct {
		core.Backend
		core.KeyLister
	}
	withSharedStorer struct {
		core.Backend
		core.SharedStorer
	}
	withUnwrapper struct {
		core.Backend
		core.Unwrapper
	}
	withTraitsReporter struct {
		core.Backend
		core.TraitsReporter
	}
)

func (f *fullBackend) Get(ctx context.Context, key string) ([]byte, error) {
	if err := f.enter(ctx, "Get", 0, key); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	item, err := f.get(key)
	return item.Value, err
}

func (f *fullBackend) GetItems(ctx context.Context, keys []string) ([]core.Item, error) {
	if err := f.enter(ctx, "GetItems", 0, slices.Clone(keys)...); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var items []core.Item
	failed := map[string]error{}
	for _, key := range keys {
		item, err := f.get(key)
		switch {
		case err == nil:
			items = append(items, item)
		case err != core.ErrMiss:
			failed[key] = err
		}
	}
	return items, multiError(failed)
}

func (f *fullBackend) StoreMulti(ctx context.Context, mode core.Mode, items []core.Item) error {
	var keys []string
	for _, item := range items {
		keys = append(keys, item.Key)
	}
	if err := f.enter(ctx, mode.String()+"Multi", items[0].TTL, keys...); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	failed := map[string]error{}
	for _, item := range items {
		if err := f.store(mode, item.Key, item.Token, newEntry(item)); err != nil {
			failed[item.Key] = err
		}
	}
	return multiError(failed)
}

func (f *fullBackend) DeleteMulti(ctx context.Context, keys []string) error {
	if err := f.enter(ctx, "DeleteMulti", 0, slices.Clone(keys)...); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, key := range keys {
		delete(f.entries, key)
	}
	return nil
}

// multiError returns a *MultiError with failed, or nil if failed is empty.
func multiError(failed map[string]error) error {
	if len(failed) == 0 {
		return nil
	}
	return &core.MultiError{Errors: failed}
}

func (f *fullBackend) TTL(ctx context.Context, key string) (time.Duration, error) {
	if err := f.enter(ctx, "TTL", 0, key); err != nil {
		return 0, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	e, ok := f.find(key)
	switch {
	case !ok:
		return 0, core.ErrMiss
	case e.expires.IsZero():
		return 0, nil
	}
	return time.Until(e.expires), nil
}

func (f *fullBackend) Ping(ctx context.Context) error { return f.enter(ctx, "Ping", 0) }

func (f *fullBackend) Stats(ctx context.Context) (core.Stats, error) {
	if err := f.enter(ctx, "Stats", 0); err != nil {
		return core.Stats{}, err
	}
	return core.Stats{Items: uint64(len(f.keys()))}, nil
}

func (f *fullBackend) Keys(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if err := f.enter(ctx, "Keys", 0, prefix); err != nil {
			yield("", err)
			return
		}
		for _, key := range f.keys() {
			if strings.HasPrefix(key, prefix) && !yield(key, nil) {
				return
			}
		}
	}
}

func (f *fullBackend) GetShared(ctx context.Context, key string) (value, token any, err error) {
	if err := f.enter(ctx, "GetShared", 0, key); err != nil {
		return nil, nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	e, ok := f.find(key)
	switch {
	case !ok:
		return nil, nil, core.ErrMiss
	case !e.isShared:
		return nil, nil, core.ErrCodec
	}
	return e.shared, e.token, nil
}

func (f *fullBackend) StoreShared(
	ctx context.Context, mode core.Mode, item core.Item, value any,
) error {
	if err := f.enter(ctx, "StoreShared", item.TTL, item.Key); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.store(mode, item.Key, item.Token, entry{
		shared: value, isShared: true, expires: expiry(item.TTL), token: new(int),
	})
}

func (f *fullBackend) As(target any) bool {
	p, ok := target.(**client)
	if !ok || f.inner == nil {
		return false
	}
	*p = f.inner
	return true
}

func (f *fullBackend) Traits() core.Traits {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, backendCall{verb: "Traits"})
	return f.traits
}
