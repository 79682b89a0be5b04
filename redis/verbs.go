package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/cachewire/cachewire/core"
)

// load returns the string that Redis stores under key.
func (b *Backend) load(ctx context.Context, key string) ([]byte, error) {
	c, err := b.connect(ctx)
	if err != nil {
		return nil, failure(ctx, err)
	}
	return stored(ctx, b.do(ctx, c, c.B().Get().Key(key).Build(), reading))
}

// stored returns the string of a reply to GET.
func stored(ctx context.Context, result rueidis.RedisResult) ([]byte, error) {
	bytes, err := result.AsBytes()
	if err == nil {
		return bytes, nil
	}
	if rueidis.IsRedisNil(err) {
		return nil, core.ErrMiss
	}
	return nil, failure(ctx, err)
}

// Get returns the value under key.
func (b *Backend) Get(ctx context.Context, key string) ([]byte, error) {
	stored, err := b.load(ctx, key)
	if err != nil {
		return nil, err
	}
	value, _ := decode(stored)
	return value, nil
}

// GetItem returns the item under key.
func (b *Backend) GetItem(ctx context.Context, key string) (core.Item, error) {
	stored, err := b.load(ctx, key)
	if err != nil {
		return core.Item{}, err
	}
	return b.itemOf(key, stored), nil
}

// GetItemTTL returns the item under key, and how long it has left to live. It sends GET and PTTL
// in one pipeline, in this order, as core.ItemTTLReader wants it.
func (b *Backend) GetItemTTL(ctx context.Context, key string) (core.Item, error) {
	c, err := b.connect(ctx)
	if err != nil {
		return core.Item{}, failure(ctx, err)
	}
	results, err := b.doMulti(ctx, c, withTTL(c, nil, key), reading)
	if err != nil {
		return core.Item{}, failure(ctx, err)
	}
	return b.itemWithTTL(ctx, key, results)
}

// withTTL appends the commands for an item and its time to live.
func withTTL(c rueidis.Client, commands []rueidis.Completed, key string) []rueidis.Completed {
	return append(commands, c.B().Get().Key(key).Build(), c.B().Pttl().Key(key).Build())
}

// itemWithTTL returns the item for the replies to the commands of withTTL. If it has gone
// between the two, that is a miss.
func (b *Backend) itemWithTTL(ctx context.Context, key string,
	results []rueidis.RedisResult) (core.Item, error) {
	stored, err := stored(ctx, results[0])
	if err != nil {
		return core.Item{}, err
	}
	item := b.itemOf(key, stored)
	if item.TTL, err = ttlOf(ctx, results[1]); err != nil {
		return core.Item{}, err
	}
	return item, nil
}

func (b *Backend) itemOf(key string, stored []byte) core.Item {
	value, flags := decode(stored)
	return core.Item{Key: key, Value: value, Flags: flags, Token: b.tokenOf(key, stored)}
}

// Store stores item, or deletes it for core.CompareAndDelete, under the condition of mode.
func (b *Backend) Store(ctx context.Context, mode core.Mode, item core.Item) error {
	if mode == core.CompareAndSwap || mode == core.CompareAndDelete {
		args, err := b.compareArgs(mode, item)
		if err != nil {
			return err
		}
		return compared(ctx, b.run(ctx, compareScript, item.Key, args...))
	}
	if err := b.checkSize(item); err != nil {
		return err
	}
	c, err := b.connect(ctx)
	if err != nil {
		return failure(ctx, err)
	}
	set := setCommand(c, mode, &item, b.encode(item.Value, item.Flags))
	return storeResult(ctx, mode, b.do(ctx, c, set, writing))
}

// setCommand returns the command of Set, Add and Replace, which stores the given string.
func setCommand(
	c rueidis.Client, mode core.Mode, item *core.Item, stored string,
) rueidis.Completed {
	set := c.B().Set().Key(item.Key).Value(stored)
	switch ms := milliseconds(item.TTL); {
	case mode == core.Add && ms > 0:
		return set.Nx().PxMilliseconds(ms).Build()
	case mode == core.Add:
		return set.Nx().Build()
	case mode == core.Replace && ms > 0:
		return set.Xx().PxMilliseconds(ms).Build()
	case mode == core.Replace:
		return set.Xx().Build()
	case ms > 0:
		return set.PxMilliseconds(ms).Build()
	}
	return set.Build()
}

// storeResult returns the error of a verb for the reply to setCommand.
func storeResult(ctx context.Context, mode core.Mode, result rueidis.RedisResult) error {
	err := result.Error()
	switch {
	case err == nil:
		return nil
	case !rueidis.IsRedisNil(err):
		return failure(ctx, err)
	case mode == core.Add:
		return core.ErrExists
	}
	return core.ErrMiss
}

var errForeignToken = fmt.Errorf("%w: the token is of another backend or key", core.ErrConflict)

// compareArgs returns the arguments of compareScript.
func (b *Backend) compareArgs(mode core.Mode, item core.Item) ([]string, error) {
	token, ok := b.expected(item.Token, item.Key)
	if !ok {
		return nil, errForeignToken
	}
	if mode == core.CompareAndDelete {
		return []string{token}, nil
	}
	if err := b.checkSize(item); err != nil {
		return nil, err
	}
	return []string{token, b.encode(item.Value, item.Flags), expiry(item.TTL)}, nil
}

// compared returns the error of a verb for the reply to compareScript.
func compared(ctx context.Context, result rueidis.RedisResult) error {
	n, err := result.AsInt64()
	switch {
	case isWrongType(err):
		return fmt.Errorf("%w: %w", core.ErrConflict, err)
	case err != nil:
		return failure(ctx, err)
	case n == compareAbsent:
		return core.ErrMiss
	case n == compareChanged:
		return core.ErrConflict
	}
	return nil
}

func (b *Backend) checkSize(item core.Item) error {
	if len(item.Value) <= b.maxValue {
		return nil
	}
	return fmt.Errorf("%w: %d bytes, want at most %d (Options.MaxValue)", core.ErrTooLarge,
		len(item.Value), b.maxValue)
}

// Delete deletes the item under key.
func (b *Backend) Delete(ctx context.Context, key string) error {
	c, err := b.connect(ctx)
	if err != nil {
		return failure(ctx, err)
	}
	return changed(ctx, b.do(ctx, c, c.B().Unlink().Key(key).Build(), writing))
}

// Touch gives the item under key a new time to live.
func (b *Backend) Touch(ctx context.Context, key string, ttl time.Duration) error {
	ms := milliseconds(ttl)
	if ms == 0 {
		return changed(ctx, b.run(ctx, persistScript, key))
	}
	c, err := b.connect(ctx)
	if err != nil {
		return failure(ctx, err)
	}
	return changed(ctx, b.do(ctx, c, c.B().Pexpire().Key(key).Milliseconds(ms).Build(), writing))
}

// changed returns the error of a verb for a reply that is 0 if the key was absent.
func changed(ctx context.Context, result rueidis.RedisResult) error {
	n, err := result.AsInt64()
	switch {
	case err != nil:
		return failure(ctx, err)
	case n == 0:
		return core.ErrMiss
	}
	return nil
}

// The replies of PTTL that are not times.
const (
	pttlAbsent  = -2
	pttlForever = -1
)

// TTL returns the time that the item has left to live.
func (b *Backend) TTL(ctx context.Context, key string) (time.Duration, error) {
	c, err := b.connect(ctx)
	if err != nil {
		return 0, failure(ctx, err)
	}
	return ttlOf(ctx, b.do(ctx, c, c.B().Pttl().Key(key).Build(), reading))
}

// ttlOf returns the time to live in a reply to PTTL.
func ttlOf(ctx context.Context, result rueidis.RedisResult) (time.Duration, error) {
	ms, err := result.AsInt64()
	switch {
	case err != nil:
		return 0, failure(ctx, err)
	case ms == pttlAbsent:
		return 0, core.ErrMiss
	case ms == pttlForever:
		return 0, nil
	case ms > int64(core.Forever/time.Millisecond):
		return core.Forever - 1, nil
	}
	return time.Duration(max(ms, 1)) * time.Millisecond, nil // 0 is the last millisecond
}

// milliseconds returns the time to live in Redis for ttl. It returns 0 for 0. Otherwise it
// rounds ttl up and adds one millisecond, because Redis counts from the beginning of the current
// millisecond. So no item expires early.
func milliseconds(ttl time.Duration) int64 {
	if ttl == 0 {
		return 0
	}
	return int64((ttl-1)/time.Millisecond) + 2
}

// expiry returns ttl in the form that the scripts need.
func expiry(ttl time.Duration) string {
	if ttl == 0 {
		return ""
	}
	return strconv.FormatInt(milliseconds(ttl), 10)
}

var errNoCluster = errors.New("the server is not one of a cluster: open it with one address and " +
	"without cluster=true")
