package patterns

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cachewire/cachewire/core"
)

var (
	// ErrHeld means that another lease holds the pass.
	ErrHeld = errors.New("patterns: the pass is held by another")

	// ErrLost means that the lease has ended, and another one may hold the pass.
	ErrLost = errors.New("patterns: the lease has ended")

	errEmptyKey = fmt.Errorf("%w: patterns: the key is empty", core.ErrInvalidKey)
)

const defaultLockTTL = 10 * time.Second

// OnePassOptions are the settings of a OnePass.
type OnePassOptions struct {
	// LockTTL is how long a lease lasts unless it is renewed, and how long Wait waits. If 0,
	// it is 10 seconds.
	LockTTL time.Duration

	// Prefix is put before a key to make the key of its pass. If "", it is "~cw:pass:". Keys of
	// items must not begin with it. A key that would become too long is hashed.
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
// On Redis, a OnePass and the RedLock of aiocache and pycached exclude each other: with the
// Prefix "namespace:", the key "key-lock" is the lock of key. Each removes only its own
// locks.
//
// Many goroutines may use a OnePass at once.
type OnePass struct {
	cache *core.Cache
	opts  OnePassOptions

	mu sync.Mutex

	// bells wake the callers that sleep until the pass with a key is released. A bell is
	// removed by the release, or when no caller sleeps any more. The map is guarded by mu.
	bells map[string]*bell
}

// A bell wakes the callers that sleep until a pass is released.
type bell struct {
	rung     chan struct{} // closed by wake
	sleepers int           // guarded by OnePass.mu
}

const (
	hashed = "sha256:" // is put before a hash, which distinguishes it from keys

	// maxPassPrefix leaves room for the hash of a key.
	maxPassPrefix = core.MaxKeyLen - len(hashed) - 2*sha256.Size
)

// NewOnePass returns a OnePass whose passes are in cache. A nil opts is the zero
// OnePassOptions. NewOnePass returns core.ErrConfig if cache is nil, if LockTTL is negative,
// or if Prefix is so long that no pass has a key.
func NewOnePass(cache *core.Cache, opts *OnePassOptions) (*OnePass, error) {
	if cache == nil {
		return nil, configErrorf("the cache is nil; core.Open returns one")
	}
	o := &OnePass{cache: cache, bells: map[string]*bell{}}
	if opts != nil {
		o.opts = *opts
	}
	switch {
	case o.opts.LockTTL == 0:
		o.opts.LockTTL = defaultLockTTL
	case o.opts.LockTTL < 0:
		return nil, configErrorf("OnePassOptions.LockTTL is %v; want 0 or more", o.opts.LockTTL)
	}
	if o.opts.Prefix == "" {
		o.opts.Prefix = reserved + "pass:"
	}
	if n := len(o.opts.Prefix); n > maxPassPrefix {
		return nil, configErrorf("OnePassOptions.Prefix is %d bytes long; want at most %d",
			n, maxPassPrefix)
	}
	return o, nil
}

// passKey returns the key of the pass for key.
func (o *OnePass) passKey(key string) string {
	if len(o.opts.Prefix)+len(key) <= core.MaxKeyLen && !strings.HasPrefix(key, hashed) {
		return o.opts.Prefix + key
	}
	hash := sha256.Sum256([]byte(key))
	return o.opts.Prefix + hashed + hex.EncodeToString(hash[:])
}

// Try returns a lease of the pass for key. It returns ErrHeld if another lease holds the
// pass, and core.ErrInvalidKey if key is "". It takes one call of the cache. If ctx ends this
// call, the pass may be taken nevertheless. Then no caller gets it before LockTTL has passed.
func (o *OnePass) Try(ctx context.Context, key string) (*Lease, error) {
	if key == "" {
		return nil, errEmptyKey
	}
	ctx = orBackground(ctx)
	start := time.Now()
	l := &Lease{pass: o, key: o.passKey(key), token: newToken(), ctx: ctx}
	err := o.cache.Store(ctx, core.Add, l.item(nil))
	if errors.Is(err, core.ErrExists) {
		return nil, ErrHeld
	}
	if err != nil {
		return nil, err
	}
	if o.opts.Renew {
		l.startRenewing(start)
	}
	return l, nil
}

// newToken returns 128 random bits as text. It is not a secret: a program that can read or
// write the pass can do anything with it.
func newToken() string {
	var text [32]byte
	token := strconv.AppendUint(text[:0], rand.Uint64(), 36)
	return string(strconv.AppendUint(token, rand.Uint64(), 36))
}

// orBackground returns ctx, or context.Background() if ctx is nil.
func orBackground(ctx context.Context) context.Context {
	if ctx == nil {
		return context.Background()
	}
	return ctx
}

// Acquire is like Try, but waits while another lease holds the pass, or until ctx is done.
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
// longer than LockTTL, and core.ErrInvalidKey if key is "".
func (o *OnePass) Wait(ctx context.Context, key string) error {
	if key == "" {
		return errEmptyKey
	}
	ctx, cancel := context.WithTimeoutCause(orBackground(ctx), o.opts.LockTTL, ErrTimeout)
	defer cancel()
	for pause := (backoff{}); ; {
		held, err := o.cache.Exists(ctx, o.passKey(key))
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
	return b.length/2 + time.Duration(rand.Int64N(int64(b.length/2)+1))
}

// sleep sleeps for the next pause of b, or until a lease of this OnePass releases the pass
// for key. If ctx is done before that, it returns the error of ctx.
func (o *OnePass) sleep(ctx context.Context, key string, b *backoff) error {
	key = o.passKey(key)
	o.mu.Lock()
	bl := o.bells[key]
	if bl == nil {
		bl = &bell{rung: make(chan struct{})}
		o.bells[key] = bl
	}
	bl.sleepers++
	o.mu.Unlock()
	defer o.awake(key, bl)
	timer := time.NewTimer(b.next())
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-bl.rung:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// awake ends a sleep until bl rings for the pass with key.
func (o *OnePass) awake(key string, bl *bell) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if bl.sleepers--; bl.sleepers == 0 && o.bells[key] == bl {
		delete(o.bells, key)
	}
}

// wake wakes the callers that sleep until the pass with key is released.
func (o *OnePass) wake(key string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if bl := o.bells[key]; bl != nil {
		close(bl.rung)
		delete(o.bells, key)
	}
}
