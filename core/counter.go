package core

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Incr adds delta to the counter under key and answers the sum, which wraps
// around at 2^64. An absent key is ErrMiss, a value that is not a counter
// ErrNotNumber. Time to live and flags stay.
func (c *Cache) Incr(ctx context.Context, key string, delta uint64) (uint64, error) {
	var cl call
	cl.begin(ctx, c, "Incr", key)
	n, err := c.move(cl.ctx, key, delta, false)
	return n, cl.end(key, err)
}

// Decr subtracts delta from the counter under key and answers the difference,
// or 0 where it would be less. In all else it is Incr.
func (c *Cache) Decr(ctx context.Context, key string, delta uint64) (uint64, error) {
	var cl call
	cl.begin(ctx, c, "Decr", key)
	n, err := c.move(cl.ctx, key, delta, true)
	return n, cl.end(key, err)
}

// IncrFrom is Incr for a counter that may be absent: then it is stored as
// initial + delta, which wraps around as well, for ttl. However many begin a
// counter at once, none of their deltas is lost. It takes one round trip where
// the counter is present and two where it is not.
//
// On a backend that keeps nothing it is ErrMiss, like Incr. If others delete the
// counter again and again just between the two round trips, it gives up with
// ErrConflict.
func (c *Cache) IncrFrom(ctx context.Context, key string, delta, initial uint64, ttl time.Duration) (uint64, error) {
	var cl call
	cl.begin(ctx, c, "IncrFrom", key)
	n, err := c.moveFrom(cl.ctx, key, delta, false, initial+delta, ttl)
	return n, cl.end(key, err)
}

// DecrFrom is Decr for a counter that may be absent: then it is stored as
// initial - delta, or 0 where that would be less. In all else it is IncrFrom.
func (c *Cache) DecrFrom(ctx context.Context, key string, delta, initial uint64, ttl time.Duration) (uint64, error) {
	var cl call
	cl.begin(ctx, c, "DecrFrom", key)
	n, err := c.moveFrom(cl.ctx, key, delta, true, initial-min(initial, delta), ttl)
	return n, cl.end(key, err)
}

// Count answers the number that the counter under key stands at. An absent key
// is ErrMiss, a value that is not a counter ErrNotNumber, a shared one ErrCodec.
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

// ParseCount answers the number that value, a counter's, stands for: one or
// more decimal digits, at most 2^64 - 1. Spaces behind them do not count, for
// memcached leaves them where a number gets shorter. Anything else is
// ErrNotNumber.
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

// moveTries is how often a counter may be neither there to be moved nor absent
// to be added before moveFrom gives up. It takes somebody who deletes the key,
// or a time to live that ends, between the two steps each time.
const moveTries = 10

func (c *Cache) moveFrom(ctx context.Context, key string, delta uint64, down bool, first uint64, ttl time.Duration) (uint64, error) {
	if err := c.admitKey(ctx, key); err != nil {
		return 0, err
	}
	// Here and not only in store, so that a bad ttl is an error whether or not
	// the counter is there.
	if _, err := c.resolveTTL(ttl); err != nil {
		return 0, err
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
	return 0, fmt.Errorf("%w: the counter came and went %d times", ErrConflict, moveTries)
}
