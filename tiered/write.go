package tiered

import (
	"context"
	"errors"
	"time"

	"github.com/cachewire/cachewire/core"
)

// change drops the copy of the item under key, lets do change it in far, and publishes that.
// While do runs, no copy of it is kept. If quiet, success is not published.
func (b *Backend) change(key string, quiet bool, do func() error) (err error) {
	if b.bypassed(key) {
		return do()
	}
	err = errPanicked
	b.lock(key)
	defer func() {
		b.unlock(key)
		b.publish(key, quiet, err)
	}()
	return do()
}

// lock begins a write of the item under key.
func (b *Backend) lock(key string) {
	s := b.stripeOf(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writers++
	s.epoch++
	_ = b.near.Delete(context.Background(), key)
}

// unlock ends a write of the item under key.
func (b *Backend) unlock(key string) {
	s := b.stripeOf(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writers--
}

// publish publishes that the item under key has changed, unless err, the error of the write, says
// that it has not.
func (b *Backend) publish(key string, quiet bool, err error) {
	if b.bus != nil && mayHaveChanged(err) && !(quiet && err == nil) {
		b.bus.publish(key)
	}
}

// mayHaveChanged reports whether a write with this error may have changed the item.
func mayHaveChanged(err error) bool {
	if err == nil || errors.Is(err, core.ErrUnavailable) {
		return true
	}
	for _, refusal := range []error{
		core.ErrMiss, core.ErrExists, core.ErrConflict, core.ErrNotNumber, core.ErrTooLarge,
		core.ErrInvalidKey, core.ErrInvalidTTL, core.ErrCodec, errors.ErrUnsupported,
	} {
		if errors.Is(err, refusal) {
			return false
		}
	}
	return true
}

// quiet reports whether a store with mode need not be published if it succeeds: no process has a
// copy of an item that was absent, unless misses are remembered.
func (b *Backend) quiet(mode core.Mode) bool {
	return mode == core.Add && b.opts.NegativeTTL == 0
}

// Store stores item in far, and drops the copy.
func (b *Backend) Store(ctx context.Context, mode core.Mode, item core.Item) error {
	return b.change(item.Key, b.quiet(mode), func() error {
		return b.far.Store(ctx, mode, item)
	})
}

// Delete deletes the item under key in far, and drops the copy.
func (b *Backend) Delete(ctx context.Context, key string) error {
	return b.change(key, false, func() error { return b.far.Delete(ctx, key) })
}

// Touch gives the item under key a new time to live in far, and drops the copy.
func (b *Backend) Touch(ctx context.Context, key string, ttl time.Duration) error {
	return b.change(key, false, func() error { return b.far.Touch(ctx, key, ttl) })
}

// Incr adds delta to the counter under key in far, and drops the copy.
func (b *Backend) Incr(ctx context.Context, key string, delta uint64) (n uint64, err error) {
	err = b.change(key, false, func() (err error) {
		n, err = b.far.Incr(ctx, key, delta)
		return err
	})
	return n, err
}

// Decr subtracts delta from the counter under key in far, and drops the copy.
func (b *Backend) Decr(ctx context.Context, key string, delta uint64) (n uint64, err error) {
	err = b.change(key, false, func() (err error) {
		n, err = b.far.Decr(ctx, key, delta)
		return err
	})
	return n, err
}

// IncrFrom is Incr for a counter that may be absent.
func (b *Backend) IncrFrom(ctx context.Context, key string, delta, initial uint64,
	ttl time.Duration) (n uint64, err error) {

	if b.starter == nil {
		return 0, errors.ErrUnsupported
	}
	err = b.change(key, false, func() (err error) {
		n, err = b.starter.IncrFrom(ctx, key, delta, initial, ttl)
		return err
	})
	return n, err
}

// DecrFrom is Decr for a counter that may be absent.
func (b *Backend) DecrFrom(ctx context.Context, key string, delta, initial uint64,
	ttl time.Duration) (n uint64, err error) {

	if b.starter == nil {
		return 0, errors.ErrUnsupported
	}
	err = b.change(key, false, func() (err error) {
		n, err = b.starter.DecrFrom(ctx, key, delta, initial, ttl)
		return err
	})
	return n, err
}

// changeMulti is change for many keys.
func (b *Backend) changeMulti(keys []string, quiet bool, do func() error) (err error) {
	locked := make([]string, 0, len(keys))
	for _, key := range keys {
		if !b.bypassed(key) {
			b.lock(key)
			locked = append(locked, key)
		}
	}
	err = errPanicked
	defer func() {
		for _, key := range locked {
			b.unlock(key)
			b.publish(key, quiet, errorOf(err, key, nil))
		}
	}()
	return do()
}

// StoreMulti stores items in far, and drops the copies.
func (b *Backend) StoreMulti(ctx context.Context, mode core.Mode, items []core.Item) error {
	if b.storer == nil {
		return errors.ErrUnsupported
	}
	keys := make([]string, len(items))
	for i, item := range items {
		keys[i] = item.Key
	}
	return b.changeMulti(keys, b.quiet(mode), func() error {
		return b.storer.StoreMulti(ctx, mode, items)
	})
}

// DeleteMulti deletes keys in far, and drops the copies.
func (b *Backend) DeleteMulti(ctx context.Context, keys []string) error {
	if b.deleter == nil {
		return errors.ErrUnsupported
	}
	return b.changeMulti(keys, false, func() error { return b.deleter.DeleteMulti(ctx, keys) })
}

// Flush deletes all items in far, and drops all copies.
func (b *Backend) Flush(ctx context.Context) error {
	b.eachStripe(func(s *stripe) { s.writers++; s.epoch++ })
	_ = b.near.Flush(context.Background())
	defer func() {
		b.eachStripe(func(s *stripe) { s.writers-- })
		if b.bus != nil {
			b.bus.publishAll()
		}
	}()
	return b.far.Flush(ctx)
}
