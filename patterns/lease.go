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

	mu   sync.Mutex // held while the pass is read and changed, lest two conflict
	over bool       // guarded by mu: it is released, or has ended

	released chan struct{}      // closed when over is set
	lost     chan struct{}      // closed when a renewal has found out that the lease has ended
	stop     context.CancelFunc // ends renewing; nil without
	renewing sync.WaitGroup
}

// Release gives the pass back, also when ctx is done, and wakes those in this process
// that wait for it. It waits for the cache no longer than a lease lasts. If the lease has ended before, it is ErrLost, and whoever holds the
// pass now keeps it; so is a second Release. After another error, that of a cache which
// cannot be reached, it may be called again. It takes two calls of the cache.
func (l *Lease) Release(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(orBackground(ctx)), l.pass.opts.LockTTL)
	defer cancel()
	if l.stop != nil {
		l.stop()
		l.renewing.Wait()
	}
	return l.ifHeld(ctx, core.CompareAndDelete)
}

// Renew makes the lease last for the LockTTL of the OnePass from now on, or is ErrLost if
// it has ended. It takes two calls of the cache.
func (l *Lease) Renew(ctx context.Context) error {
	return l.ifHeld(orBackground(ctx), core.CompareAndSwap)
}

// Lost answers a channel that is closed when a renewal in the background finds out that
// the lease has ended, or cannot find out for as long as it lasts.
func (l *Lease) Lost() <-chan struct{} { return l.lost }

// keep renews the lease, which was taken at start, until ctx is done or it is lost.
func (l *Lease) keep(ctx context.Context, start time.Time) {
	ttl := l.pass.opts.LockTTL
	ticker := time.NewTicker(max(ttl/3, 1))
	defer ticker.Stop()
	for until := start.Add(ttl); ; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := time.Now()
		inTime, cancel := context.WithDeadline(ctx, until)
		err := l.Renew(inTime)
		cancel()
		switch {
		case err == nil:
			until = now.Add(ttl)
		case ctx.Err() == nil && (errors.Is(err, ErrLost) || !time.Now().Before(until)):
			close(l.lost)
			return
		}
	}
}

// end is called with mu held.
func (l *Lease) end() {
	l.over = true
	close(l.released)
	l.pass.mu.Lock()
	defer l.pass.mu.Unlock()
	if l.pass.leases[l.key] == l {
		delete(l.pass.leases, l.key)
	}
}

// ifHeld stores or deletes the pass if it is still this lease's.
func (l *Lease) ifHeld(ctx context.Context, mode core.Mode) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return ErrLost
	}
	err := l.change(ctx, mode)
	if mode == core.CompareAndDelete && (err == nil || err == ErrLost) {
		l.end()
	}
	return err
}

// change is called with mu held.
func (l *Lease) change(ctx context.Context, mode core.Mode) error {
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
	return core.Item{Key: l.key, Value: []byte(l.token), Flags: core.FlagText, TTL: l.pass.opts.LockTTL, Token: token}
}
