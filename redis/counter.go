package redis

import (
	"context"
	"encoding/binary"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/cachewire/cachewire/core"
)

// Incr adds delta to the counter under key.
func (b *Backend) Incr(ctx context.Context, key string, delta uint64) (uint64, error) {
	return b.move(ctx, key, true, delta, nil)
}

// Decr subtracts delta from the counter under key.
func (b *Backend) Decr(ctx context.Context, key string, delta uint64) (uint64, error) {
	return b.move(ctx, key, false, delta, nil)
}

// A beginning has the form in which an absent counter is stored.
type beginning struct {
	number uint64
	ttl    time.Duration
}

// IncrFrom adds delta to the counter under key, or stores initial + delta.
func (b *Backend) IncrFrom(ctx context.Context, key string, delta, initial uint64,
	ttl time.Duration) (uint64, error) {
	return b.move(ctx, key, true, delta, &beginning{initial + delta, ttl})
}

// DecrFrom subtracts delta from the counter under key, or stores initial - delta.
func (b *Backend) DecrFrom(ctx context.Context, key string, delta, initial uint64,
	ttl time.Duration) (uint64, error) {
	return b.move(ctx, key, false, delta, &beginning{initial - min(initial, delta), ttl})
}

// bareHead is the part of a header before the stamp, for a counter that another program has
// stored without a header.
var bareHead = string(binary.BigEndian.AppendUint32([]byte(magic), core.FlagBytes))

// move changes the counter under key by delta. If the counter is absent and first is not nil, it
// stores first.
func (b *Backend) move(ctx context.Context, key string, up bool, delta uint64,
	first *beginning) (uint64, error) {
	var args [6]string
	args[0], args[1], args[2] = strconv.FormatUint(delta, 10), "1", newStamp()
	if !up {
		args[1] = "-1"
	}
	if !b.plain {
		args[3] = bareHead
	}
	n := 4
	if first != nil {
		args[4] = b.encode(strconv.AppendUint(nil, first.number, 10), core.FlagInt)
		args[5] = expiry(first.ttl)
		n = 6
	}
	result := b.run(ctx, counterScript, key, args[:n]...)
	if number, err := result.ToInt64(); err == nil && number >= 0 {
		return uint64(number), nil
	}
	reply, err := result.ToString()
	switch {
	case rueidis.IsRedisNil(err):
		return 0, core.ErrMiss
	case isWrongType(err):
		return 0, fmt.Errorf("%w: %w", core.ErrNotNumber, err)
	case err != nil:
		return 0, failure(ctx, err)
	case reply == "-":
		return 0, core.ErrNotNumber
	case reply == "" && first != nil:
		return first.number, nil
	}
	number, err := strconv.ParseUint(reply, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: the server returned %.100q for a counter", core.ErrUnavailable,
			reply)
	}
	return number, nil
}
