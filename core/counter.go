package core

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Incr adds delta to the counter under key and returns the sum, which wraps around at 2^64.
// It returns ErrMiss if the key is absent, and ErrNotNumber if the value is not a counter.
// The time to live and the flags do not change.
func (c *Cache) Incr(ctx context.Context, key string, delta uint64) (uint64, error) {
	var cl call
	cl.begin(ctx, c, "Incr", key)
	n, err := c.move(cl.ctx, key, delta, false)
	return n, cl.end(key, err)
}

// Decr subtracts delta from the counter under key and returns the difference, which is at
// least 0. Otherwise it is like Incr.
func (c *Cache) Decr(ctx context.Context, key string, delta uint64) (uint64, error) {
	var cl call
	cl.begin(ctx, c, "Decr", key)
	n, err := c.move(cl.ctx, key, delta, true)
	return n, cl.end(key, err)
}

// IncrFrom is Incr for a counter that may be absent. If it is absent, IncrFrom stores
// initial + delta with the time to live ttl, and returns the sum, which wraps around at
// 2^64. If many callers start a counter at once, no delta is lost. IncrFrom takes one round
// trip if the counter is present or the backend is a CounterStarter. Otherwise it takes
// two.
//
// IncrFrom returns ErrMiss if the backend keeps nothing. It returns ErrConflict if other
// callers add and delete the counter again and again while it tries.
func (c *Cache) IncrFrom(
	ctx context.Context,
	key string,
	delta, initial uint64,
	ttl time.Duration,
) (uint64, error) {
	var cl call
	cl.begin(ctx, c, "IncrFrom", key)
	n, err := c.moveFrom(cl.ctx, key, delta, initial, false, ttl)
	return n, cl.end(key, err)
}

// DecrFrom is Decr for a counter that may be absent. If it is absent, DecrFrom stores
// initial - delta, or 0 if delta is larger. Otherwise it is like IncrFrom.
func (c *Cache) DecrFrom(
	ctx context.Context,
	key string,
	delta, initial uint64,
	ttl time.Duration,
) (uint64, error) {
	var cl call
	cl.begin(ctx, c, "DecrFrom", key)
	n, err := c.moveFrom(cl.ctx, key, delta, initial, true, ttl)
	return n, cl.end(key, err)
}

// Count returns the number in the counter under key. It returns ErrMiss if the key is
// absent, ErrNotNumber if the value is not a counter, and ErrCodec if it is a shared value.
func (c *Cache) Count(ctx context.Context, key string) (uint64, error) {
	var cl call
	cl.begin(ctx, c, "Count", key)
	var item Item
	err := c.load(cl.ctx, key, &item)
	var n uint64
	if err == nil {
		n, err = ParseCount(item.Value)
	}
	return n, cl.endRead(key, err)
}

// ParseCount returns the number in value, the value of a counter: one or more decimal
// digits, at most 2^64 - 1, which spaces may follow. (memcached leaves spaces when a number
// gets shorter.) It returns ErrNotNumber for anything else.
func ParseCount(value []byte) (uint64, error) {
	digits := bytes.TrimRight(value, " ")
	var n uint64
	for _, d := range digits {
		if d < '0' || d > '9' {
			return 0, ErrNotNumber
		}
		next := n*10 + uint64(d-'0')
		if n > (1<<64-1)/10 || next < n*10 {
			return 0, ErrNotNumber
		}
		n = next
	}
	if len(digits) == 0 {
		return 0, ErrNotNumber
	}
	return n, nil
}

func (c *Cache) move(ctx context.Context, key string, delta uint64, down bool) (uint64, error) {
	if err := c.admitKey(ctx, key); err != nil {
		return 0, err
	}
	var n uint64
	var err error
	if key = c.full(key); down {
		n, err = c.shared.Decr(ctx, key, delta)
	} else {
		n, err = c.shared.Incr(ctx, key, delta)
	}
	if err != nil {
		return 0, err
	}
	return n, nil
}

// moveTries is how often moveFrom tries to change the counter and then to add it. A try
// fails only if another caller adds the counter between the two steps. The next try fails
// only if that counter has been deleted, or has expired, in the meantime.
const moveTries = 10

func (c *Cache) moveFrom(
	ctx context.Context,
	key string,
	delta, initial uint64,
	down bool,
	ttl time.Duration,
) (uint64, error) {
	if err := c.admitKey(ctx, key); err != nil {
		return 0, err
	}
	// The check is here, and not only in store, because a wrong ttl is an error even if the
	// counter is present.
	backendTTL, err := c.resolveTTL(ttl)
	if err != nil {
		return 0, err
	}
	if s := c.shared.starter; s != nil {
		var n uint64
		if down {
			n, err = s.DecrFrom(ctx, c.full(key), delta, initial, backendTTL)
		} else {
			n, err = s.IncrFrom(ctx, c.full(key), delta, initial, backendTTL)
		}
		if err != nil {
			return 0, err
		}
		return n, nil
	}
	first := initial + delta
	if down {
		first = initial - min(initial, delta)
	}
	for range moveTries {
		n, err := c.move(ctx, key, delta, down)
		if !isMiss(err) {
			return n, err
		}
		if c.shared.traits.KeepsNothing {
			return 0, ErrMiss
		}
		var digits [20]byte
		err = c.store(ctx, Add, &Item{
			Key:   key,
			Value: strconv.AppendUint(digits[:0], first, 10),
			Flags: FlagInt,
			TTL:   ttl,
		})
		if err == nil {
			return first, nil
		}
		if !errors.Is(err, ErrExists) {
			return 0, err
		}
	}
	return 0, fmt.Errorf(
		"%w: other callers added and deleted the counter during %d tries",
		ErrConflict,
		moveTries,
	)
}
