package memcachepooled

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	rainycape "github.com/rainycape/memcache"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
)

// A token is the rainycape.Item that a read returned. Each server counts its tokens by
// itself, so that a token is valid only for the server that it is from. Expiration, which
// the library leaves 0, holds the origin of that server.
type token rainycape.Item

// longestValue is the length in bytes of the longest value that memcached can store. Its
// option -I accepts no more. For a value of 4 GiB, the library would send a wrong length,
// and the server would read the rest of the value as commands.
const longestValue = 1 << 30

// lastOrigin is the last origin that was given to a server, of any Backend.
var lastOrigin atomic.Int32

// GetItem returns the item under key.
func (b *Backend) GetItem(ctx context.Context, key string) (core.Item, error) {
	r := &request{verb: verbGet}
	if err := b.doKey(ctx, key, r); err != nil {
		return core.Item{}, err
	}
	r.got.Expiration = b.origins[r.server]
	return core.Item{Value: r.got.Value, Flags: r.got.Flags, Token: (*token)(r.got)}, nil
}

// Store stores item, or deletes it for CompareAndDelete, on the condition of mode.
// memcached has no command for CompareAndDelete, so Store sends a compare-and-swap with an
// expiry in the past.
func (b *Backend) Store(ctx context.Context, mode core.Mode, item core.Item) error {
	if len(item.Value) > longestValue {
		return fmt.Errorf("%w: %d bytes; memcached stores at most %d",
			core.ErrTooLarge, len(item.Value), longestValue)
	}
	r := &request{verb: verbStore, mode: mode}
	if mode == core.CompareAndSwap || mode == core.CompareAndDelete {
		read, ok := item.Token.(*token)
		if !ok || read == nil {
			return core.ErrConflict
		}
		r.stored, r.token = rainycape.Item(*read), read
	}
	if mode == core.CompareAndDelete {
		r.stored.Value, r.stored.Flags, r.stored.Expiration = nil, 0, memcache.Past
	} else {
		r.stored.Value, r.stored.Flags = item.Value, item.Flags
		r.stored.Expiration = memcache.Expiry(item.TTL, time.Now())
		if ctx.Done() != nil { // the verb may continue after Store has returned
			r.stored.Value = bytes.Clone(item.Value)
		}
	}
	return b.doKey(ctx, item.Key, r)
}

// Delete deletes the item under key.
func (b *Backend) Delete(ctx context.Context, key string) error {
	return b.doKey(ctx, key, &request{verb: verbDelete})
}

// Incr adds delta to the counter under key.
func (b *Backend) Incr(ctx context.Context, key string, delta uint64) (uint64, error) {
	return b.count(ctx, verbIncr, key, delta)
}

// Decr subtracts delta from the counter under key.
func (b *Backend) Decr(ctx context.Context, key string, delta uint64) (uint64, error) {
	return b.count(ctx, verbDecr, key, delta)
}

// count carries out v, which is verbIncr or verbDecr.
func (b *Backend) count(ctx context.Context, v verb, key string, delta uint64) (uint64, error) {
	r := &request{verb: v, number: delta}
	if err := b.doKey(ctx, key, r); err != nil {
		return 0, err
	}
	return r.number, nil
}

// Touch gives the item under key a new time to live. The library has no Touch, so the
// driver reads the item and stores it again if it has not changed.
func (b *Backend) Touch(ctx context.Context, key string, ttl time.Duration) error {
	r := &request{verb: verbTouch}
	r.stored.Expiration = memcache.Expiry(ttl, time.Now())
	return b.doKey(ctx, key, r)
}

// Flush deletes all items on every server.
func (b *Backend) Flush(ctx context.Context) error { return b.doAllServers(ctx, verbFlush) }

// Ping returns nil if every server responds.
func (b *Backend) Ping(ctx context.Context) error { return b.doAllServers(ctx, verbPing) }

// doAllServers carries out v on all servers at once, and joins the errors.
func (b *Backend) doAllServers(ctx context.Context, v verb) error {
	errs := make([]error, len(b.addrs))
	var wg sync.WaitGroup
	for server := range b.addrs {
		wg.Go(func() { errs[server] = b.do(ctx, &request{verb: v, server: server}) })
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	return errors.Join(errs...)
}

// doKey carries out r for key, on the server of key.
func (b *Backend) doKey(ctx context.Context, key string, r *request) error {
	var err error
	if r.key, err = b.router.Encode(key); err != nil {
		return err
	}
	r.server, r.trial = b.router.Pick(r.key)
	if t := r.token; t != nil && (t.Expiration != b.origins[r.server] || t.Key != r.key) {
		b.endTrial(r)
		return core.ErrConflict
	}
	r.stored.Key = r.key
	return b.do(ctx, r)
}

// endTrial ends the trial of a server to which r was not sent.
func (b *Backend) endTrial(r *request) {
	if r.trial {
		b.router.Untried(r.server)
	}
}

// do carries out r with a client of the pool. The library does not support contexts. If ctx
// can be done, a goroutine carries out r, and holds the client until it has ended, even if
// do has returned. If do returns the error of ctx, the caller must not use r any more.
func (b *Backend) do(ctx context.Context, r *request) error {
	res, err := b.acquire(ctx)
	if err != nil {
		b.endTrial(r)
		return err
	}
	timeout := b.opts.Timeout
	if ctx.Done() == nil {
		err = res.Value().do(r, timeout)
		b.release(res, err)
		return b.report(r.server, err)
	}
	deadline, limited := ctx.Deadline()
	if limited {
		left := time.Until(deadline)
		if left <= 0 {
			b.endTrial(r)
			b.release(res, nil)
			return context.DeadlineExceeded
		}
		limited = left < timeout
		timeout = min(timeout, left)
	}
	done := make(chan error, 1)
	go func() {
		err := res.Value().do(r, timeout)
		b.release(res, err)
		if limited && !isReply(err) && time.Until(deadline) <= 0 {
			// Not reported, because it says nothing about the server.
			done <- context.DeadlineExceeded
			return
		}
		done <- b.report(r.server, err)
	}()
	select {
	case err = <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
