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

// A token is the rainycape.Item that a read answered. Each server counts its own
// tokens, so that one is good for the server that it is from, and no other: in
// Expiration, which the library leaves 0, stands which that is.
type token rainycape.Item

// longestValue is the length in bytes of the longest value that memcached can be told
// to take (its option -I). Of one of 4 GiB the library would tell the server another
// length, and send the rest as commands.
const longestValue = 1 << 30

// lastOrigin is the last number that a server of some Backend was given.
var lastOrigin atomic.Int32

// GetItem answers the item under key.
func (b *Backend) GetItem(ctx context.Context, key string) (core.Item, error) {
	r := &request{verb: verbGet}
	if err := b.ask(ctx, key, r); err != nil {
		return core.Item{}, err
	}
	r.got.Expiration = b.origins[r.server]
	return core.Item{Value: r.got.Value, Flags: r.got.Flags, Token: (*token)(r.got)}, nil
}

// Store stores item, or for CompareAndDelete deletes it, on mode's condition.
// memcached has no word for that: it is a compare-and-swap with a date that is past.
func (b *Backend) Store(ctx context.Context, mode core.Mode, item core.Item) error {
	if len(item.Value) > longestValue {
		return fmt.Errorf("%w: %d bytes, and memcached takes %d at most", core.ErrTooLarge, len(item.Value), longestValue)
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
		if ctx.Done() != nil { // the verb may go on when its caller does not wait any more
			r.stored.Value = bytes.Clone(item.Value)
		}
	}
	return b.ask(ctx, item.Key, r)
}

// Delete deletes the item under key.
func (b *Backend) Delete(ctx context.Context, key string) error {
	return b.ask(ctx, key, &request{verb: verbDelete})
}

// Incr adds delta to the counter under key.
func (b *Backend) Incr(ctx context.Context, key string, delta uint64) (uint64, error) {
	return b.move(ctx, verbIncr, key, delta)
}

// Decr subtracts delta from the counter under key.
func (b *Backend) Decr(ctx context.Context, key string, delta uint64) (uint64, error) {
	return b.move(ctx, verbDecr, key, delta)
}

func (b *Backend) move(ctx context.Context, v verb, key string, delta uint64) (uint64, error) {
	r := &request{verb: v, number: delta}
	if err := b.ask(ctx, key, r); err != nil {
		return 0, err
	}
	return r.number, nil
}

// Touch gives the item under key a new time to live. The library has no verb for
// that: it reads the item and stores it again if it is still the same.
func (b *Backend) Touch(ctx context.Context, key string, ttl time.Duration) error {
	return b.ask(ctx, key, &request{verb: verbTouch, stored: rainycape.Item{Expiration: memcache.Expiry(ttl, time.Now())}})
}

// Flush deletes everything on every server.
func (b *Backend) Flush(ctx context.Context) error { return b.all(ctx, verbFlush) }

// Ping answers nil when every server answers.
func (b *Backend) Ping(ctx context.Context) error { return b.all(ctx, verbPing) }

// all does a verb for every server at once, and joins the errors.
func (b *Backend) all(ctx context.Context, v verb) error {
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

// ask does r, about key.
func (b *Backend) ask(ctx context.Context, key string, r *request) error {
	var err error
	if r.key, err = b.router.Encode(key); err != nil {
		return err
	}
	r.server, r.trial = b.router.Pick(r.key)
	if t := r.token; t != nil && (t.Expiration != b.origins[r.server] || t.Key != r.key) {
		b.untried(r)
		return core.ErrConflict
	}
	r.stored.Key = r.key
	return b.do(ctx, r)
}

// untried says that the server of r was not asked.
func (b *Backend) untried(r *request) {
	if r.trial {
		b.router.Untried(r.server)
	}
}

// do does r with a client of the pool. The library knows no contexts: where ctx can
// be done, a goroutine does r, and has the client until it has ended, also if
// nobody waits for it any more. After an error of ctx r is that goroutine's.
func (b *Backend) do(ctx context.Context, r *request) error {
	res, err := b.acquire(ctx)
	if err != nil {
		b.untried(r)
		return err
	}
	timeout := b.opts.Timeout
	if ctx.Done() == nil {
		err = res.Value().do(r, timeout)
		b.release(res, err)
		return b.outcome(r.server, err)
	}
	until, limited := ctx.Deadline()
	if limited {
		left := time.Until(until)
		if left <= 0 {
			b.untried(r)
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
		if limited && !isAnswer(err) && time.Until(until) <= 0 {
			done <- context.DeadlineExceeded // which tells nothing of the server
			return
		}
		done <- b.outcome(r.server, err)
	}()
	select {
	case err = <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
