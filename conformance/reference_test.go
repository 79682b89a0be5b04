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

// A reference is a correct backend with all optional interfaces: a map and a mutex. The
// mutants embed it.
type reference struct {
	mu     sync.Mutex
	items  map[string]*refItem // guarded by mu
	hits   uint64              // guarded by mu
	misses uint64              // guarded by mu

	// self is the mutant that embeds this reference, if any. The multi verbs call it, so
	// that they have the faults of the single verbs.
	self core.Backend
}

// A refItem does not change after it is put into the map, so that its address is its token.
type refItem struct {
	value   []byte
	shared  *any
	flags   uint32
	expires time.Time // zero if never
}

func newReference() *reference {
	r := &reference{items: map[string]*refItem{}}
	r.self = r
	return r
}

func expiryOf(ttl time.Duration) time.Time {
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
	if it != nil && !it.expires.IsZero() && !time.Now().Before(it.expires) {
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
		r.misses++
		return core.Item{}, core.ErrMiss
	}
	r.hits++
	if it.shared != nil {
		return core.Item{}, core.ErrCodec
	}
	return core.Item{Key: key, Value: it.value, Flags: it.flags, Token: it}, nil
}

func (r *reference) Store(_ context.Context, mode core.Mode, item core.Item) error {
	return r.put(mode, item, &refItem{
		value:   bytes.Clone(item.Value),
		flags:   item.Flags,
		expires: expiryOf(item.TTL),
	})
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
	return r.updateCounter(key, func(n uint64) uint64 { return n + delta })
}

func (r *reference) Decr(_ context.Context, key string, delta uint64) (uint64, error) {
	return r.updateCounter(key, func(n uint64) uint64 { return n - min(n, delta) })
}

func (r *reference) IncrFrom(
	_ context.Context, key string, delta, initial uint64, ttl time.Duration,
) (uint64, error) {

	return r.startCounter(key, initial, ttl, func(n uint64) uint64 { return n + delta })
}

func (r *reference) DecrFrom(
	_ context.Context, key string, delta, initial uint64, ttl time.Duration,
) (uint64, error) {

	return r.startCounter(key, initial, ttl, func(n uint64) uint64 { return n - min(n, delta) })
}

func (r *reference) startCounter(
	key string, initial uint64, ttl time.Duration, change func(uint64) uint64,
) (uint64, error) {

	for {
		n, err := r.updateCounter(key, change)
		if err != core.ErrMiss {
			return n, err
		}
		n = change(initial)
		item := core.Item{Key: key, Flags: core.FlagInt, TTL: ttl, Value: digits(n)}
		if err := r.Store(context.Background(), core.Add, item); err != core.ErrExists {
			return n, err
		}
	}
}

func (r *reference) updateCounter(key string, change func(uint64) uint64) (uint64, error) {
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
	n = change(n)
	r.items[key] = &refItem{
		value:   strconv.AppendUint(nil, n, 10),
		flags:   it.flags,
		expires: it.expires,
	}
	return n, nil
}

func (r *reference) Touch(_ context.Context, key string, ttl time.Duration) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	it := r.find(key)
	if it == nil {
		return core.ErrMiss
	}
	r.items[key] = &refItem{
		value:   it.value,
		shared:  it.shared,
		flags:   it.flags,
		expires: expiryOf(ttl),
	}
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
		failed.Add(key, r.self.Delete(ctx, key)) // ErrMiss, too, which core ignores
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
	case it.expires.IsZero():
		return 0, nil
	}
	return max(time.Until(it.expires), 1), nil
}

func (r *reference) Ping(context.Context) error { return nil }

func (r *reference) Stats(context.Context) (core.Stats, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := core.Stats{Items: uint64(len(r.items)), Hits: r.hits, Misses: r.misses}
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

func (r *reference) StoreShared(
	_ context.Context, mode core.Mode, item core.Item, value any,
) error {
	return r.put(mode, item, &refItem{shared: &value, expires: expiryOf(item.TTL)})
}
