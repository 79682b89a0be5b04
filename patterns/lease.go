package patterns

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/cachewire/cachewire/core"
)

// A Lease is what the holder of a pass has. Who has one releases it. Many goroutines
// may use it at once.
type Lease struct {
	pass  *OnePass
	key   string // of the pass
	token string // what the pass holds while it is this lease's

	once     sync.Once
	released chan struct{}      // closed by Release
	lost     chan struct{}      // closed when a renewal has found out that the lease has ended
	stop     context.CancelFunc // ends renewing; nil without
	renewing sync.WaitGroup
}

// Release gives the pass back, and wakes those in this process that wait for it. If
// the lease has ended before, it is ErrLost, and whoever holds the pass now keeps it;
// so is a second Release. It takes two calls of the cache.
func (l *Lease) Release(ctx context.Context) error {
	err := ErrLost
	l.once.Do(func() {
		if l.stop != nil {
			l.stop()
			l.renewing.Wait()
		}
		err = l.ifHeld(ctx, core.CompareAndDelete)
		l.pass.mu.Lock()
		defer l.pass.mu.Unlock()
		if l.pass.leases[l.key] == l {
			delete(l.pass.leases, l.key)
		}
		close(l.released)
	})
	return err
}

// Renew makes the lease last for the TTL of the OnePass from now on, or is ErrLost if
// it has ended. It takes two calls of the cache.
func (l *Lease) Renew(ctx context.Context) error { return l.ifHeld(ctx, core.CompareAndSwap) }

// Lost answers a channel that is closed when a renewal in the background finds out that
// the lease has ended, or cannot find out for as long as it lasts.
func (l *Lease) Lost() <-chan struct{} { return l.lost }

// keep renews the lease until ctx is done or it is lost.
func (l *Lease) keep(ctx context.Context) {
	ttl := l.pass.opts.TTL
	ticker := time.NewTicker(max(ttl/3, 1))
	defer ticker.Stop()
	for until := time.Now().Add(ttl); ; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := time.Now()
		switch err := l.Renew(ctx); {
		case err == nil:
			until = now.Add(ttl)
		case errors.Is(err, ErrLost) || ctx.Err() == nil && time.Now().After(until):
			close(l.lost)
			return
		}
	}
}

// ifHeld stores or deletes the pass if it is still this lease's.
func (l *Lease) ifHeld(ctx context.Context, mode core.Mode) error {
	cache := l.pass.cache
	item, err := cache.GetItem(ctx, l.key)
	switch {
	case err == core.ErrMiss && cache.Traits().KeepsNothing:
		return nil
	case err == core.ErrMiss:
		return ErrLost
	case err != nil:
		return err
	case string(item.Value) != l.token:
		return ErrLost
	}
	err = cache.Store(ctx, mode, l.item(item.Token))
	if errors.Is(err, core.ErrConflict) || errors.Is(err, core.ErrMiss) {
		return ErrLost
	}
	return err
}

func (l *Lease) item(token any) core.Item {
	return core.Item{Key: l.key, Value: []byte(l.token), Flags: core.FlagText, TTL: l.pass.opts.TTL, Token: token}
}
