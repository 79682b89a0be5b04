package lockout

import (
	"context"
	"errors"
	"hash/maphash"
	"slices"
	"time"

	"github.com/cachewire/cachewire/core"
)

// A view is what the cache holds of a count.
type view struct {
	locked bool
	until  time.Time // when the lock ends; zero if that is not known
	item   core.Item // of the counter; zero if there is none
}

// look reads the locks of counts, and the counters of those for which counter is true, in
// one call. What could not be read is as good as absent.
func (l *Lockout[C]) look(ctx context.Context, counts []count[C], counter func(n *named[C]) bool) ([]view, error) {
	var room [few]string
	keys := room[:0]
	for _, n := range counts {
		if n.Duration > 0 {
			keys = append(keys, n.lockKey())
		}
		if counter(n.named) {
			keys = append(keys, n.key)
		}
	}
	var items map[string]core.Item
	var one core.Item
	var err error
	switch len(keys) {
	case 0:
	case 1: // costs less
		if one, err = l.locker.cache.GetItem(ctx, keys[0]); err != nil {
			keys = nil
		}
		if err == core.ErrMiss {
			err = nil
		}
	default:
		items, err = l.locker.cache.GetItems(ctx, slices.Clone(keys))
	}
	find := func(key string) (core.Item, bool) {
		if len(keys) == 1 && key == keys[0] {
			return one, true
		}
		item, ok := items[key]
		return item, ok
	}
	views := make([]view, len(counts))
	for i, n := range counts {
		v := &views[i]
		if n.Duration > 0 {
			var lock core.Item
			if lock, v.locked = find(n.lockKey()); v.locked {
				v.until = until(lock.Value)
			}
		}
		if counter(n.named) {
			v.item, _ = find(n.key)
		}
	}
	return views, err
}

// used answers how many item counts now.
func (n count[C]) used(item core.Item) uint64 {
	if n.Algorithm == FixedWindow {
		used, _ := core.ParseCount(item.Value)
		return used
	}
	now := time.Now().UnixNano()
	return n.limit.used(n.limit.roll(n.limit.parse(item.Value), now), now)
}

// room answers from when on there is room for one more in n, which has none now; zero if
// that is not known.
func (l *Lockout[C]) room(ctx context.Context, n count[C], item core.Item) time.Time {
	if n.Algorithm == FixedWindow {
		return l.end(ctx, n)
	}
	now := time.Now().UnixNano()
	return time.Unix(0, n.limit.when(n.limit.roll(n.limit.parse(item.Value), now), n.Count-1, now))
}

// end answers when the FixedWindow n ends, or zero where the cache cannot tell.
func (l *Lockout[C]) end(ctx context.Context, n count[C]) time.Time {
	if ttl, err := l.locker.cache.TTL(ctx, n.key); err == nil && ttl > 0 {
		return time.Now().Add(ttl)
	}
	return time.Time{}
}

// A taken is a count with one more in it, or with none added where it had no room.
type taken[C any] struct {
	count[C]
	used uint64 // with the one more, so that it is above Count where there was no room

	// next is when there is room for one more than now; zero if that is not known.
	next time.Time

	since int64 // when it began to count for less; see limit.remove
}

// add counts one more. In a FixedWindow it counts also what is beyond Count.
func (l *Lockout[C]) add(ctx context.Context, n count[C], known core.Item) (taken[C], error) {
	t := taken[C]{count: n}
	var err error
	if n.Algorithm == FixedWindow {
		t.used, err = l.locker.cache.IncrFrom(ctx, n.key, 1, 0, n.Period)
		return t, err
	}
	err = l.move(ctx, n, known, func(s state, now int64) (state, bool) {
		used := n.limit.used(s, now)
		t.used = used + 1
		t.since = s.at
		if used < n.Count {
			s, used = n.limit.add(s), used+1
		}
		t.next = time.Unix(0, n.limit.when(s, used-1, now))
		return s, t.used <= n.Count
	})
	return t, err
}

// remove takes back what add has counted.
func (l *Lockout[C]) remove(ctx context.Context, t taken[C]) error {
	if t.Algorithm == FixedWindow {
		if _, err := l.locker.cache.Decr(ctx, t.key, 1); err != core.ErrMiss {
			return err
		}
		return nil
	}
	if t.used > t.Count {
		return nil
	}
	return l.move(ctx, t.count, core.Item{}, func(s state, now int64) (state, bool) {
		return t.limit.remove(s, now, t.since), true
	})
}

// move changes the state of n by f, which tells whether it does, and is called again where
// somebody else was faster. Known, if it has a token, is what was read.
func (l *Lockout[C]) move(ctx context.Context, n count[C], known core.Item, f func(s state, now int64) (state, bool)) error {
	done, err := l.try(ctx, n, known, f)
	if done {
		return err
	}
	if ctx == nil {
		ctx = context.Background()
	}
	// Those of this process that were too slow go one at a time from here on, so that the
	// next try meets no more rivals than there are processes.
	lane := l.locker.lanes[maphash.String(l.locker.seed, n.key)%uint64(len(l.locker.lanes))]
	select {
	case lane <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-lane }()
	for !done {
		done, err = l.try(ctx, n, core.Item{}, f)
	}
	return err
}

// try is one try of move. It is not done if somebody else was faster.
func (l *Lockout[C]) try(ctx context.Context, n count[C], item core.Item, f func(s state, now int64) (state, bool)) (done bool, err error) {
	if item.Token == nil {
		if item, err = l.locker.cache.GetItem(ctx, n.key); err != nil && err != core.ErrMiss {
			return true, err
		}
	}
	now := time.Now().UnixNano()
	s, ok := f(n.limit.roll(n.limit.parse(item.Value), now), now)
	if !ok {
		return true, nil
	}
	item.Key, item.Value, item.TTL = n.key, n.limit.append(nil, s), n.limit.ttl(s, now)
	if item.Token == nil {
		err = l.locker.cache.Store(ctx, core.Add, item)
	} else {
		err = l.locker.cache.CompareAndSwap(ctx, item)
	}
	faster := err == core.ErrMiss || errors.Is(err, core.ErrExists) || errors.Is(err, core.ErrConflict)
	return !faster, err
}
