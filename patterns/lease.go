package patterns

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/cachewire/cachewire/core"
)

// A Lease says that its owner holds a pass until the lease ends. The owner must release it.
// Many goroutines may use a Lease at once.
type Lease struct {
	pass  *OnePass
	key   string // of the pass, with its prefix
	token string // the value of the pass while this lease holds it

	mu    sync.Mutex // held while the pass is read and changed, so that two calls do not conflict
	ended bool       // guarded by mu: Release succeeded, or found that the lease had ended

	released chan struct{}      // closed when ended is set
	lost     chan struct{}      // closed when renewing fails for good; see Lost
	stop     context.CancelFunc // stops renewing in the background; nil if there is none
	renewing sync.WaitGroup
}

// Release gives the pass back, even if ctx is done, and wakes the waiters in this process.
// It waits for the cache at most for the LockTTL of the OnePass, and takes two calls of the
// cache.
//
// Release returns ErrLost if the lease has ended or was released; another holder then keeps
// the pass. After any other error, such as one of a cache that cannot be reached, Release may
// be called again. It stops the renewals in the background in any case.
func (l *Lease) Release(ctx context.Context) error {
	ctx = context.WithoutCancel(orBackground(ctx))
	ctx, cancel := context.WithTimeout(ctx, l.pass.opts.LockTTL)
	defer cancel()
	if l.stop != nil {
		l.stop()
		l.renewing.Wait()
	}
	return l.changeIfHeld(ctx, core.CompareAndDelete)
}

// Renew extends the lease: it now lasts for the LockTTL of the OnePass, which starts now.
// Renew returns ErrLost if the lease has ended. It takes two calls of the cache.
func (l *Lease) Renew(ctx context.Context) error {
	return l.changeIfHeld(orBackground(ctx), core.CompareAndSwap)
}

// Lost returns a channel that is closed when a renewal in the background finds that the lease
// has ended, or when renewals have failed for so long that it may have ended. Without
// OnePassOptions.Renew, the channel is never closed.
func (l *Lease) Lost() <-chan struct{} { return l.lost }

// renewUntilDone renews the lease, which was taken at start, until ctx is done or the lease
// is lost.
func (l *Lease) renewUntilDone(ctx context.Context, start time.Time) {
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
		renewCtx, cancel := context.WithDeadline(ctx, until)
		err := l.Renew(renewCtx)
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

// endLocked marks the lease as ended and wakes its waiters. It is called with mu held.
func (l *Lease) endLocked() {
	l.ended = true
	close(l.released)
	l.pass.mu.Lock()
	defer l.pass.mu.Unlock()
	if l.pass.leases[l.key] == l {
		delete(l.pass.leases, l.key)
	}
}

// changeIfHeld renews the pass for core.CompareAndSwap, or deletes it for
// core.CompareAndDelete, if this lease still holds it.
func (l *Lease) changeIfHeld(ctx context.Context, mode core.Mode) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return ErrLost
	}
	err := l.changeLocked(ctx, mode)
	if mode == core.CompareAndDelete && (err == nil || err == ErrLost) {
		l.endLocked()
	}
	return err
}

// changeLocked is changeIfHeld with mu held, for a lease that has not ended.
func (l *Lease) changeLocked(ctx context.Context, mode core.Mode) error {
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

// item returns the pass as this lease stores it, with a token for the compare verbs.
func (l *Lease) item(token any) core.Item {
	return core.Item{
		Key:   l.key,
		Value: []byte(l.token),
		Flags: core.FlagText,
		TTL:   l.pass.opts.LockTTL,
		Token: token,
	}
}
