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

// acquire answers a client, which is the caller's until release.
func (b *Backend) acquire(ctx context.Context) (*resource, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	// TryAcquire is quick, but begins to make a client if none is idle; and Acquire would
	// make one within the time-out. Another verb may take a client that was idle, or that
	// was made for this one; then this one makes another, as long as there is room.
	for idle := b.idle.Load() > 0; idle || b.create(ctx); idle = false {
		if res, err := b.pool.TryAcquire(ctx); err == nil {
			b.idle.Add(-1)
			return res, nil
		}
	}
	within, cancel := context.WithTimeout(ctx, b.opts.AcquireTimeout)
	defer cancel()
	defer context.AfterFunc(b.closing, cancel)()
	res, err := b.pool.Acquire(within)
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
	return nil, fmt.Errorf("%w: pool exhausted: %d of %d clients (MaxClients) were in use for %v (AcquireTimeout); %d verbs have waited %v in all",
		core.ErrUnavailable, s.AcquiredResources(), s.MaxResources(), b.opts.AcquireTimeout, s.EmptyAcquireCount(), s.EmptyAcquireWaitTime())
}

// create tells whether there was room for a client more, which is idle now.
func (b *Backend) create(ctx context.Context) bool {
	if b.pool.CreateResource(ctx) != nil {
		return false
	}
	b.idle.Add(1)
	return true
}

// release gives res back, whose last verb ended in err. What is not known to be
// sound is destroyed.
func (b *Backend) release(res *resource, err error) {
	if !isAnswer(err) || time.Since(res.CreationTime()) > b.opts.MaxLifetime {
		b.destroy(res)
		return
	}
	res.Release()
	b.idle.Add(1)
}

// destroy closes the client of res, in the background.
func (b *Backend) destroy(res *resource) {
	b.live.Add(-1) // at once, while the pool counts it until it is closed
	res.Destroy()
}

// fill makes MinClients clients, with a connection to each server.
func (b *Backend) fill() error {
	if b.opts.Lazy {
		return nil
	}
	clients := make([]*resource, b.opts.MinClients)
	for i := range clients { // all, before one of them is idle
		var err error
		if clients[i], err = b.acquire(context.Background()); err != nil {
			for _, res := range clients[:i] {
				b.destroy(res)
			}
			return err
		}
	}
	errs := make([]error, len(clients))
	var all sync.WaitGroup
	for i, res := range clients {
		all.Go(func() { errs[i] = b.connect(res) })
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err // one tells enough
		}
	}
	return nil
}

// connect connects the client of res with each server, and releases it.
func (b *Backend) connect(res *resource) error {
	for server := range b.addrs {
		err := res.Value().do(&request{verb: verbPing, server: server}, b.opts.Timeout)
		if !isAnswer(err) {
			b.release(res, err)
			return memcache.Unavailable(b.router.Servers()[server], err)
		}
	}
	b.release(res, nil)
	return nil
}

// reap destroys clients that have been idle for too long, until Close.
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
