package patterns

import (
	"context"
	"errors"
	"time"

	"github.com/cachewire/cachewire/core"
)

// A pattern says how a value is loaded.
type pattern uint8

const (
	getOrSet      pattern = iota // one caller in each process loads
	getOrCreate                  // one caller among all processes loads
	onePassCreate                // as getOrCreate, even if a value is stored
)

// A request is a call of a pattern that could not be served at once. It is passed on by
// reference, because the stacks of new goroutines are small.
type request[T any] struct {
	key      string
	pattern  pattern
	load     func(ctx context.Context) (T, error)
	names    []string
	endCount uint64   // of the flights, before the look into the cache
	found    entry[T] // what that look has found
}

// GetOrSet returns the value under key. If the key is absent, GetOrSet calls load, and stores
// the value with names as its master keys or tags; see Options.
//
// In this and in the other patterns, the callers of a key in this process share one load, and
// each gets a value of its own; see "Sharing a load" in the documentation of the package. The
// context of load has the values of the first caller's context. The load goes on until the
// context of every caller is done, or as Options.Linger says.
//
// If the key was written since the load began, GetOrSet returns the loaded value, but does not
// store it. An item that is stale or expired, or cannot be decoded, is replaced.
//
// GetOrSet returns the error of load, the error of ctx, or an error that the caller can
// correct: core.ErrInvalidKey for an invalid key, core.ErrConfig if load is nil or if there
// are names although Options have neither Dependency nor Tags, ErrRecursive if load waits for
// itself, and core.ErrClosed. If load panics, all callers get a *PanicError.
//
// If the cache fails, load is called, nothing is stored, and Options.OnError is called. It is
// also called for an item that cannot be decoded.
func (c *Cached[T]) GetOrSet(
	ctx context.Context, key string, load func(ctx context.Context) (T, error), names ...string,
) (T, error) {
	return c.getOrLoad(ctx, key, getOrSet, load, names)
}

// GetOrCreate is like GetOrSet, but one process loads the value. The other processes wait for
// it, by a OnePass. If the process that loads dies, another one loads after Options.LockTTL.
// If the load takes longer than Options.WaitTimeout, GetOrCreate returns ErrTimeout, or loads
// the value itself if Options.LoadOnTimeout is set. A process that loses the pass, because it
// was suspended for longer than LockTTL, stores nothing.
//
// If the key is absent and there are no names, GetOrCreate takes six calls of the cache:
// three before load, two to store the value, and one after the callers have got it.
func (c *Cached[T]) GetOrCreate(
	ctx context.Context, key string, load func(ctx context.Context) (T, error), names ...string,
) (T, error) {
	return c.getOrLoad(ctx, key, getOrCreate, load, names)
}

// OnePassCreate is GetOrCreate without the first look into the cache. The caller that gets
// the pass loads and stores the value, even if one is stored already. A caller that does
// not get the pass waits, and returns the value that is stored then. OnePassCreate, too,
// shares a load that is running in this process.
func (c *Cached[T]) OnePassCreate(
	ctx context.Context, key string, load func(ctx context.Context) (T, error), names ...string,
) (T, error) {
	return c.getOrLoad(ctx, key, onePassCreate, load, names)
}

// getOrLoad is GetOrSet for a pattern. A hit makes no request of its arguments, because that
// takes some nanoseconds.
func (c *Cached[T]) getOrLoad(
	ctx context.Context, key string, p pattern, load func(ctx context.Context) (T, error),
	names []string,
) (T, error) {
	var zero T
	if load == nil {
		return zero, errNilLoader
	}
	if err := checkKey(key); err != nil {
		return zero, err
	}
	ctx = orBackground(ctx)
	endCount := c.flights.endCount.Load()
	var e entry[T]
	var err error
	switch {
	case c.call.Reload:
		return c.reload(ctx, &request[T]{key: key, load: load, names: names})
	case p == onePassCreate:
	case c.plain:
		var v T
		if v, err = c.typed.Get(ctx, key); err == nil {
			c.observeServed(Hit, 1)
			return v, nil
		}
		if err == core.ErrMiss {
			err = nil
		} else if errors.Is(err, core.ErrCodec) {
			getErr := err
			if e, err = c.lookUp(ctx, key); errors.Is(err, core.ErrCodec) { // for the token
				err = getErr
			}
		}
	default:
		e, err = c.lookUp(ctx, key)
	}
	if e.state == fresh {
		c.observeServed(e.outcome(), 1)
		return e.value, e.err
	}
	return c.joinOrLoad(ctx, &request[T]{key, p, load, names, endCount, e}, err, false)
}

// reload loads r.key even if a value is stored. First it keeps running loads from storing.
func (c *Cached[T]) reload(ctx context.Context, r *request[T]) (T, error) {
	var zero T
	if err := c.dropLoads(ctx, r.key); err != nil {
		return zero, err
	}
	e, err := c.lookUp(ctx, r.key)
	// The stored item is needed only to replace it.
	r.found = entry[T]{exists: e.exists, token: e.token}
	r.endCount = c.flights.endCount.Load()
	return c.joinOrLoad(ctx, r, err, true)
}

// joinOrLoad returns the entry that r has found if it can be served. Otherwise it joins the
// running load of r.key, or starts one. If alone is set, it always starts one. LookUpErr is
// the error of the look into the cache.
func (c *Cached[T]) joinOrLoad(
	ctx context.Context, r *request[T], lookUpErr error, alone bool,
) (T, error) {
	var zero T
	e := &r.found
	if e.servable() {
		c.observeServed(e.outcome(), 1)
		c.refreshDue(ctx, r)
		return e.value, e.err
	}
	down, err := c.handleCacheError(ctx, lookUpErr)
	if err != nil {
		c.observeDone(ctx, 1)
		return zero, err
	}
	e.down = down
	if !alone {
		if paused, err := c.pauses.check(r.key); paused && e.state == expired {
			c.observeServed(e.outcome(), 1)
			return e.value, e.err
		} else if err != nil {
			c.observeServed(LoadError, 1)
			return zero, err
		}
	}
	start := time.Now()
	o := joinOptions[T]{
		endCount: r.endCount,
		alone:    alone,
		ctx:      ctx,
		// A caller whose context is never done cannot leave, and needs no other goroutine.
		inline: ctx.Done() == nil && c.opts.SoftTimeout == 0,
		load: func(ctx context.Context, group []*flight[T], endedSince bool) {
			fl := group[0]
			fl.value, fl.err = c.fly(ctx, r, fl, endedSince)
		},
	}
	for {
		if !alone {
			o.outdated = c.outdated(ctx, r.key)
		}
		joined, job, err := c.flights.join(r.key, &o)
		if err != nil {
			return zero, err
		}
		if v, err := c.await(ctx, &joined, job, e, start); err != errSkipped {
			return v, err
		}
	}
}

// fly returns the outcome of fl, which the caller of r has started.
func (c *Cached[T]) fly(
	ctx context.Context, r *request[T], fl *flight[T], endedSince bool,
) (T, error) {
	now := r.found
	var err error
	switch {
	case now.down:
	case r.pattern >= getOrCreate:
		now, err = c.waitForPass(ctx, r, fl)
	case endedSince: // the flight that ended may have stored a value under this key
		now, err = c.lookAgain(ctx, r.key, fl)
	}
	if err != nil || now.servable() && !c.call.Reload {
		return now.value, firstError(err, now.err)
	}
	v, err := c.loadAndStore(ctx, r, fl, now)
	if r.pattern == onePassCreate {
		// The pass is released before the waiters wake. So a waiter that calls again gets the
		// pass, and not the value that this flight has stored.
		if lease := c.flights.leaseOf(fl); lease != nil {
			c.flights.setLease(fl, nil)
			c.release(lease)
		}
	}
	return v, err
}

var errNilLoader = configErrorf("the loader is nil")

// release releases the lease of a load.
func (c *Cached[T]) release(lease *Lease) {
	// A lost lease means that another process may have loaded, too. The cache has not failed.
	if err := lease.Release(lease.ctx); err != nil && err != ErrLost {
		c.opts.OnError(lease.ctx, err)
	}
}

// await runs job, if the caller has started one, waits for the flight of j and returns its
// outcome. If e is expired, it returns e instead if the flight fails or takes longer than
// SoftTimeout. The caller has waited since start.
func (c *Cached[T]) await(
	ctx context.Context, j *joinedFlight[T], job *job[T], e *entry[T], start time.Time,
) (T, error) {
	fl := j.flight
	self, other := nodeOf(ctx), &fl.job.node
	if err := self.waitFor(other); err != nil {
		// Only a flight that is running can wait for this caller.
		c.flights.leave(fl, false)
		var zero T
		return zero, err
	}
	defer self.stopWaiting(other)
	if job != nil {
		c.start(job)
	}
	if j.done != nil {
		if served, err := c.wait(ctx, j, e, start); served || err != nil {
			return e.value, firstError(err, e.err)
		}
	}
	if fl.err == errSkipped {
		return fl.value, errSkipped
	}
	failed := fl.err != nil && !errors.Is(fl.err, ErrNotFound)
	if !failed && j.late() {
		return c.lookForLate(ctx, fl.key)
	}
	if failed && e.state == expired {
		c.opts.OnError(ctx, fl.err)
		c.observeServed(e.outcome(), 1)
		return e.value, e.err
	}
	if !isCallerError(fl.err) {
		c.observeServed(j.outcome(ctx, fl.err), 1)
	}
	return c.valueFor(j), fl.err
}

// lookForLate returns the value in the cache under key. If it cannot be served, it returns
// errSkipped.
func (c *Cached[T]) lookForLate(ctx context.Context, key string) (T, error) {
	now, err := c.lookAgain(ctx, key, nil)
	if err != nil || !now.servable() {
		return now.value, firstError(err, errSkipped)
	}
	c.observeServed(now.outcome(), 1)
	return now.value, now.err
}

// start runs job.
func (c *Cached[T]) start(job *job[T]) {
	if job.inline {
		c.flights.run(job)
	} else {
		go c.flights.run(job)
	}
}

// wait waits until the flight of j has ended. It reports whether the caller must serve e
// instead, because SoftTimeout has passed since start. If ctx is done, it returns the error of
// ctx, and e has no value.
func (c *Cached[T]) wait(
	ctx context.Context, j *joinedFlight[T], e *entry[T], start time.Time,
) (served bool, err error) {
	var soft <-chan time.Time
	if e.state == expired && c.opts.SoftTimeout != 0 {
		timer := time.NewTimer(c.opts.SoftTimeout - time.Since(start))
		defer timer.Stop()
		soft = timer.C
	}
	select {
	case <-soft:
		c.flights.leave(j.flight, true)
		c.observeServed(e.outcome(), 1)
		return true, nil
	case <-ctx.Done():
		c.flights.leave(j.flight, false)
		c.observeServed(TimedOut, 1)
		return false, ctx.Err()
	case <-j.done:
		return false, nil
	}
}

// valueFor returns the value of the flight of j for one of its callers.
func (c *Cached[T]) valueFor(j *joinedFlight[T]) T {
	fl := j.flight
	if j.started || fl.encoded == nil {
		return fl.value
	}
	v, err := c.typed.Decode(*fl.encoded)
	if err != nil {
		return fl.value
	}
	return v
}

// waitForPass waits for the pass to load r.key, and gives its lease to fl. It returns the
// entry of the key at that time. If it finds a value before it gets the pass, it returns the
// entry of that value. If the cache fails, or the wait times out with LoadOnTimeout, fl has no
// lease. If fl is dropped meanwhile, the error is errSkipped.
func (c *Cached[T]) waitForPass(
	ctx context.Context, r *request[T], fl *flight[T],
) (e entry[T], err error) {
	var wait context.Context // with WaitTimeout, once there is something to wait for
	for pause := (backoff{}); ; {
		waited := wait != nil
		got := c.flights.takeLease(fl)
		if !got {
			got, err = c.tryPass(ctx, r.key, fl)
		}
		switch {
		case ctx.Err() != nil:
			return e, ctx.Err()
		case got && r.pattern == onePassCreate && !waited:
			e, err := c.lookAgain(ctx, r.key, fl)
			return entry[T]{exists: e.exists, token: e.token, down: e.down}, err
		case got: // the last holder may have stored a value since the last look
			return c.lookAgain(ctx, r.key, fl)
		case c.flights.isDropped(fl):
			return e, errSkipped
		case !errors.Is(err, ErrHeld):
			e.down, err = c.handleCacheError(ctx, err)
			return e, err
		}
		if !waited {
			var cancel context.CancelFunc
			wait, cancel = context.WithTimeoutCause(ctx, c.opts.WaitTimeout, ErrTimeout)
			defer cancel()
		}
		if err := c.pass.sleep(wait, r.key, &pause); err != nil {
			switch {
			case context.Cause(wait) != ErrTimeout:
				return e, err
			case c.opts.LoadOnTimeout:
				return c.lookAgain(ctx, r.key, fl)
			}
			return e, ErrTimeout
		}
		if r.pattern == onePassCreate {
			continue
		}
		if e, err := c.lookAgain(ctx, r.key, fl); e.down || err != nil || e.servable() {
			return e, err
		}
	}
}

// tryPass tries to get the pass for fl, even if ctx is done: a Try that ctx interrupts may have
// taken the pass, and no caller would release it. Got is false if fl does not need it any more.
func (c *Cached[T]) tryPass(
	ctx context.Context, key string, fl *flight[T],
) (got bool, err error) {
	ctx, cancel := c.detach(ctx)
	defer cancel()
	lease, err := c.pass.Try(ctx, key)
	if err != nil {
		return false, err
	}
	return c.flights.setLease(fl, lease), nil
}

// detach returns a context with the values of ctx, for calls of the cache that a cancelled
// caller must not leave half done.
func (c *Cached[T]) detach(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), c.opts.LockTTL)
}

// lookAgain is lookUp after a first look. It looks for fl, or for a caller if fl is nil. It
// returns only errors that the caller must get.
func (c *Cached[T]) lookAgain(
	ctx context.Context, key string, fl *flight[T],
) (e entry[T], err error) {
	if fl != nil {
		c.flights.beginLook(fl)
	}
	e, err = c.lookUp(ctx, key)
	if errors.Is(err, core.ErrCodec) { // the first look has reported it
		return e, nil
	}
	e.down, err = c.handleCacheError(ctx, err)
	return e, err
}

// refreshDue loads r.key again in the background, to replace what r has found, unless the key
// pauses.
func (c *Cached[T]) refreshDue(ctx context.Context, r *request[T]) {
	if paused, _ := c.pauses.check(r.key); paused {
		return
	}
	c.flights.refresh([]string{r.key}, &joinOptions[T]{
		ctx: ctx,
		load: func(ctx context.Context, group []*flight[T], _ bool) {
			fl := group[0]
			fl.value, fl.err = c.refresh(ctx, r, fl)
		},
	})
}

// refresh loads r.key again for fl, to replace what r has found, unless another process does so
// or has done so.
func (c *Cached[T]) refresh(
	ctx context.Context, r *request[T], fl *flight[T],
) (v T, err error) {
	if r.pattern == getOrCreate {
		got, err := c.tryPass(ctx, r.key, fl)
		if errors.Is(err, ErrHeld) || err == nil && !got {
			return v, errSkipped
		}
		c.handleCacheError(ctx, err)
	}
	c.flights.beginLook(fl)
	e, err := c.lookUp(ctx, r.key)
	switch {
	case err != nil:
		e = r.found
	case e.servable() && e.freshUntil.After(r.found.freshUntil):
		return e.value, e.err
	}
	if v, err = c.loadAndStore(ctx, r, fl, e); err != nil && !errors.Is(err, ErrNotFound) {
		c.opts.OnError(ctx, err)
	}
	return v, err
}
