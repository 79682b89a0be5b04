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
	// ErrHeld: somebody else has the pass.
	ErrHeld = errors.New("patterns: the pass is held by another")

	// ErrLost: the lease has ended, and somebody else may have the pass.
	ErrLost = errors.New("patterns: the lease has ended")
)

const (
	defaultLockTTL    = 10 * time.Second
	defaultPassPrefix = "one_pass:"
)

// OnePassOptions are the settings of a OnePass.
type OnePassOptions struct {
	// LockTTL is how long a lease lasts that is not renewed. If 0, it is 10 seconds. It is
	// also how long Wait waits.
	LockTTL time.Duration

	// Prefix is put before a key to make the key of its pass. If "", it is "one_pass:".
	Prefix string

	// Renew renews leases in the background, each third of LockTTL, until they are
	// released or lost.
	Renew bool
}

// A OnePass lets one of many do what has to be done once, and has the others wait
// until it is done. Those may be in several processes: the pass is an item of the
// cache, put there by Add. Who holds it has a lease, which ends by itself when the
// holder dies.
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
// With Acquire it is a lock, as RedLock on one server is. A lease spares work that
// would be done twice. It does not guard what must not be done twice: the cache can
// lose the pass, and a holder that is stopped for long does not know that its lease
// has ended.
//
// Many goroutines may use a OnePass at once.
type OnePass struct {
	cache *core.Cache
	opts  OnePassOptions

	mu     sync.Mutex
	leases map[string]*Lease // guarded by mu: those of this process that are not released, by key of the pass
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

// Try answers a lease of the pass for key, or ErrHeld. It takes one call of the cache. One
// that fails, as its context is done, may have taken the pass all the same, which then is
// nobody's until its LockTTL is over.
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
		l.renewing.Go(func() { l.keep(ctx, start) })
	}
	return l, nil
}

func orBackground(ctx context.Context) context.Context {
	if ctx == nil {
		return context.Background()
	}
	return ctx
}

// Acquire waits until it has a lease of the pass for key, or ctx is done.
func (o *OnePass) Acquire(ctx context.Context, key string) (*Lease, error) {
	ctx = orBackground(ctx)
	for pause := (pause{}); ; {
		lease, err := o.Try(ctx, key)
		if !errors.Is(err, ErrHeld) {
			return lease, err
		}
		if err := o.sleep(ctx, key, &pause); err != nil {
			return nil, err
		}
	}
}

// Wait waits until nobody holds the pass for key. That is ErrTimeout if it takes longer
// than LockTTL.
func (o *OnePass) Wait(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeoutCause(orBackground(ctx), o.opts.LockTTL, ErrTimeout)
	defer cancel()
	for pause := (pause{}); ; {
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

// A pause is how long to wait before one looks again: 50 ms, and each time longer, up
// to 800 ms.
type pause struct{ length time.Duration }

func (p *pause) next() time.Duration {
	p.length = min(max(50*time.Millisecond, 2*p.length), 800*time.Millisecond)
	// Jittered, lest those who began together go on together.
	return p.length/2 + time.Duration(mathrand.Int64N(int64(p.length/2)+1))
}

// sleep sleeps for the next pause, or until the lease of key is released in this
// process, or ctx is done.
func (o *OnePass) sleep(ctx context.Context, key string, p *pause) error {
	var released chan struct{} // nil, and never ready, if the holder is elsewhere
	o.mu.Lock()
	if l := o.leases[o.opts.Prefix+key]; l != nil {
		released = l.released
	}
	o.mu.Unlock()
	timer := time.NewTimer(p.next())
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-released:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}
