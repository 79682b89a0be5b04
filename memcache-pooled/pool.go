package memcachepooled

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/puddle/v2"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
)

type resource = puddle.Resource[*client]

// acquire returns a client, which belongs to the caller until it calls release or destroy.
func (b *Backend) acquire(ctx context.Context) (*resource, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	// TryAcquire is fast, but starts to make a client if none is idle. Acquire would count
	// the making of a client as part of the wait. So a verb makes a client before it waits.
	// If another verb takes the idle client, or the one that was made, this verb makes
	// another as long as the pool has room.
	for idle := b.idle.Load() > 0; idle || b.create(ctx); idle = false {
		if res, err := b.pool.TryAcquire(ctx); err == nil {
			b.idle.Add(-1)
			return res, nil
		}
	}
	limited, cancel := context.WithTimeout(ctx, b.opts.AcquireTimeout)
	defer cancel()
	defer context.AfterFunc(b.closing, cancel)()
	res, err := b.pool.Acquire(limited)
	switch {
	case err == nil:
		b.idle.Store(int64(b.pool.Stat().IdleResources()))
		return res, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, puddle.ErrClosedPool) || b.closing.Err() != nil:
		return nil, core.ErrClosed
	}
	s := b.pool.Stat()
	return nil, fmt.Errorf("%w: pool exhausted: %d of %d clients (MaxClients) were in use for %v "+
		"(AcquireTimeout); %d verbs have waited %v in all", core.ErrUnavailable,
		s.AcquiredResources(), s.MaxResources(), b.opts.AcquireTimeout,
		s.EmptyAcquireCount(), s.EmptyAcquireWaitTime())
}

// create adds an idle client to the pool. It returns false if the pool has no room for it.
func (b *Backend) create(ctx context.Context) bool {
	if b.pool.CreateResource(ctx) != nil {
		return false
	}
	b.idle.Add(1)
	return true
}

// release gives res back to the pool. Err is the result of its last verb. If err is not the
// result of a reply, or if the client is too old, release destroys the client.
func (b *Backend) release(res *resource, err error) {
	if !isReply(err) || time.Since(res.CreationTime()) > b.opts.MaxLifetime {
		b.destroy(res)
		return
	}
	res.Release()
	b.idle.Add(1)
}

// destroy closes the client of res, in the background.
func (b *Backend) destroy(res *resource) {
	b.live.Add(-1) // at once; the pool counts the client until it is closed
	res.Destroy()
}

// fill makes MinClients clients, unless Lazy is set, and connects them to each server.
func (b *Backend) fill() error {
	if b.opts.Lazy {
		return nil
	}
	clients := make([]*resource, b.opts.MinClients)
	for i := range clients { // acquire all before one is released, so that each is a new one
		var err error
		if clients[i], err = b.acquire(context.Background()); err != nil {
			for _, res := range clients[:i] {
				b.destroy(res)
			}
			return err
		}
	}
	errs := make([]error, len(clients))
	var wg sync.WaitGroup
	for i, res := range clients {
		wg.Go(func() { errs[i] = b.connect(res) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err // not joined with the others, which are much the same
		}
	}
	return nil
}

// connect connects the client of res to each server, and releases it.
func (b *Backend) connect(res *resource) error {
	for server := range b.addrs {
		err := res.Value().do(&request{verb: verbPing, server: server}, b.opts.Timeout)
		if !isReply(err) {
			b.release(res, err)
			return memcache.Unavailable(b.router.Servers()[server], err)
		}
	}
	b.release(res, nil)
	return nil
}

// reap destroys clients that are idle for too long or too old, again and again until Close.
func (b *Backend) reap() {
	ticks := time.NewTicker(max(time.Millisecond, min(b.opts.MaxIdleTime, b.opts.MaxLifetime)/4))
	defer ticks.Stop()
	for {
		select {
		case <-b.closing.Done():
			return
		case <-ticks.C:
		}
		spare := int(b.live.Load()) - b.opts.MinClients
		for _, res := range b.pool.AcquireAllIdle() {
			switch {
			case time.Since(res.CreationTime()) > b.opts.MaxLifetime:
				b.destroy(res)
				spare--
			case spare > 0 && res.IdleDuration() > b.opts.MaxIdleTime:
				b.destroy(res)
				spare--
			default:
				res.ReleaseUnused()
			}
		}
		b.idle.Store(int64(b.pool.Stat().IdleResources()))
	}
}

func (b *Backend) poolStats() core.PoolStats {
	s := b.pool.Stat()
	return core.PoolStats{
		Total:     uint64(s.TotalResources()),
		Idle:      uint64(s.IdleResources()),
		Acquired:  uint64(s.AcquiredResources()),
		Waits:     uint64(s.EmptyAcquireCount() + s.CanceledAcquireCount()),
		WaitTime:  s.EmptyAcquireWaitTime(),
		Destroyed: b.destroyed.Load(),
	}
}
