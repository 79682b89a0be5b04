package core

import (
	"context"
	"sync"
	"time"
)

// A call is a verb while it runs. Without hooks and without a time-out it
// costs nothing.
type call struct {
	cache  *Cache
	verb   string
	ctx    context.Context
	cancel context.CancelFunc // nil without a time-out
	op     *Op                // nil without hooks, and where they only count

	// Of a verb whose hooks are told.
	began        time.Duration // since processStart
	hits, misses int
}

var ops = sync.Pool{New: func() any { return new(Op) }}

// begin starts a verb on one key. The call is the caller's own variable: to
// answer one would cost copies.
func (cl *call) begin(ctx context.Context, c *Cache, verb, key string) {
	cl.start(ctx, c, verb)
	if cl.busy() {
		cl.enter(nil, key)
	}
}

// beginMulti starts a verb on many keys, or on none.
func (cl *call) beginMulti(ctx context.Context, c *Cache, verb string, keys []string) {
	cl.start(ctx, c, verb)
	if cl.busy() {
		cl.enter(keys)
	}
}

func (cl *call) start(ctx context.Context, c *Cache, verb string) {
	if ctx == nil {
		ctx = context.Background()
	}
	cl.cache, cl.verb, cl.ctx = c, verb, ctx
}

// busy tells whether there is more to a call than its verb.
func (cl *call) busy() bool { return cl.cache.hooks != nil || cl.cache.timeout != 0 }

// enter starts the time-out and calls the hooks. A single key stands apart, so
// that it needs no slice of its own.
func (cl *call) enter(keys []string, single ...string) {
	c := cl.cache
	if c.timeout != 0 {
		cl.ctx, cl.cancel = context.WithTimeout(cl.ctx, c.timeout)
	}
	if c.hooks == nil {
		return
	}
	cl.began = time.Since(processStart)
	if c.hooks.counting {
		return
	}
	op := ops.Get().(*Op)
	cl.op = op
	op.Cache, op.Verb, op.Keys, op.start = c.name, cl.verb, keys, cl.began
	if copy(op.one[:], single) == 1 {
		op.Keys = op.one[:]
	}
	for next := 0; next < len(c.hooks.before); {
		cl.ctx, next = c.hooks.begin(cl.ctx, op, next)
	}
}

// read notes how many of the keys that a verb looked for were there.
func (cl *call) read(hits, misses int) { cl.hits, cl.misses = hits, misses }

// spoiled notes that a key which was there could not be decoded.
func (cl *call) spoiled() { cl.hits = max(0, cl.hits-1) } // a backend may have answered a key twice

// end ends a verb on key, which may be empty. It answers err as the caller is
// to see it.
func (cl *call) end(key string, err error) error {
	if err != nil {
		err = cl.wrap(key, err)
	}
	cl.leave(err)
	return err
}

// endRead is end for a verb that looked for key.
func (cl *call) endRead(key string, err error) error {
	switch {
	case err == nil:
		cl.read(1, 0)
	case isMiss(err):
		cl.read(0, 1)
	}
	return cl.end(key, err)
}

// endMulti ends a verb on total keys of which some failed. An err is for the
// whole and stands alone.
func (cl *call) endMulti(failed MultiError, total int, err error) error {
	if err != nil {
		err = cl.wrap("", err)
	} else {
		failed.Verb, failed.Driver, failed.Total = cl.verb, cl.cache.shared.driver, total
		err = failed.Err()
	}
	cl.leave(err)
	return err
}

func (cl *call) wrap(key string, err error) error {
	if isMiss(err) {
		return ErrMiss
	}
	return &Error{Verb: cl.verb, Key: key, Driver: cl.cache.shared.driver, Err: err}
}

func (cl *call) leave(err error) {
	if hooks := cl.cache.hooks; hooks != nil {
		cl.tell(hooks, err)
	}
	if cl.cancel != nil {
		cl.cancel()
	}
}

// tell tells hooks that the verb has ended.
func (cl *call) tell(hooks *hooks, err error) {
	duration := time.Since(processStart) - cl.began
	if op := cl.op; op != nil {
		op.Duration, op.Hits, op.Misses, op.Err = duration, cl.hits, cl.misses, err
		for left := len(hooks.all); left > 0; {
			left = hooks.end(cl.ctx, op, left)
		}
		*op = Op{}
		ops.Put(op)
		return
	}
	for _, hook := range hooks.all {
		switch h := hook.(type) {
		case *HitRatio:
			h.count(cl.cache.name, cl.verb, cl.hits, cl.misses)
		case *Timing:
			h.add(cl.cache.name, cl.verb, duration)
		}
	}
}
