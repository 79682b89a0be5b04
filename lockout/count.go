package lockout

import (
	"context"
	"errors"
	"hash/maphash"
	"slices"
	"time"

	"github.com/cachewire/cachewire/core"
)

// A view is what the cache holds for an entry.
type view struct {
	locked bool
	until  time.Time // when the lock ends; zero if that is not known
	item   core.Item // the item of the counter; zero if there is none
}

// read reads the locks of entries, and the counters of those for which wantCounter returns
// true, in one call. An item that could not be read counts as absent.
func (l *Lockout[C]) read(
	ctx context.Context, entries []entry[C], wantCounter func(t *term[C]) bool,
) ([]view, error) {
	var buf [bufLen]string
	keys := buf[:0]
	for _, e := range entries {
		if e.Duration > 0 {
			keys = append(keys, e.lockKey())
		}
		if wantCounter(e.term) {
			keys = append(keys, e.key)
		}
	}
	var items map[string]core.Item
	var one core.Item
	var err error
	switch len(keys) {
	case 0:
	case 1: // GetItem costs less than GetItems
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
	views := make([]view, len(entries))
	for i, e := range entries {
		v := &views[i]
		if e.Duration > 0 {
			var lock core.Item
			if lock, v.locked = find(e.lockKey()); v.locked {
				v.until = lockEnd(lock.Value)
			}
		}
		if wantCounter(e.term) {
			v.item, _ = find(e.key)
		}
	}
	return views, err
}

// used returns how many are counted in item now.
func (e entry[C]) used(item core.Item) uint64 {
	if e.Algorithm == FixedWindow {
		used, _ := core.ParseCount(item.Value)
		return used
	}
	now := time.Now().UnixNano()
	return e.limit.used(e.limit.advance(e.limit.parse(item.Value), now), now)
}

// roomAt returns when there is room for one more in e, which has none now, or zero if that
// is not known.
func (l *Lockout[C]) roomAt(ctx context.Context, e entry[C], item core.Item) time.Time {
	if e.Algorithm == FixedWindow {
		return l.windowEnd(ctx, e)
	}
	now := time.Now().UnixNano()
	s := e.limit.advance(e.limit.parse(item.Value), now)
	return time.Unix(0, e.limit.dropsTo(s, e.Count-1, now))
}

// windowEnd returns when the FixedWindow e ends, or zero if the cache cannot report it.
func (l *Lockout[C]) windowEnd(ctx context.Context, e entry[C]) time.Time {
	if ttl, err := l.locker.cache.TTL(ctx, e.key); err == nil && ttl > 0 {
		return time.Now().Add(ttl)
	}
	return time.Time{}
}

// An addition is an entry to which add has added one, or tried to if it had no room.
type addition[C any] struct {
	entry[C]
	used uint64 // how many there are with the new one; above Count if there was no room

	// roomAt is when there is more room than now; zero if that is not known.
	roomAt time.Time

	since int64 // when the new one began to count for less; see limit.remove
}

// add counts one more. A FixedWindow counts also those that are beyond Count. If known has a
// token, it is the item that was read before.
func (l *Lockout[C]) add(
	ctx context.Context, e entry[C], known core.Item,
) (addition[C], error) {
	a := addition[C]{entry: e}
	var err error
	if e.Algorithm == FixedWindow {
		a.used, err = l.locker.cache.IncrFrom(ctx, e.key, 1, 0, e.Period)
		return a, err
	}
	err = l.update(ctx, e, known, func(s state, now int64) (state, bool) {
		used := e.limit.used(s, now)
		a.used = used + 1
		a.since = s.at
		if used < e.Count {
			s, used = e.limit.add(s), used+1
		}
		a.roomAt = time.Unix(0, e.limit.dropsTo(s, used-1, now))
		return s, a.used <= e.Count
	})
	return a, err
}

// remove removes what add has counted.
func (l *Lockout[C]) remove(ctx context.Context, a addition[C]) error {
	if a.Algorithm == FixedWindow {
		if _, err := l.locker.cache.Decr(ctx, a.key, 1); err != core.ErrMiss {
			return err
		}
		return nil
	}
	if a.used > a.Count {
		return nil
	}
	return l.update(ctx, a.entry, core.Item{}, func(s state, now int64) (state, bool) {
		return a.limit.remove(s, now, a.since), true
	})
}

// update replaces the state of e by the one that change returns, or leaves it if change
// returns false. If another caller was faster, change is called again. If known has a token,
// it is the item that was read before.
func (l *Lockout[C]) update(
	ctx context.Context, e entry[C], known core.Item,
	change func(s state, now int64) (state, bool),
) error {
	done, err := l.tryUpdate(ctx, e, known, change)
	if done {
		return err
	}
	if ctx == nil {
		ctx = context.Background()
	}
	// The goroutines of this process that were too slow retry one at a time, so that there
	// are no more retries at the same time than there are processes.
	slot := l.locker.retries[maphash.String(l.locker.seed, e.key)%uint64(len(l.locker.retries))]
	select {
	case slot <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-slot }()
	for !done {
		done, err = l.tryUpdate(ctx, e, core.Item{}, change)
	}
	return err
}

// tryUpdate tries once what update does. It returns false if another caller was faster.
func (l *Lockout[C]) tryUpdate(
	ctx context.Context, e entry[C], item core.Item,
	change func(s state, now int64) (state, bool),
) (done bool, err error) {
	if item.Token == nil {
		if item, err = l.locker.cache.GetItem(ctx, e.key); err != nil && err != core.ErrMiss {
			return true, err
		}
	}
	now := time.Now().UnixNano()
	s, changed := change(e.limit.advance(e.limit.parse(item.Value), now), now)
	if !changed {
		return true, nil
	}
	item.Key, item.Value, item.TTL = e.key, e.limit.append(nil, s), e.limit.ttl(s, now)
	if item.Token == nil {
		err = l.locker.cache.Store(ctx, core.Add, item)
	} else {
		err = l.locker.cache.CompareAndSwap(ctx, item)
	}
	tooSlow := err == core.ErrMiss || errors.Is(err, core.ErrExists) ||
		errors.Is(err, core.ErrConflict)
	return !tooSlow, err
}
