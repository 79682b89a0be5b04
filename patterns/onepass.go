package patterns

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"sync"
	"time"

	"github.com/cachewire/cachewire/core"
)

var (
	// ErrHeld means that another lease holds the pass.
	ErrHeld = errors.New("patterns: the pass is held by another")

	// ErrLost means that the lease has ended, and another one may hold the pass.
	ErrLost = errors.New("patterns: the lease has ended")
)

const (
	defaultLockTTL    = 10 * time.Second
	defaultPassPrefix = "one_pass:"
)

// OnePassOptions are the settings of a OnePass.
type OnePassOptions struct {
	// LockTTL is how long a lease lasts unless it is renewed, and how long Wait waits. If 0,
	// it is 10 seconds.
	LockTTL time.Duration

	// Prefix is put before a key to make the key of its pass. If "", it is "one_pass:".
	Prefix string

	// Renew says that leases are renewed in the background, every third of LockTTL, until
	// they are released or lost.
	Renew bool
}

// A OnePass lets one of many callers do work that must be done once, while the others wait
// until it is done. The callers may be in several processes, because a pass is an item of the
// cache, stored by Add. The holder of a pass has a lease, which ends by itself if the holder
// dies.
//
//	lease, err := onePass.Try(ctx, "op:"+key)
//	switch {
//	case err == nil:
//		defer lease.Release(ctx)
//		// update key in the cache
//	case errors.Is(err, patterns.ErrHeld):
//		err = onePass.Wait(ctx, "op:"+key)
//		// obtain key from the cache
//	}
//
// With Acquire, a OnePass is a lock, like RedLock on one server. It avoids work that would
// be done twice. It does not protect work that must not be done twice, because the cache
// can lose the pass, and a holder that is suspended for long does not notice that its lease
// has ended. A cache that compares values (Traits.ByValue) is good enough, because each lease
// stores a random value of its own.
//
// On Redis it excludes the RedLock of aiocache and pycached, and is excluded by it: with the
// Prefix "namespace:", the key "key-lock" is the lock of key. Each removes only its own.
//
// Many goroutines may use a OnePass at once.
type OnePass struct {
	cache *core.Cache
	opts  OnePassOptions

	mu sync.Mutex

	// leases has the leases of this OnePass that are not released, by the key of the pass. It
	// is guarded by mu.
	leases map[string]*Lease
}

// NewOnePass returns a OnePass whose passes are in cache. A nil opts is the zero
// OnePassOptions. The error is core.ErrConfig: cache is nil, or LockTTL is negative.
func NewOnePass(cache *core.Cache, opts *OnePassOptions) (*OnePass, error) {
	if cache == nil {
		return nil, configErrorf("the cache is nil; core.Open returns one")
	}
	o := &OnePass{cache: cache, leases: map[string]*Lease{}}
	if opts != nil {
		o.opts = *opts
	}
	switch {
	case o.opts.LockTTL == 0:
		o.opts.LockTTL = defaultLockTTL
	case o.opts.LockTTL < 0:
		return nil, configErrorf("OnePassOptions.LockTTL is %v, want 0 or more", o.opts.LockTTL)
	}
	if o.opts.Prefix == "" {
		o.opts.Prefix = defaultPassPrefix
	}
	return o, nil
}

// Try returns a lease of the pass for key. It returns ErrHeld if another lease holds the
// pass, and core.ErrInvalidKey if key is "". It takes one call of the cache. If that is
// interrupted because ctx is done, the pass may be taken nevertheless; then no caller gets
// it before LockTTL has passed.
func (o *OnePass) Try(ctx context.Context, key string) (*Lease, error) {
	if key == "" {
		return nil, fmt.Errorf("%w: patterns: the key is empty", core.ErrInvalidKey)
	}
	ctx = orBackground(ctx)
	start := time.Now()
	l := &Lease{pass: o, key: o.opts.Prefix + key, token: rand.Text()}
	err := o.cache.Store(ctx, core.Add, l.item(nil))
	if errors.Is(err, core.ErrExists) {
		return nil, ErrHeld
	}
	if err != nil {
		return nil, err
	}
	l.released, l.lost = make(chan struct{}), make(chan struct{})
	o.mu.Lock()
	o.leases[l.key] = l
	o.mu.Unlock()
	if o.opts.Renew {
		ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		l.stop = cancel
		l.renewing.Go(func() { l.renewUntilDone(ctx, start) })
	}
	return l, nil
}

// orBackground returns ctx, or context.Background() if ctx is nil.
func orBackground(ctx context.Context) context.Context {
	if ctx == nil {
		return context.Background()
	}
	return ctx
}

// Acquire is Try that waits as long as another lease holds the pass, or until ctx is done.
func (o *OnePass) Acquire(ctx context.Context, key string) (*Lease, error) {
	ctx = orBackground(ctx)
	for pause := (backoff{}); ; {
		lease, err := o.Try(ctx, key)
		if !errors.Is(err, ErrHeld) {
			return lease, err
		}
		if err := o.sleep(ctx, key, &pause); err != nil {
			return nil, err
		}
	}
}

// Wait waits until no lease holds the pass for key. It returns ErrTimeout if that takes
// longer than LockTTL.
func (o *OnePass) Wait(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeoutCause(orBackground(ctx), o.opts.LockTTL, ErrTimeout)
	defer cancel()
	for pause := (backoff{}); ; {
		held, err := o.cache.Exists(ctx, o.opts.Prefix+key)
		if err == nil && !held {
			return nil
		}
		if err == nil {
			err = o.sleep(ctx, key, &pause)
		}
		if err != nil {
			if context.Cause(ctx) == ErrTimeout {
				return ErrTimeout
			}
			return err
		}
	}
}

// A backoff has the pauses between looks into the cache: 50 ms at first, then twice as long
// each time, up to 800 ms. The zero value is ready for use.
type backoff struct{ length time.Duration }

// next returns the next pause. It takes off up to a half at random, so that callers who began
// together do not look together.
func (b *backoff) next() time.Duration {
	b.length = min(max(50*time.Millisecond, 2*b.length), 800*time.Millisecond)
	return b.length/2 + time.Duration(mathrand.Int64N(int64(b.length/2)+1))
}

// sleep sleeps for the next pause of b, or until a lease of this OnePass releases the pass
// for key. If ctx is done before that, it returns the error of ctx.
func (o *OnePass) sleep(ctx context.Context, key string, b *backoff) error {
	var released chan struct{} // nil, and so never ready, if the lease is not of this OnePass
	o.mu.Lock()
	if l := o.leases[o.opts.Prefix+key]; l != nil {
		released = l.released
	}
	o.mu.Unlock()
	timer := time.NewTimer(b.next())
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-released:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}
