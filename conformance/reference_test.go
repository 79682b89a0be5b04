package conformance

import (
	"bytes"
	"context"
	"iter"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cachewire/cachewire/core"
)

// A reference is a correct backend that has every ability: a map and a mutex.
// The mutants are made of it.
type reference struct {
	mu    sync.Mutex
	items map[string]*refItem // guarded by mu
	hits  uint64              // guarded by mu
	miss  uint64              // guarded by mu

	// self is the mutant around it, if any, so that the multi verbs have the
	// faults of the single ones.
	self core.Backend
}

// A refItem is never changed once it is in the map, so that it is its own token.
type refItem struct {
	value  []byte
	shared *any
	flags  uint32
	ends   time.Time // zero for never
}

func newReference() *reference {
	r := &reference{items: map[string]*refItem{}}
	r.self = r
	return r
}

func endOf(ttl time.Duration) time.Time {
	if ttl == 0 {
		return time.Time{}
	}
	now := time.Now()
	if end := now.Add(ttl); end.After(now) {
		return end
	}
	return now.Add(math.MaxInt64 / 2)
}

func (r *reference) find(key string) *refItem {
	it := r.items[key]
	if it != nil && !it.ends.IsZero() && !time.Now().Before(it.ends) {
		delete(r.items, key)
		return nil
	}
	return it
}

func (r *reference) GetItem(_ context.Context, key string) (core.Item, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	it := r.find(key)
	if it == nil {
		r.miss++
		return core.Item{}, core.ErrMiss
	}
	r.hits++
	if it.shared != nil {
		return core.Item{}, core.ErrCodec
	}
	return core.Item{Key: key, Value: it.value, Flags: it.flags, Token: it}, nil
}

func (r *reference) Store(_ context.Context, mode core.Mode, item core.Item) error {
	return r.put(mode, item, &refItem{value: bytes.Clone(item.Value), flags: item.Flags, ends: endOf(item.TTL)})
}

func (r *reference) put(mode core.Mode, item core.Item, it *refItem) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.find(item.Key)
	switch {
	case mode == core.Add && old != nil:
		return core.ErrExists
	case mode > core.Add && old == nil:
		return core.ErrMiss
	case mode > core.Replace && any(old) != item.Token:
		return core.ErrConflict
	case mode == core.CompareAndDelete:
		delete(r.items, item.Key)
	default:
		r.items[item.Key] = it
	}
	return nil
}

func (r *reference) Delete(_ context.Context, key string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.find(key) == nil {
		return core.ErrMiss
	}
	delete(r.items, key)
	return nil
}

func (r *reference) Incr(_ context.Context, key string, delta uint64) (uint64, error) {
	return r.move(key, func(n uint64) uint64 { return n + delta })
}

func (r *reference) Decr(_ context.Context, key string, delta uint64) (uint64, error) {
	return r.move(key, func(n uint64) uint64 { return n - min(n, delta) })
}

func (r *reference) move(key string, to func(uint64) uint64) (uint64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	it := r.find(key)
	if it == nil {
		return 0, core.ErrMiss
	}
	n, err := core.ParseCount(it.value)
	if err != nil {
		return 0, err
	}
	n = to(n)
	r.items[key] = &refItem{value: strconv.AppendUint(nil, n, 10), flags: it.flags, ends: it.ends}
	return n, nil
}

func (r *reference) Touch(_ context.Context, key string, ttl time.Duration) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	it := r.find(key)
	if it == nil {
		return core.ErrMiss
	}
	r.items[key] = &refItem{value: it.value, shared: it.shared, flags: it.flags, ends: endOf(ttl)}
	return nil
}

func (r *reference) Flush(context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.items)
	return nil
}

func (r *reference) Close() error { return nil }

func (r *reference) GetItems(ctx context.Context, keys []string) ([]core.Item, error) {
	var items []core.Item
	var failed core.MultiError
	for _, key := range keys {
		switch item, err := r.self.GetItem(ctx, key); err {
		case nil:
			item.Key = key
			items = append(items, item)
		case core.ErrMiss:
		default:
			failed.Add(key, err)
		}
	}
	return items, failed.Err()
}

func (r *reference) StoreMulti(ctx context.Context, mode core.Mode, items []core.Item) error {
	var failed core.MultiError
	for _, item := range items {
		failed.Add(item.Key, r.self.Store(ctx, mode, item))
	}
	return failed.Err()
}

func (r *reference) DeleteMulti(ctx context.Context, keys []string) error {
	var failed core.MultiError
	for _, key := range keys {
		failed.Add(key, r.self.Delete(ctx, key)) // ErrMiss too, which core knows to be none
	}
	return failed.Err()
}

func (r *reference) TTL(_ context.Context, key string) (time.Duration, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	it := r.find(key)
	switch {
	case it == nil:
		return 0, core.ErrMiss
	case it.ends.IsZero():
		return 0, nil
	}
	return max(time.Until(it.ends), 1), nil
}

func (r *reference) Ping(context.Context) error { return nil }

func (r *reference) Stats(context.Context) (core.Stats, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := core.Stats{Items: uint64(len(r.items)), Hits: r.hits, Misses: r.miss}
	for key, it := range r.items {
		s.Bytes += uint64(len(key) + len(it.value))
	}
	return s, nil
}

func (r *reference) Keys(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if err := ctx.Err(); err != nil {
			yield("", err)
			return
		}
		r.mu.Lock()
		var keys []string
		for key := range r.items {
			if strings.HasPrefix(key, prefix) && r.find(key) != nil {
				keys = append(keys, key)
			}
		}
		r.mu.Unlock()
		for _, key := range keys {
			if !yield(key, nil) {
				return
			}
		}
	}
}

func (r *reference) GetShared(_ context.Context, key string) (value, token any, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch it := r.find(key); {
	case it == nil:
		return nil, nil, core.ErrMiss
	case it.shared == nil:
		return nil, nil, core.ErrCodec
	default:
		return *it.shared, it, nil
	}
}

func (r *reference) StoreShared(_ context.Context, mode core.Mode, item core.Item, value any) error {
	return r.put(mode, item, &refItem{shared: &value, ends: endOf(item.TTL)})
}
