package conformance

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cachewire/cachewire/core"
)

// inTime is how long a verb may take to notice that its context is done. The
// contract says 50 ms; the rest is for machines that have much to do.
const inTime = 50*time.Millisecond + time.Second

// A verb is one of Cache, on the key k, which holds the counter 1.
type verb struct {
	name string
	call func(ctx context.Context, c *core.Cache) error
}

var counterBytes = map[string][]byte{"k": []byte("2")}

// verbs are all that have a key.
var verbs = []verb{
	{"Get", func(ctx context.Context, c *core.Cache) error { _, err := c.Get(ctx, "k"); return err }},
	{"GetItem", func(ctx context.Context, c *core.Cache) error { _, err := c.GetItem(ctx, "k"); return err }},
	{"GetMulti", func(ctx context.Context, c *core.Cache) error { _, err := c.GetMulti(ctx, []string{"k"}); return err }},
	{"Exists", func(ctx context.Context, c *core.Cache) error { _, err := c.Exists(ctx, "k"); return err }},
	{"Count", func(ctx context.Context, c *core.Cache) error { _, err := c.Count(ctx, "k"); return err }},
	{"Set", func(ctx context.Context, c *core.Cache) error { return c.Set(ctx, "k", []byte("2"), 0) }},
	{"SetMulti", func(ctx context.Context, c *core.Cache) error { return c.SetMulti(ctx, counterBytes, 0) }},
	{"Replace", func(ctx context.Context, c *core.Cache) error { return c.Replace(ctx, "k", []byte("2"), 0) }},
	{"ReplaceMulti", func(ctx context.Context, c *core.Cache) error { return c.ReplaceMulti(ctx, counterBytes, 0) }},
	{"Add", func(ctx context.Context, c *core.Cache) error { return c.Add(ctx, "k", []byte("2"), 0) }},
	{"AddMulti", func(ctx context.Context, c *core.Cache) error { return c.AddMulti(ctx, counterBytes, 0) }},
	{"Store", func(ctx context.Context, c *core.Cache) error {
		return c.Store(ctx, core.Set, core.Item{Key: "k", Value: []byte("2")})
	}},
	{"Incr", func(ctx context.Context, c *core.Cache) error { _, err := c.Incr(ctx, "k", 1); return err }},
	{"Decr", func(ctx context.Context, c *core.Cache) error { _, err := c.Decr(ctx, "k", 1); return err }},
	{"IncrFrom", func(ctx context.Context, c *core.Cache) error { _, err := c.IncrFrom(ctx, "k", 1, 1, 0); return err }},
	{"DecrFrom", func(ctx context.Context, c *core.Cache) error { _, err := c.DecrFrom(ctx, "k", 1, 1, 0); return err }},
	{"Touch", func(ctx context.Context, c *core.Cache) error { return c.Touch(ctx, "k", longTTL) }},
	{"Delete", func(ctx context.Context, c *core.Cache) error { return c.Delete(ctx, "k") }},
	{"DeleteMulti", func(ctx context.Context, c *core.Cache) error { return c.DeleteMulti(ctx, []string{"k"}) }},
}

// keyError answers what a verb's error says of the key k.
func keyError(err error) error {
	var multi *core.MultiError
	if errors.As(err, &multi) {
		return multi.Errors["k"]
	}
	return err
}

var contextCases = []testCase{
	{"context-backend", "A Backend that is given a context which is done answers its error or the truth: never a miss for a key that is there, nor success for a write that did not happen.", func(e *env) {
		ctx, cancel := context.WithCancel(e.ctx)
		cancel()
		key := e.full("k")
		e.set("k", "1")
		notAMiss := func(what string, err error) {
			if err != nil && !errors.Is(err, context.Canceled) {
				e.errorf("%s under a context that is done: error is %v, want %v or none", what, err, context.Canceled)
			}
		}
		item, err := e.backend.Get(ctx, key)
		if notAMiss("Get", err); err == nil && string(item.Value) != "1" {
			e.errorf("Get under a context that is done: %s, want \"1\" or an error", show(string(item.Value)))
		}
		err = e.backend.Store(ctx, core.Set, core.Item{Key: key, Value: []byte("2")})
		if notAMiss("Store", err); err == nil {
			e.holds("k", "2")
		}
		notAMiss("Touch", e.backend.Touch(ctx, key, longTTL))
		if n, err := e.backend.Incr(ctx, key, 1); err == nil {
			e.counts("k", n)
		} else {
			notAMiss("Incr", err)
		}
		if g, ok := e.backend.(core.MultiGetter); ok {
			items, err := g.GetMulti(ctx, []string{key})
			if err == nil && len(items) != 1 {
				e.errorf("GetMulti under a context that is done: %d items and no error, want the item or an error", len(items))
			}
		}
		err = e.backend.Delete(ctx, key)
		if notAMiss("Delete", err); err == nil {
			e.lacks("k")
		}
	}},
	{"context-deadline", "A deadline that passes during a verb ends it in time, with the context's error, and what comes next is answered rightly.", func(e *env) {
		for round := range 200 {
			ctx, cancel := context.WithTimeout(e.ctx, time.Duration(round%20)*10*time.Microsecond)
			v := verbs[round%len(verbs)]
			e.set("k", "1")
			start := time.Now()
			err := keyError(v.call(ctx, e.cache))
			took := time.Since(start)
			cancel()
			switch {
			case err == nil, errors.Is(err, context.DeadlineExceeded):
			case errors.Is(err, core.ErrExists) && (v.name == "Add" || v.name == "AddMulti"):
			default:
				e.errorf("%s: error is %v, want %v or none", v.name, err, context.DeadlineExceeded)
			}
			if took > inTime {
				e.errorf("%s: took %v", v.name, took)
			}
			// The write that the deadline cut off may land at any time: look at
			// another key, so that only a reply which is not its own can be wrong.
			other, value := numbered("other", round), fmt.Sprint("value of ", round)
			e.set(other, value)
			e.holds(other, value)
		}
	}},
	{"context-cancel", "A verb that is cancelled ends in time, and no later one is answered with its reply.", func(e *env) {
		const workers, rounds = 8, 50
		e.goAll(workers, func(w int) {
			for round := range rounds {
				key, value := fmt.Sprintf("k%d-%d", w, round), fmt.Sprintf("v%d-%d", w, round)
				ctx, cancel := context.WithCancel(e.ctx)
				go cancel()
				start := time.Now()
				_, err := e.cache.Get(ctx, key+" absent")
				if err != core.ErrMiss && !errors.Is(err, context.Canceled) {
					e.errorf("Get: error is %v, want %v or %v", err, core.ErrMiss, context.Canceled)
				}
				if err := e.cache.Set(ctx, key, []byte(value), 0); err != nil && !errors.Is(err, context.Canceled) {
					e.errorf("Set: error is %v, want %v or none", err, context.Canceled)
				}
				if took := time.Since(start); took > 2*inTime {
					e.errorf("Get and Set: took %v", took)
				}
				e.set(key+" again", value)
				e.holds(key+" again", value)
				if got, err := e.cache.Get(e.ctx, key); err == nil && string(got) != value {
					e.errorf("Get %s: %s, want %s or a miss", show(key), show(string(got)), show(value))
				}
			}
		})
	}},
}

// coreCases are rules that package core keeps for every backend. They hold on
// any that does not panic, hang or call its own methods behind core's back.
var coreCases = []testCase{
	{"core-key", "An empty key, or one of more than 65,536 bytes, is ErrInvalidKey.", func(e *env) {
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
	}},
	{"core-ttl", "A negative time to live, other than DefaultTTL, is ErrInvalidTTL, and nothing changes.", func(e *env) {
		for _, ttl := range []time.Duration{-1, -time.Second, core.DefaultTTL + 1} {
			e.want("Set", e.cache.Set(e.ctx, "k", []byte("v"), ttl), core.ErrInvalidTTL)
			e.want("Touch", e.cache.Touch(e.ctx, "k", ttl), core.ErrInvalidTTL)
			_, err := e.cache.IncrFrom(e.ctx, "k", 1, 1, ttl)
			e.want("IncrFrom", err, core.ErrInvalidTTL)
			e.failsFor("SetMulti", e.cache.SetMulti(e.ctx, map[string][]byte{"k": nil}, ttl), map[string]error{"k": core.ErrInvalidTTL})
		}
		e.lacks("k")
		e.must("Set with DefaultTTL", e.cache.Set(e.ctx, "k", []byte("v"), core.DefaultTTL))
	}},
	{"core-context", "A context that is done before the verb ends it with the context's error, and nothing is done.", func(e *env) {
		cancelled, cancel := context.WithCancel(e.ctx)
		cancel()
		late, cancelLate := context.WithTimeout(e.ctx, -1)
		defer cancelLate()
		for want, ctx := range map[error]context.Context{context.Canceled: cancelled, context.DeadlineExceeded: late} {
			for _, v := range verbs {
				start := time.Now()
				e.want(v.name, keyError(v.call(ctx, e.cache)), want)
				if took := time.Since(start); took > inTime {
					e.errorf("%s: took %v", v.name, took)
				}
			}
			e.want("Flush", e.cache.Flush(ctx), want)
			e.want("Ping", e.cache.Ping(ctx), want)
		}
		e.lacks("k")
	}},
	{"core-close", "After Close every verb is ErrClosed, and a second Close is fine.", func(e *env) {
		e.must("Close", e.cache.Close())
		e.must("second Close", e.cache.Close())
		for _, v := range verbs {
			e.want(v.name, v.call(e.ctx, e.cache), core.ErrClosed)
		}
		e.want("Flush", e.cache.Flush(e.ctx), core.ErrClosed)
		e.want("Ping", e.cache.Ping(e.ctx), core.ErrClosed)
	}},
	{"close-busy", "Close beside verbs that are under way neither panics nor hangs, and they end.", func(e *env) {
		const workers = 8
		started := make(chan struct{}, workers)
		e.goAll(workers+1, func(w int) {
			if w == workers {
				for range workers {
					<-started
				}
				e.must("Close", e.closeAll())
				return
			}
			for i := 0; ; i++ {
				key := numbered("k", i%100)
				err := e.cache.Set(e.ctx, key, []byte("1"), 0)
				if i == 0 {
					started <- struct{}{}
				}
				if errors.Is(err, core.ErrClosed) {
					return
				}
				// Beside Close these may end in any error but must end.
				e.cache.GetMulti(e.ctx, []string{key, "absent"})
				e.cache.Incr(e.ctx, key, 1)
				e.cache.Delete(e.ctx, key)
			}
		})
	}},
}
