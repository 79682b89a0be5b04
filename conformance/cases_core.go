package conformance

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"

	"github.com/cachewire/cachewire/core"
)

// coreCases check rules that package core enforces for every backend. They fail only if the
// backend panics, hangs, or calls its own methods without a call from core.
var coreCases = []testCase{
	{
		id:   "core-key",
		rule: "For an empty key, or one of more than 65,536 bytes, verbs return ErrInvalidKey.",
		run: func(e *env) {
			for _, key := range []string{"", string(make([]byte, core.MaxKeyLen+1))} {
				_, err := e.cache.Get(e.ctx, key)
				e.want("Get", err, core.ErrInvalidKey)
				e.want("Set", e.cache.Set(e.ctx, key, nil, 0), core.ErrInvalidKey)
				e.want("Delete", e.cache.Delete(e.ctx, key), core.ErrInvalidKey)
				_, err = e.cache.Incr(e.ctx, key, 1)
				e.want("Incr", err, core.ErrInvalidKey)
				_, err = e.cache.IncrFrom(e.ctx, key, 1, 1, 0)
				e.want("IncrFrom", err, core.ErrInvalidKey)
				e.want("Touch", e.cache.Touch(e.ctx, key, 0), core.ErrInvalidKey)
			}
		},
	},
	{
		id:   "core-ttl",
		rule: "For a negative time to live, verbs return ErrInvalidTTL and change nothing.",
		run: func(e *env) {
			for _, ttl := range []time.Duration{-1, -time.Second, math.MinInt64} {
				e.want("Set", e.cache.Set(e.ctx, "k", []byte("v"), ttl), core.ErrInvalidTTL)
				e.want("Touch", e.cache.Touch(e.ctx, "k", ttl), core.ErrInvalidTTL)
				_, err := e.cache.IncrFrom(e.ctx, "k", 1, 1, ttl)
				e.want("IncrFrom", err, core.ErrInvalidTTL)
				e.wantFailures("SetMulti",
					e.cache.SetMulti(e.ctx, map[string][]byte{"k": nil}, ttl),
					map[string]error{"k": core.ErrInvalidTTL})
			}
			e.wantMiss("k")
			e.must("Set with Forever", e.cache.Set(e.ctx, "k", []byte("v"), core.Forever))
		},
	},
	{
		id: "core-context",
		rule: "If the context is done before a verb begins, the verb returns the error of the " +
			"context and changes nothing.",
		run: func(e *env) {
			cancelled, cancel := context.WithCancel(e.ctx)
			cancel()
			late, cancelLate := context.WithTimeout(e.ctx, -1)
			defer cancelLate()
			for want, ctx := range map[error]context.Context{
				context.Canceled:         cancelled,
				context.DeadlineExceeded: late,
			} {
				for _, v := range verbs {
					elapsed := e.clock.start()
					e.want(v.name, keyError(v.call(ctx, e.cache, "k", new(int)), "k"), want)
					e.wantInTime(v.name, elapsed())
				}
				e.want("Flush", e.cache.Flush(ctx), want)
				e.want("Ping", e.cache.Ping(ctx), want)
			}
			e.wantMiss("k")
		},
	},
	{
		id:   "core-close",
		rule: "After Close every verb returns ErrClosed, and a second Close succeeds.",
		run: func(e *env) {
			e.must("Close", e.cache.Close())
			e.must("second Close", e.cache.Close())
			for _, v := range verbs {
				e.want(v.name, v.call(e.ctx, e.cache, "k", new(int)), core.ErrClosed)
			}
			e.want("Flush", e.cache.Flush(e.ctx), core.ErrClosed)
			e.want("Ping", e.cache.Ping(e.ctx), core.ErrClosed)
		},
	},
	{
		id:   "close-busy",
		rule: "Close during running verbs neither panics nor hangs, and the verbs return.",
		run: func(e *env) {
			const workers = 8
			started := make(chan struct{}, workers)
			e.inParallel(workers+1, func(w int) {
				if w == workers {
					for range workers {
						<-started
					}
					e.must("Close", e.closeAll())
					return
				}
				start := sync.OnceFunc(func() { started <- struct{}{} })
				defer start() // even if the worker panics
				for i := 0; ; i++ {
					key := numbered("k", i%100)
					err := e.cache.Set(e.ctx, key, []byte("1"), 0)
					start()
					if errors.Is(err, core.ErrClosed) {
						return
					}
					// During Close, these may return any error, but must return.
					e.cache.GetMulti(e.ctx, []string{key, "absent"})
					e.cache.Incr(e.ctx, key, 1)
					e.cache.Delete(e.ctx, key)
				}
			})
		},
	},
}
