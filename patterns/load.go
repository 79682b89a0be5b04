package patterns

import (
	"context"
	"errors"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
)

// A pattern says how a value is loaded and stored.
type pattern uint8

const (
	getOrSet      pattern = iota // one caller in each process loads, and stores by Set
	getOrAdd                     // one caller in each process loads, and stores by Add
	getOrCreate                  // one caller among all processes loads, and stores by Set
	onePassCreate                // as getOrCreate, even if a value is stored
)

// A request has the arguments of a call of a pattern.
type request[T any] struct {
	key     string
	pattern pattern
	load    func(ctx context.Context) (T, error)
	names   []string
	exists  bool // see entry
}

// GetOrSet returns the value under key. If the key is absent, GetOrSet calls load, and stores
// the value by Set, with names as its master keys or tags; see Options.
//
// In this and in the other patterns, the callers of a key in this process share one load. Its
// context has the values of the first caller's context. The load goes on until the context of
// every caller is done.
//
// The error is that of load, that of ctx, or one that the caller can correct:
// core.ErrInvalidKey for an invalid key, core.ErrConfig if load is nil or there are names
// although Options have neither Dependency nor Tags, or core.ErrClosed. If load panics, all
// callers get a *PanicError.
//
// If the cache fails, load is called, nothing is stored, and Options.OnError is called. An
// item that cannot be decoded is replaced, and Options.OnError is called, too.
func (c *Cached[T]) GetOrSet(
	ctx context.Context, key string, load func(ctx context.Context) (T, error), names ...string,
) (T, error) {
	return c.getOrLoad(ctx, getOrSet, key, load, names)
}

// GetOrAdd is GetOrSet by Add: a value that another caller stores during the load stays,
// and nothing is wired. GetOrAdd returns the loaded value even then. An item that is stale,
// due or expired, or cannot be decoded, is replaced.
func (c *Cached[T]) GetOrAdd(
	ctx context.Context, key string, load func(ctx context.Context) (T, error), names ...string,
) (T, error) {
	return c.getOrLoad(ctx, getOrAdd, key, load, names)
}

// GetOrCreate is GetOrSet in which one process loads the value. The other processes wait
// for it, by a OnePass. If the process that loads dies, another one loads after
// Options.LockTTL. If the load takes longer than Options.WaitTimeout, GetOrCreate returns
// ErrTimeout, or loads the value itself if Options.LoadOnTimeout is set.
//
// If the key is absent and there are no names, GetOrCreate takes six calls of the cache:
// three before load, one to store the value, and two after the callers have got it.
func (c *Cached[T]) GetOrCreate(
	ctx context.Context, key string, load func(ctx context.Context) (T, error), names ...string,
) (T, error) {
	return c.getOrLoad(ctx, getOrCreate, key, load, names)
}

// OnePassCreate is GetOrCreate without the first look into the cache. The caller that gets
// the pass loads and stores the value, even if one is stored already. A caller that does
// not get the pass waits, and returns the value that is stored then. OnePassCreate, too,
// joins a running load of the key in this process.
//
// No old value is served if load fails. The pass is released before OnePassCreate returns, so
// that a caller may call it again at once.
func (c *Cached[T]) OnePassCreate(
	ctx context.Context, key string, load func(ctx context.Context) (T, error), names ...string,
) (T, error) {
	if load == nil {
		var zero T
		return zero, errNilLoader
	}
	r := request[T]{key, onePassCreate, load, names, true}
	return c.joinOrLoad(ctx, r, entry[T]{}, c.flights.endCount.Load(), nil)
}

func (c *Cached[T]) getOrLoad(
	ctx context.Context, p pattern, key string,
	load func(ctx context.Context) (T, error), names []string,
) (T, error) {
	if load == nil {
		var zero T
		return zero, errNilLoader
	}
	ctx = orBackground(ctx)
	endCount := c.flights.endCount.Load()
	if c.plain {
		v, err := c.typed.Get(ctx, key)
		if err == nil {
			c.observeServed(Hit, 1)
			return v, nil
		}
		if err == core.ErrMiss {
			err = nil
		}
		r := request[T]{key, p, load, names, errors.Is(err, core.ErrCodec)}
		return c.joinOrLoad(ctx, r, entry[T]{}, endCount, err)
	}
	e, err := c.lookUp(ctx, key)
	r := request[T]{key, p, load, names, e.exists}
	switch e.state {
	case fresh:
		c.observeServed(e.outcome(), 1)
		return e.value, e.err
	case due:
		c.observeServed(e.outcome(), 1)
		run := func(ctx context.Context, group []*flight[T], _ bool) {
			c.refresh(ctx, r, e, group[0])
		}
		c.flights.refresh(ctx, []string{key}, run)
		return e.value, e.err
	}
	return c.joinOrLoad(ctx, r, e, endCount, err)
}

// joinOrLoad joins the running load of r.key, or starts one, after a look into the cache has
// found e or failed with lookUpErr. The caller read endCount before the look.
func (c *Cached[T]) joinOrLoad(
	ctx context.Context, r request[T], e entry[T], endCount uint64, lookUpErr error,
) (T, error) {
	var zero T
	ctx = orBackground(ctx)
	down, err := c.handleCacheError(ctx, lookUpErr)
	if err != nil {
		return zero, err
	}
	start := time.Now()
	run := func(ctx context.Context, group []*flight[T], endedSince bool) {
		fl := group[0]
		c.runFlight(ctx, fl, r.pattern, func(lease **Lease) (T, error) {
			now := entry[T]{down: down}
			var err error
			switch {
			case down:
			case r.pattern >= getOrCreate:
				now, err = c.waitForPass(ctx, r, lease)
			case endedSince: // the flight that ended may have stored a value under this key
				now, err = c.lookAgain(ctx, r.key)
			}
			if err != nil || now.servable() {
				return now.value, firstError(err, now.err)
			}
			return c.loadAndStore(ctx, r, fl, now.down)
		})
	}
	for {
		joined, err := c.flights.join(ctx, []string{r.key}, endCount, run)
		if err != nil {
			return zero, err
		}
		if v, err := c.await(ctx, joined[0], e, start); err != errSkipped {
			return v, err
		}
	}
}

var errNilLoader = configErrorf("the loader is nil")

// handleCacheError returns err as fatal if the caller must get it: because ctx is done, or
// the caller can correct it. Any other error goes to OnError. Down then reports whether the
// cache could not be used; it is false if a value could not be decoded.
func (c *Cached[T]) handleCacheError(ctx context.Context, err error) (down bool, fatal error) {
	switch {
	case err == nil:
		return false, nil
	case ctx.Err() != nil, isCallerError(err):
		return false, err
	}
	c.opts.OnError(ctx, err)
	return !errors.Is(err, core.ErrCodec), nil
}

// firstError returns the first of errs that is not nil.
func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// isCallerError reports whether err is one that the caller can correct.
func isCallerError(err error) bool {
	for _, target := range []error{
		core.ErrInvalidKey,
		core.ErrInvalidTTL,
		core.ErrConfig,
		core.ErrClosed,
		errors.ErrUnsupported,
	} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// runFlight sets the outcome of fl to the results of load. If load sets a lease, runFlight
// releases it once the waiters have got the outcome. For onePassCreate it releases the lease
// before that, so that a waiter that calls again gets the pass, and not the value that this
// flight has stored.
func (c *Cached[T]) runFlight(
	ctx context.Context, fl *flight[T], p pattern, load func(lease **Lease) (T, error),
) {
	var lease *Lease
	release := func() {
		if lease == nil {
			return
		}
		// A lost lease means that another process may have loaded, too. The cache has not
		// failed.
		if err := lease.Release(ctx); err != nil && err != ErrLost {
			c.opts.OnError(context.WithoutCancel(ctx), err)
		}
		lease = nil
	}
	fl.job.after = release
	fl.value, fl.err = load(&lease)
	if p == onePassCreate {
		release()
	}
}

// await waits for the flight of j and returns its outcome. If e is expired, it returns e
// instead if the flight fails or takes longer than SoftTimeout. The caller has waited since
// start.
func (c *Cached[T]) await(
	ctx context.Context, j joinedFlight[T], e entry[T], start time.Time,
) (T, error) {
	fl := j.flight
	var soft <-chan time.Time
	if e.state == expired && c.opts.SoftTimeout != 0 {
		timer := time.NewTimer(c.opts.SoftTimeout - time.Since(start))
		defer timer.Stop()
		soft = timer.C
	}
	var zero T
	select {
	case <-soft:
		c.flights.leave(fl, true)
		c.observeServed(e.outcome(), 1)
		return e.value, e.err
	case <-ctx.Done():
		c.flights.leave(fl, false)
		c.observeServed(TimedOut, 1)
		return zero, ctx.Err()
	case <-fl.done:
	}
	failed := fl.err != nil && fl.err != errSkipped && !errors.Is(fl.err, ErrNotFound)
	if failed && e.state == expired {
		c.opts.OnError(ctx, fl.err)
		c.observeServed(e.outcome(), 1)
		return e.value, e.err
	}
	if fl.err != errSkipped && !isCallerError(fl.err) {
		c.observeServed(j.outcome(ctx, fl.err), 1)
	}
	return fl.value, fl.err
}

// waitForPass waits for the pass to load r.key, and stores its lease in *lease. It returns
// the entry of the key if it finds a value meanwhile. If the cache fails, or the wait times
// out with LoadOnTimeout, it returns neither.
func (c *Cached[T]) waitForPass(
	ctx context.Context, r request[T], lease **Lease,
) (e entry[T], err error) {
	wait, cancel := context.WithTimeoutCause(ctx, c.opts.WaitTimeout, ErrTimeout)
	defer cancel()
	waited := false
	for pause := (backoff{}); ; waited = true {
		*lease, err = c.tryPass(ctx, r.key)
		switch {
		case ctx.Err() != nil:
			return e, ctx.Err()
		case err == nil && r.pattern == onePassCreate && !waited:
			return e, nil
		case err == nil: // the last holder may have stored a value since the last look
			return c.lookAgain(ctx, r.key)
		case !errors.Is(err, ErrHeld):
			_, err = c.handleCacheError(ctx, err)
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
		if r.pattern == onePassCreate {
			continue
		}
		if e, err := c.lookAgain(ctx, r.key); e.down || err != nil || e.servable() {
			return e, err
		}
	}
}

// tryPass tries to get the pass, even if ctx is done. A Try that ctx interrupts may have
// taken the pass, and no caller would release it.
func (c *Cached[T]) tryPass(ctx context.Context, key string) (*Lease, error) {
	ctx, cancel := c.detach(ctx)
	defer cancel()
	return c.pass.Try(ctx, key)
}

// detach returns a context with the values of ctx, for calls of the cache that a cancelled
// caller must not leave half done.
func (c *Cached[T]) detach(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), c.opts.LockTTL)
}

// lookAgain is lookUp after a first look. It returns only errors that the caller must get.
func (c *Cached[T]) lookAgain(ctx context.Context, key string) (e entry[T], err error) {
	e, err = c.lookUp(ctx, key)
	if errors.Is(err, core.ErrCodec) { // the first look has reported it
		return e, nil
	}
	e.down, err = c.handleCacheError(ctx, err)
	return e, err
}

// loadAndStore loads a value for fl. It stores the value unless the cache is down, in which
// case the callers would wait for the cache once more.
func (c *Cached[T]) loadAndStore(
	ctx context.Context, r request[T], fl *flight[T], down bool,
) (T, error) {
	var zero T
	var facts encoding.Facts
	storable := !down
	if storable {
		var factsErr error
		facts, factsErr = c.factsFor(ctx, r.names)
		if _, err := c.handleCacheError(ctx, factsErr); err != nil {
			return zero, err
		}
		storable = factsErr == nil // without its tags the value would never be stale
	}
	fl.loaded = true
	start := time.Now()
	v, err := callLoader(func() (T, error) { return r.load(ctx) })
	took := time.Since(start)
	c.observeLoaded(1, took, err)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return zero, err
	}
	if storable && c.flights.beginStore(fl) {
		wrapped := c.wrap(v, facts, took)
		if err != nil {
			wrapped = notFoundValue[T](facts)
		}
		ctx, cancel := c.detach(ctx)
		defer cancel()
		storeErr := func() error {
			// Deferred, because the codec may panic. Before OnError, because that may write.
			defer c.flights.endStore(r.key)
			return c.storeLoaded(ctx, r, wrapped)
		}()
		if _, err := c.handleCacheError(ctx, storeErr); err != nil {
			return zero, err
		}
	}
	if err != nil {
		return zero, err
	}
	return v, nil
}

// storeLoaded stores and wires v. If v stands for ErrNotFound, and NegativeTTL is 0, it calls
// deleteOld instead.
func (c *Cached[T]) storeLoaded(ctx context.Context, r request[T], v value[T]) error {
	mode, ttl := core.Set, c.storeTTL()
	if r.pattern == getOrAdd && !r.exists {
		mode = core.Add
	}
	if v.Facts.NotFound {
		if ttl = c.opts.NegativeTTL; ttl == 0 {
			return c.deleteOld(ctx, r)
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

// deleteOld deletes the item under r.key if there is one, because it would be served again.
func (c *Cached[T]) deleteOld(ctx context.Context, r request[T]) error {
	if !r.exists {
		return nil
	}
	if err := c.typed.Delete(ctx, r.key); err != core.ErrMiss {
		return err
	}
	return nil
}

// refresh loads r.key again for fl, to replace old, unless another process does so or has
// done so.
func (c *Cached[T]) refresh(ctx context.Context, r request[T], old entry[T], fl *flight[T]) {
	c.runFlight(ctx, fl, r.pattern, func(lease **Lease) (v T, err error) {
		if r.pattern == getOrCreate {
			if *lease, err = c.pass.Try(ctx, r.key); errors.Is(err, ErrHeld) {
				return v, errSkipped
			}
			c.handleCacheError(ctx, err)
		}
		e, err := c.lookUp(ctx, r.key)
		if err == nil && e.servable() && e.freshUntil.After(old.freshUntil) {
			return e.value, e.err
		}
		if v, err = c.loadAndStore(ctx, r, fl, false); err != nil && !errors.Is(err, ErrNotFound) {
			c.opts.OnError(ctx, err)
		}
		return v, err
	})
}
