package patterns

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/cachewire/cachewire/core"
)

// A Lease is the right of its owner to hold a pass until the lease ends. The owner must
// release it. Many goroutines may use a Lease at once.
type Lease struct {
	pass  *OnePass
	key   string          // of the pass, with its prefix
	token string          // the value of the pass while this lease holds it
	ctx   context.Context // of Try, which may be done; for its values

	mu    sync.Mutex // held while the pass is read and changed, so that two calls do not conflict
	ended bool       // guarded by mu: Release succeeded, or found that the lease had ended
	seen  any        // guarded by mu: the core.Item.Token of the pass, if it is known; else nil

	renewal renewal
}

// A renewal renews a lease in the background, each time by a timer.
type renewal struct {
	mu      sync.Mutex
	until   time.Time          // guarded by mu: the lease lasts until then
	timer   *time.Timer        // guarded by mu: calls renew; nil without OnePassOptions.Renew
	stopped bool               // guarded by mu: there are no more renewals
	cancel  context.CancelFunc // guarded by mu: of the renewal that is running, else nil
	done    chan struct{}      // guarded by mu: closed when that has ended
	lost    chan struct{}      // guarded by mu: see Lost; made when it is needed
	isLost  bool               // guarded by mu: lost is closed, or will be when it is made
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
	l.renewal.stop()
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
func (l *Lease) Lost() <-chan struct{} {
	r := &l.renewal
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lost == nil {
		r.lost = make(chan struct{})
		if r.isLost {
			close(r.lost)
		}
	}
	return r.lost
}

// renewEvery returns the time between renewals.
func (l *Lease) renewEvery() time.Duration { return max(l.pass.opts.LockTTL/3, 1) }

// startRenewing renews the lease, which was taken at start, until it is lost or stopped.
func (l *Lease) startRenewing(start time.Time) {
	r := &l.renewal
	r.mu.Lock()
	defer r.mu.Unlock()
	r.until = start.Add(l.pass.opts.LockTTL)
	r.timer = time.AfterFunc(l.renewEvery(), l.renew)
}

// renew renews the lease once, and sets the timer for the next time.
func (l *Lease) renew() {
	r := &l.renewal
	r.mu.Lock()
	if r.stopped {
		r.mu.Unlock()
		return
	}
	ctx, cancel := context.WithDeadline(context.WithoutCancel(l.ctx), r.until)
	defer cancel()
	r.cancel, r.done = cancel, make(chan struct{})
	defer close(r.done)
	r.mu.Unlock()

	now := time.Now()
	err := l.Renew(ctx)

	r.mu.Lock()
	defer r.mu.Unlock()
	r.cancel = nil
	switch {
	case r.stopped:
		return
	case err == nil:
		r.until = now.Add(l.pass.opts.LockTTL)
	case errors.Is(err, ErrLost) || !time.Now().Before(r.until):
		r.stopped, r.isLost = true, true
		if r.lost != nil {
			close(r.lost)
		}
		return
	}
	r.timer.Reset(min(l.renewEvery(), time.Until(r.until)))
}

// stop ends the renewals, and waits for one that is running.
func (r *renewal) stop() {
	r.mu.Lock()
	r.stopped = true
	if r.timer != nil {
		r.timer.Stop()
	}
	var done chan struct{}
	if r.cancel != nil {
		r.cancel()
		done = r.done
	}
	r.mu.Unlock()
	if done != nil {
		<-done
	}
}

// check returns nil if the lease still holds the pass, and ErrLost if it has ended. It takes
// one call of the cache, which Release then saves.
func (l *Lease) check(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return ErrLost
	}
	return l.readLocked(ctx)
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
		l.ended = true
		l.pass.wake(l.key)
	}
	return err
}

// changeLocked is changeIfHeld with mu held, for a lease that has not ended.
func (l *Lease) changeLocked(ctx context.Context, mode core.Mode) error {
	known := l.seen != nil
	for {
		if l.seen == nil {
			if err := l.readLocked(ctx); err != nil {
				return err
			}
			if l.seen == nil {
				return nil // the cache keeps nothing
			}
		}
		err := l.pass.cache.Store(ctx, mode, l.item(l.seen))
		l.seen = nil
		switch {
		case !errors.Is(err, core.ErrConflict) && !errors.Is(err, core.ErrMiss):
			return err
		case !known:
			return ErrLost
		}
		known = false // the token may have been an old one
	}
}

// readLocked reads the pass, and returns ErrLost if this lease does not hold it. It is called
// with mu held.
func (l *Lease) readLocked(ctx context.Context) error {
	l.seen = nil
	item, err := l.pass.cache.GetItem(ctx, l.key)
	switch {
	case err == core.ErrMiss && l.pass.cache.Traits().KeepsNothing:
		return nil
	case err == core.ErrMiss:
		return ErrLost
	case err != nil:
		return err
	case string(item.Value) != l.token:
		return ErrLost
	}
	l.seen = item.Token
	return nil
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
