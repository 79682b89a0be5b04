package core

import (
	"context"
	"sync"
	"time"
)

// A call is a running verb. Without hooks and without a time-out it costs nothing.
type call struct {
	cache  *Cache
	verb   string
	ctx    context.Context
	cancel context.CancelFunc // nil without a time-out

	// Set only if the cache has hooks.
	op           *Op // nil if the hooks only count
	start        time.Duration
	hits, misses int
	bytes        int // of a verb on many keys; see Op
}

var ops = sync.Pool{New: func() any { return new(Op) }}

// begin starts a verb on one key. The call is a variable of the caller, because
// returning one would copy it.
func (cl *call) begin(ctx context.Context, c *Cache, verb, key string) {
	cl.init(ctx, c, verb)
	if cl.watched() {
		cl.enter(key, nil)
	}
}

// beginMulti starts a verb on many keys, or on none.
func (cl *call) beginMulti(ctx context.Context, c *Cache, verb string, keys []string) {
	cl.init(ctx, c, verb)
	if cl.watched() {
		cl.enter("", keys)
	}
}

func (cl *call) init(ctx context.Context, c *Cache, verb string) {
	if ctx == nil {
		ctx = context.Background()
	}
	cl.cache, cl.verb, cl.ctx = c, verb, ctx
}

// watched reports whether the call has hooks or a time-out.
func (cl *call) watched() bool { return cl.cache.hooks != nil || cl.cache.timeout != 0 }

// enter starts the time-out and calls the hooks.
func (cl *call) enter(key string, keys []string) {
	c := cl.cache
	if c.timeout != 0 {
		cl.ctx, cl.cancel = context.WithTimeout(cl.ctx, c.timeout)
	}
	if c.hooks == nil {
		return
	}
	cl.start = time.Since(processStart)
	if c.hooks.counters != nil {
		return
	}
	op := ops.Get().(*Op)
	op.Cache, op.Verb, op.Key, op.Keys, op.start = c.name, cl.verb, key, keys, cl.start
	cl.op = op
	if len(c.hooks.before) != 0 {
		cl.ctx = c.hooks.runBefore(cl.ctx, op)
	}
}

// read records how many of the keys that a verb looked for were present.
func (cl *call) read(hits, misses int) { cl.hits, cl.misses = hits, misses }

// carry records the values of a verb on many keys, if there are hooks.
func (cl *call) carry(items []Item) {
	if cl.cache.hooks == nil {
		return
	}
	for i := range items {
		cl.bytes += len(items[i].Value)
	}
}

// undecoded records that the value of a present key could not be decoded. It never makes
// hits negative, even if a wrong backend returned a key twice.
func (cl *call) undecoded() { cl.hits = max(0, cl.hits-1) }

// end ends a verb on key, which may be empty. It returns err in the form that the verb
// returns.
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

// endMulti ends a verb on total keys. Failed has the errors of the keys that failed. If err
// is not nil, it is the error of the whole verb.
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
		if duration := time.Since(processStart) - cl.start; hooks.counters != nil {
			hooks.count(cl, len(hooks.counters), duration, err)
		} else {
			cl.runAfter(hooks, duration, err)
		}
	}
	if cl.cancel != nil {
		cl.cancel()
	}
}

func (cl *call) runAfter(hooks *hooks, duration time.Duration, err error) {
	op := cl.op
	op.Duration, op.Hits, op.Misses, op.Err = duration, cl.hits, cl.misses, err
	op.Bytes = cl.bytes
	hooks.runAfter(cl.ctx, op)
	*op = Op{} // it must keep nothing alive
	ops.Put(op)
}
