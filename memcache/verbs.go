package memcache

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cachewire/cachewire/core"
)

type token = Token[*pool]

// A target is the server and the key of a verb with one key.
type target struct {
	client Client
	node   *node
	key    string // encoded
}

// do carries out a verb with one key. If t is not nil, the item must be the one that t is
// from.
func (b *Backend) do(
	ctx context.Context, key string, t *token, reads bool, f func(at target) error,
) error {
	encoded, err := b.router.Encode(key)
	if err != nil {
		return err
	}
	n, trial := b.router.Pick(encoded)
	if n == nil {
		return ErrNoServers
	}
	s := session{backend: b, ctx: ctx, node: n, trial: trial}
	if !t.Fits(n, encoded) {
		s.notTried()
		return core.ErrConflict
	}
	err = s.do(reads, func(c Client) error { return f(target{c, n, encoded}) })
	s.end()
	return err
}

// doAll calls f with a client of each server, at once, and joins the errors.
func (b *Backend) doAll(ctx context.Context, reads bool, f func(c Client) error) error {
	nodes := b.router.Nodes()
	if len(nodes) == 0 {
		return ErrNoServers
	}
	errs := make([]error, len(nodes))
	var tasks sync.WaitGroup
	for i, n := range nodes {
		tasks.Go(func() {
			s := session{backend: b, ctx: ctx, node: n}
			errs[i] = s.do(reads, f)
			s.end()
		})
	}
	tasks.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	return errors.Join(errs...)
}

// Get returns the value under key.
func (b *Backend) Get(ctx context.Context, key string) ([]byte, error) {
	var item Item
	err := b.do(ctx, key, nil, true, func(at target) (err error) {
		item, err = at.client.Get(at.key)
		return err
	})
	if err != nil {
		return nil, err
	}
	return item.Value, nil
}

// GetItem returns the item under key.
func (b *Backend) GetItem(ctx context.Context, key string) (core.Item, error) {
	var item Item
	var t *token
	err := b.do(ctx, key, nil, true, func(at target) (err error) {
		item, err = at.client.Get(at.key)
		t = &token{at.node, at.key, item.CAS}
		return err
	})
	if err != nil {
		return core.Item{}, err
	}
	return core.Item{Value: item.Value, Flags: item.Flags, Token: t}, nil
}

// Store stores item, or deletes it for CompareAndDelete, on the condition of mode.
func (b *Backend) Store(ctx context.Context, mode core.Mode, item core.Item) error {
	w, err := newWrite(mode, item)
	if err != nil {
		return err
	}
	return b.do(ctx, item.Key, w.token, false, func(at target) error {
		return w.store(at.client, at.key)
	})
}

// A write is a call of Client.Store.
type write struct {
	mode   core.Mode
	item   Item
	expiry int32
	token  *token // of CompareAndSwap
}

// newWrite returns how to store item. memcached has no command for CompareAndDelete, which
// becomes a CompareAndSwap with an expiry in the past.
func newWrite(mode core.Mode, item core.Item) (w write, err error) {
	if len(item.Value) > MaxValue {
		return w, fmt.Errorf("%w: %d bytes; memcached stores at most %d",
			core.ErrTooLarge, len(item.Value), MaxValue)
	}
	w.mode = mode
	if mode == core.CompareAndSwap || mode == core.CompareAndDelete {
		w.mode = core.CompareAndSwap
		if w.token, _ = item.Token.(*token); w.token == nil {
			return w, core.ErrConflict
		}
		w.item.CAS = w.token.CAS
	}
	if mode == core.CompareAndDelete {
		w.expiry = Past
	} else {
		w.item.Value, w.item.Flags = item.Value, item.Flags
		w.expiry = Expiry(item.TTL, time.Now())
	}
	return w, nil
}

func (w *write) store(c Client, key string) error { return c.Store(w.mode, key, w.item, w.expiry) }

// Delete deletes the item under key.
func (b *Backend) Delete(ctx context.Context, key string) error {
	return b.do(ctx, key, nil, false, func(at target) error { return at.client.Delete(at.key) })
}

// Incr adds delta to the counter under key.
func (b *Backend) Incr(ctx context.Context, key string, delta uint64) (uint64, error) {
	return b.count(ctx, key, delta, false)
}

// Decr subtracts delta from the counter under key.
func (b *Backend) Decr(ctx context.Context, key string, delta uint64) (uint64, error) {
	return b.count(ctx, key, delta, true)
}

func (b *Backend) count(
	ctx context.Context, key string, delta uint64, down bool,
) (n uint64, err error) {
	err = b.do(ctx, key, nil, false, func(at target) (err error) {
		if down {
			n, err = at.client.Decr(at.key, delta)
		} else {
			n, err = at.client.Incr(at.key, delta)
		}
		return err
	})
	if errors.Is(err, core.ErrNotNumber) {
		return b.countLarge(ctx, key, delta, down, err)
	}
	return n, err
}

// Touch gives the item under key a new time to live.
func (b *Backend) Touch(ctx context.Context, key string, ttl time.Duration) error {
	expiry := Expiry(ttl, time.Now())
	return b.do(ctx, key, nil, false, func(at target) error {
		return at.client.Touch(at.key, expiry)
	})
}

// Flush deletes all items on every server.
func (b *Backend) Flush(ctx context.Context) error { return b.doAll(ctx, false, Client.Flush) }

// Ping returns nil if every server responds.
func (b *Backend) Ping(ctx context.Context) error { return b.doAll(ctx, true, Client.Ping) }

// Stats returns the sum of the figures of the servers, and those of the connections. It opens
// another connection to each server.
func (b *Backend) Stats(ctx context.Context) (core.Stats, error) { return b.router.Stats(ctx) }
