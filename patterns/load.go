package patterns

import (
	"context"
	"errors"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
)

// A how is how a value is loaded and stored.
type how uint8

const (
	bySet      how = iota // GetOrSet
	byAdd                 // GetOrAdd
	byPass                // GetOrCreate: one process loads
	byPassOnly            // OnePassCreate: as byPass, whatever there is
)

// A request is what a caller of a pattern asks for.
type request[T any] struct {
	key   string
	how   how
	load  func(ctx context.Context) (T, error)
	names []string
	over  bool // there is an item to be stored over
}

// GetOrSet answers the value under key. If there is none, it loads one, and stores it
// by Set. What is stored depends on what names name; see Options.
//
// Callers in this process share one load of a key, in this as in the other patterns:
// it goes on until the last of them has gone, under a context with the values of the
// first. A loader that panics answers a *PanicError to all. The error is the loader's,
// that of ctx, or that of a wrong key or wrong options. Where the cache fails, the
// loader is asked, nothing is stored, and Options.OnError told.
func (c *Cached[T]) GetOrSet(ctx context.Context, key string, load func(ctx context.Context) (T, error), names ...string) (T, error) {
	return c.getOr(ctx, bySet, key, load, names)
}

// GetOrAdd is GetOrSet by Add: what somebody else stored meanwhile stays, and nothing is
// wired. The answer is what was loaded all the same. Where there was an item already, that
// is stale or due or cannot be read, it is stored over.
func (c *Cached[T]) GetOrAdd(ctx context.Context, key string, load func(ctx context.Context) (T, error), names ...string) (T, error) {
	return c.getOr(ctx, byAdd, key, load, names)
}

// GetOrCreate is GetOrSet in which one process loads and the others wait until it is
// done, by a OnePass. If it dies, another one loads when Options.LockTTL is over. If it
// takes longer than Options.WaitTimeout, those that wait get ErrTimeout or load
// themselves.
//
// A value that is not there costs six calls of the cache: three before it is loaded,
// one to store it; and two after its callers have been answered.
func (c *Cached[T]) GetOrCreate(ctx context.Context, key string, load func(ctx context.Context) (T, error), names ...string) (T, error) {
	return c.getOr(ctx, byPass, key, load, names)
}

// OnePassCreate is GetOrCreate that does not look first: who gets the pass loads and
// stores the value, whatever there is; who does not waits, and answers what is stored
// then. It joins a load of the key that is under way in this process, too. An old value is
// not served in the place of a loader's error. The pass is given back
// before it answers: who calls it again does not wait for its own.
func (c *Cached[T]) OnePassCreate(ctx context.Context, key string, load func(ctx context.Context) (T, error), names ...string) (T, error) {
	if load == nil {
		var none T
		return none, errNilLoader
	}
	return c.create(ctx, request[T]{key, byPassOnly, load, names, true}, entry[T]{}, c.flights.ended.Load(), nil)
}

func (c *Cached[T]) getOr(ctx context.Context, how how, key string, load func(ctx context.Context) (T, error), names []string) (T, error) {
	if load == nil {
		var none T
		return none, errNilLoader
	}
	ctx = orBackground(ctx)
	began := c.flights.ended.Load()
	if c.plain {
		v, err := c.typed.Get(ctx, key)
		if err == nil {
			c.served(Hit, 1)
			return v, nil
		}
		if err == core.ErrMiss {
			err = nil
		}
		return c.create(ctx, request[T]{key, how, load, names, errors.Is(err, core.ErrCodec)}, entry[T]{}, began, err)
	}
	e, err := c.look(ctx, key)
	r := request[T]{key, how, load, names, e.over}
	switch e.state {
	case fresh:
		c.served(e.outcome(), 1)
		return e.value, e.err
	case due:
		c.served(e.outcome(), 1)
		c.flights.refresh(ctx, []string{key}, func(ctx context.Context, mine []*flight[T], _ bool) {
			c.refresh(ctx, r, e, mine[0])
		})
		return e.value, e.err
	}
	return c.create(ctx, r, e, began, err)
}

// create joins the load of r.key, or begins it, after a look into the cache found e, or
// failed with lookErr.
func (c *Cached[T]) create(ctx context.Context, r request[T], e entry[T], began uint64, lookErr error) (T, error) {
	var none T
	ctx = orBackground(ctx)
	down, err := c.pardon(ctx, lookErr)
	if err != nil {
		return none, err
	}
	start := time.Now()
	for {
		joined, err := c.flights.join(ctx, []string{r.key}, began, func(ctx context.Context, mine []*flight[T], ended bool) {
			c.fly(ctx, mine[0], r.how, func(lease **Lease) (T, error) {
				now := entry[T]{down: down}
				var err error
				switch {
				case down:
				case r.how >= byPass:
					now, err = c.enter(ctx, r, lease)
				case ended: // perhaps with a value for this key
					now, err = c.peek(ctx, r.key)
				}
				if err != nil || now.served() {
					return now.value, first(err, now.err)
				}
				return c.make(ctx, r, mine[0], now.down)
			})
		})
		if err != nil {
			return none, err
		}
		if v, err := c.await(ctx, joined[0], e, start); err != errSkipped {
			return v, err
		}
	}
}

var errNilLoader = configErrorf("the loader is nil")

// pardon answers the err that a caller is told of: none that comes from a cache which
// fails, or holds junk. Down tells of the former.
func (c *Cached[T]) pardon(ctx context.Context, err error) (down bool, fatal error) {
	switch {
	case err == nil:
		return false, nil
	case ctx.Err() != nil, isMistake(err):
		return false, err
	}
	c.opts.OnError(ctx, err)
	return !errors.Is(err, core.ErrCodec), nil
}

// first answers the first of errs that is not nil.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// isMistake tells whether err is the caller's doing.
func isMistake(err error) bool {
	for _, target := range []error{core.ErrInvalidKey, core.ErrInvalidTTL, core.ErrConfig, core.ErrClosed, errors.ErrUnsupported} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// fly lets do make the outcome of fl. A lease that do took is released when those who
// wait have got it; by byPassOnly before that, for who has it and calls again is to get a
// pass, and not what this one stored.
func (c *Cached[T]) fly(ctx context.Context, fl *flight[T], how how, do func(lease **Lease) (T, error)) {
	var lease *Lease
	release := func() {
		if lease == nil {
			return
		}
		// One that was lost cost a second load, and is no error of the cache's.
		if err := lease.Release(ctx); err != nil && err != ErrLost {
			c.opts.OnError(context.WithoutCancel(ctx), err)
		}
		lease = nil
	}
	fl.work.after = release
	fl.value, fl.err = do(&lease)
	if how == byPassOnly {
		release()
	}
}

// await waits for the flight of j, and falls back on e if that has expired and is kept. The
// caller has waited since start.
func (c *Cached[T]) await(ctx context.Context, j joined[T], e entry[T], start time.Time) (T, error) {
	fl := j.flight
	var soft <-chan time.Time
	if e.state == expired && c.opts.SoftTimeout != 0 {
		timer := time.NewTimer(c.opts.SoftTimeout - time.Since(start))
		defer timer.Stop()
		soft = timer.C
	}
	var none T
	select {
	case <-soft:
		c.flights.leave(fl, true)
		c.served(e.outcome(), 1)
		return e.value, e.err
	case <-ctx.Done():
		c.flights.leave(fl, false)
		c.served(TimedOut, 1)
		return none, ctx.Err()
	case <-fl.done:
	}
	if fl.err != nil && fl.err != errSkipped && !errors.Is(fl.err, ErrNotFound) && e.state == expired {
		c.opts.OnError(ctx, fl.err)
		c.served(e.outcome(), 1)
		return e.value, e.err
	}
	if fl.err != errSkipped && !isMistake(fl.err) {
		c.served(j.outcome(ctx, fl.err), 1)
	}
	return fl.value, fl.err
}

// enter waits for the pass to load r.key, and puts a lease of it into lease; or it finds
// a value meanwhile. Where the cache fails there is neither.
func (c *Cached[T]) enter(ctx context.Context, r request[T], lease **Lease) (e entry[T], err error) {
	wait, cancel := context.WithTimeoutCause(ctx, c.opts.WaitTimeout, ErrTimeout)
	defer cancel()
	waited := false
	for pause := (pause{}); ; waited = true {
		// A Try that was given up can have taken the pass, and nobody would release it.
		*lease, err = c.try(ctx, r.key)
		switch {
		case ctx.Err() != nil:
			return e, ctx.Err()
		case err == nil && r.how == byPassOnly && !waited:
			return e, nil
		case err == nil: // who had the pass before may have stored a value since we looked
			return c.peek(ctx, r.key)
		case !errors.Is(err, ErrHeld):
			_, err = c.pardon(ctx, err)
			return e, err
		}
		if err := c.pass.sleep(wait, r.key, &pause); err != nil {
			switch {
			case context.Cause(wait) != ErrTimeout:
				return e, err
			case c.opts.LoadOnTimeout:
				return e, nil
			}
			return e, ErrTimeout
		}
		if r.how == byPassOnly {
			continue
		}
		if e, err := c.peek(ctx, r.key); e.down || err != nil || e.served() {
			return e, err
		}
	}
}

// try tries to get the pass, whether ctx is done or not.
func (c *Cached[T]) try(ctx context.Context, key string) (*Lease, error) {
	ctx, cancel := c.detach(ctx)
	defer cancel()
	return c.pass.Try(ctx, key)
}

// detach answers a context with the values of ctx, for what nobody's cancellation may
// leave half done.
func (c *Cached[T]) detach(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), c.opts.LockTTL)
}

// peek is another look, whose error is answered if it is the caller's.
func (c *Cached[T]) peek(ctx context.Context, key string) (e entry[T], err error) {
	e, err = c.look(ctx, key)
	if errors.Is(err, core.ErrCodec) { // as before
		return e, nil
	}
	e.down, err = c.pardon(ctx, err)
	return e, err
}

// make loads a value for fl, and stores it unless the cache is down: that would have
// its callers wait for it once more.
func (c *Cached[T]) make(ctx context.Context, r request[T], fl *flight[T], down bool) (T, error) {
	var none T
	var facts encoding.Facts
	storable := !down
	if storable {
		var beforeErr error
		facts, beforeErr = c.before(ctx, r.names)
		if _, err := c.pardon(ctx, beforeErr); err != nil {
			return none, err
		}
		storable = beforeErr == nil // without its tags it would never be stale
	}
	fl.loaded = true
	start := time.Now()
	v, err := guard(func() (T, error) { return r.load(ctx) })
	took := time.Since(start)
	c.loaded(1, took, err)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return none, err
	}
	if storable && c.flights.mayStore(fl) {
		kept := c.wrap(v, facts, took)
		if err != nil {
			kept = notFound[T](facts)
		}
		ctx, cancel := c.detach(ctx)
		defer cancel()
		keepErr := func() error {
			defer c.flights.stored(r.key) // also if the codec panics; and before OnError, which may write
			return c.keep(ctx, r, kept)
		}()
		if _, err := c.pardon(ctx, keepErr); err != nil {
			return none, err
		}
	}
	if err != nil {
		return none, err
	}
	return v, nil
}

// keep stores v, and wires it.
func (c *Cached[T]) keep(ctx context.Context, r request[T], v value[T]) error {
	mode, ttl := core.Set, c.storeTTL()
	if r.how == byAdd && !r.over {
		mode = core.Add
	}
	if v.Facts.NotFound {
		if ttl = c.opts.NegativeTTL; ttl == 0 {
			return c.unkeep(ctx, r)
		}
	}
	err := c.values.store(ctx, mode, r.key, v, ttl)
	if errors.Is(err, core.ErrExists) {
		return nil
	}
	if err != nil {
		return err
	}
	return c.wire(ctx, []string{r.key}, r.names)
}

// unkeep deletes what there is of before: it would be served again.
func (c *Cached[T]) unkeep(ctx context.Context, r request[T]) error {
	if !r.over {
		return nil
	}
	if err := c.typed.Delete(ctx, r.key); err != core.ErrMiss {
		return err
	}
	return nil
}

// refresh loads r.key anew for fl, in the place of old, unless somebody else does or has.
func (c *Cached[T]) refresh(ctx context.Context, r request[T], old entry[T], fl *flight[T]) {
	c.fly(ctx, fl, r.how, func(lease **Lease) (v T, err error) {
		if r.how == byPass {
			if *lease, err = c.pass.Try(ctx, r.key); errors.Is(err, ErrHeld) {
				return v, errSkipped
			}
			c.pardon(ctx, err)
		}
		if e, err := c.look(ctx, r.key); err == nil && e.served() && e.until.After(old.until) {
			return e.value, e.err
		}
		if v, err = c.make(ctx, r, fl, false); err != nil && !errors.Is(err, ErrNotFound) {
			c.opts.OnError(ctx, err)
		}
		return v, err
	})
}
