package conformance

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cachewire/cachewire/core"
)

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
			e.inTime(v.name, took)
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
				e.inTime("Get and Set", time.Since(start)/2)
				e.set(key+" again", value)
				e.holds(key+" again", value)
				if got, err := e.cache.Get(e.ctx, key); err == nil && string(got) != value {
					e.errorf("Get %s: %s, want %s or a miss", show(key), show(string(got)), show(value))
				}
			}
		})
	}},
}
