package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/cachewire/cachewire/core"
)

// contextEnds are the ways in which a context ends.
var contextEnds = []struct {
	name string
	with func(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc)
}{
	{"a deadline", context.WithTimeout},
	{
		"a cancellation",
		func(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			timer := time.AfterFunc(d, cancel)
			return ctx, func() { timer.Stop(); cancel() }
		},
	},
}

var faultCases = []testCase{
	{
		id: "stall-context",
		rule: "If the server does not reply, a verb returns the error of its context within 50 " +
			"ms after the context is done, and never a miss, ErrExists, a conflict or success. " +
			"When the server replies again, verbs work within a second.",
		fault:     stalls,
		plainOnly: true,
		run: func(e *env) {
			keys, tokens := e.prepareFaultVerbs()
			resume := e.inject(stalls)
			for i, v := range faultVerbs {
				for _, end := range contextEnds {
					e.checkStalled(v.name+" under "+end.name, func() (time.Duration, error) {
						const after = 20 * time.Millisecond
						ctx, cancel := end.with(e.ctx, after)
						defer cancel()
						elapsed := e.clock.start()
						err := keyError(v.call(ctx, e.cache, keys[i], tokens[i]), keys[i])
						late := elapsed() - after
						if !isOutage(ctx, err) && !unsupported(err) {
							e.errorf(
								"%s on a server that does not reply: error is %v, want %v or %v",
								v.name,
								err,
								ctx.Err(),
								core.ErrUnavailable,
							)
						}
						return late, err
					})
				}
			}
			resume()
			e.recovered("the server went on")
		},
	},
	{
		id: "stall-late",
		rule: "No verb gets the reply to another verb that was abandoned, and abandoned verbs do " +
			"not block others permanently.",
		fault:     stalls,
		plainOnly: true,
		run: func(e *env) {
			const workers, rounds = 16, 4
			value := func(key string) string { return "the value of " + key }
			for w := range workers {
				for i := range 8 {
					key := fmt.Sprintf("w%d-%d", w, i)
					e.set(key, value(key))
					e.set("n"+key, fmt.Sprint(1_000_000*(w*8+i)))
				}
			}
			for round := range rounds {
				resume := e.inject(stalls)
				e.inParallel(workers, func(w int) {
					for i := range 4 {
						key := fmt.Sprintf("w%d-%d", w, i)
						ctx, cancel := context.WithTimeout(
							e.ctx,
							time.Duration(5+w)*time.Millisecond,
						)
						_, _ = e.cache.Get(ctx, key)
						_, _ = e.cache.GetMulti(ctx, []string{key, fmt.Sprintf("w%d-%d", w, i+4)})
						_, _ = e.cache.Incr(ctx, "n"+key, 1)
						_ = e.cache.Touch(ctx, key, longTTL)
						cancel()
					}
				})
				resume()
				e.inParallel(workers, func(w int) {
					for i := 4; i < 8; i++ {
						key := fmt.Sprintf("w%d-%d", (w+round)%workers, i)
						e.checkOwnReplies(key, value(key))
					}
				})
			}
			e.recovered("the server went on")
		},
	},
	{
		id: "stall-close",
		rule: "Close returns while the server does not reply, and verbs that are running return. " +
			"No goroutine outlives Close.",
		fault:     stalls,
		plainOnly: true,
		run: func(e *env) {
			e.set("k", "v")
			resume := e.inject(stalls)
			const workers = 8
			started := make(chan struct{}, workers)
			e.inParallel(workers+1, func(w int) {
				ctx, cancel := context.WithTimeout(e.ctx, 20*time.Second)
				defer cancel()
				if w < workers {
					started <- struct{}{}
					if value, err := e.cache.Get(ctx, "k"); err == nil && string(value) != "v" {
						e.errorf("Get during Close: %s", quote(string(value)))
					}
					if ctx.Err() != nil {
						e.errorf("Get returned only when its context was done, long after Close")
					}
					return
				}
				for range workers {
					<-started
				}
				e.closesInTime("while the server does not reply")
			})
			resume()
		},
	},
	{
		id: "kill-error",
		rule: "If the server is dead, every verb returns ErrUnavailable or the error of its " +
			"context, and never a miss, ErrExists, a conflict or success.",
		fault:     kills,
		plainOnly: true,
		run: func(e *env) {
			keys, tokens := e.prepareFaultVerbs()
			restart := e.inject(kills)
			for range 2 { // the first verb may use a connection that it takes for a good one
				for i, v := range faultVerbs {
					ctx, cancel := context.WithTimeout(e.ctx, time.Second)
					elapsed := e.clock.start()
					err := keyError(v.call(ctx, e.cache, keys[i], tokens[i]), keys[i])
					took := elapsed()
					if !isOutage(ctx, err) && !unsupported(err) {
						e.errorf(
							"%s on a dead server: error is %v, want %v",
							v.name,
							err,
							core.ErrUnavailable,
						)
					}
					cancel()
					e.wantInTime(v.name, took-time.Second)
				}
			}
			restart()
			e.recovered("the server started again")
		},
	},
	{
		id: "kill-load",
		rule: "While the server dies and starts again, no verb returns a wrong result, such as " +
			"the value of another key. No write is sent twice.",
		fault:     kills,
		plainOnly: true,
		run:       killUnderLoad,
	},
	{
		id:        "kill-close",
		rule:      "Close returns while the server is dead, and no goroutine outlives Close.",
		fault:     kills,
		plainOnly: true,
		run: func(e *env) {
			e.set("k", "v")
			e.inject(kills)
			ctx, cancel := context.WithTimeout(e.ctx, time.Second)
			defer cancel()
			if _, err := e.cache.Get(ctx, "k"); !isOutage(ctx, err) {
				e.errorf("Get on a dead server: error is %v, want %v", err, core.ErrUnavailable)
			}
			e.closesInTime("while the server is dead")
		},
	},
}

// checkStalled calls try, which returns how long a verb took to return after its context
// was done. It checks that the verb was in time. A busy machine can make verbs late, but
// never early. So one of a few tries must be in time, and none very late.
func (e *env) checkStalled(what string, try func() (late time.Duration, err error)) {
	const limit, veryLate, tries = 50 * time.Millisecond, 550 * time.Millisecond, 5
	best := time.Duration(1<<63 - 1)
	for range tries {
		late, err := try()
		if unsupported(err) {
			return
		}
		best = min(best, late)
		if late > veryLate || e.fakeTime && late > limit {
			e.errorf("%s on a server that does not reply returned %v after its context was done, "+
				"want at most %v", what, late, limit)
			return
		}
		if best <= limit {
			return
		}
	}
	e.errorf("%s on a server that does not reply returned %v after its context was done, or "+
		"later, in %d tries; want at most %v", what, best, tries, limit)
}

// checkOwnReplies checks that verbs get their own replies. Each counter "n"+key has its own
// range of numbers. A verb may fail, because the server may just have started again.
func (e *env) checkOwnReplies(key, value string) {
	check := func(verb, got string, err error) {
		switch {
		case err != nil && !errors.Is(err, core.ErrUnavailable) &&
			!errors.Is(err, context.DeadlineExceeded):
			e.errorf("%s %s: error is %v, want its own reply", verb, quote(key), err)
		case err == nil && got != value:
			e.errorf("%s %s: %s, want its own value %s", verb, quote(key), quote(got), quote(value))
		}
	}
	ctx, cancel := context.WithTimeout(e.ctx, 5*time.Second)
	defer cancel()
	got, err := e.cache.Get(ctx, key)
	check("Get", string(got), err)
	item, err := e.cache.GetItem(ctx, key)
	check("GetItem", string(item.Value), err)
	values, err := e.cache.GetMulti(ctx, []string{key})
	check("GetMulti", string(values[key]), keyError(err, key))
	before, err := e.cache.Count(ctx, "n"+key)
	if err != nil {
		return
	}
	after, err := e.cache.Incr(ctx, "n"+key, 0)
	if err == nil && before/1_000_000 != after/1_000_000 {
		e.errorf("Incr %s: %d, the number of another counter; Count returned %d",
			quote("n"+key), after, before)
	}
}

// killUnderLoad is the case kill-load. Each worker has its own keys, so that it knows which
// values they may have. The server may have lost everything when it starts again.
func killUnderLoad(e *env) {
	const workers = 8
	var stop atomic.Bool
	var verbs, failed atomic.Int64
	e.inParallel(workers+1, func(w int) {
		if w < workers {
			l := loader{env: e, worker: w}
			for round := 0; !stop.Load(); round++ {
				if e.fakeTime {
					time.Sleep(time.Millisecond) // or time would stand still
				}
				verbs.Add(1)
				if !l.step(round) {
					failed.Add(1)
				}
			}
			return
		}
		defer stop.Store(true)
		waitFor := func(n int64) {
			for from := verbs.Load(); verbs.Load() < from+n; {
				time.Sleep(time.Millisecond)
			}
		}
		for range 2 {
			waitFor(200)
			restart := e.inject(kills)
			waitFor(workers)
			restart()
			waitFor(200)
		}
	})
	e.note("%d of %d rounds failed while the server was killed twice", failed.Load(), verbs.Load())
}

// A loader calls verbs with its own keys while a server dies and starts again.
type loader struct {
	*env
	worker    int
	count     uint64 // the counter as it was returned last
	failed    uint64 // how many increments have failed since then; they may have taken place
	abandoned uint64 // how many increments were abandoned; they may take place at any time
}

// step calls some verbs and checks their results. It reports whether all of them worked.
func (l *loader) step(round int) bool {
	ctx, cancel := context.WithTimeout(l.ctx, time.Second)
	defer cancel()
	ok := true
	// outage reports whether err is the error of an outage. The verb may then have taken
	// effect or not.
	outage := func(verb string, err error, known ...error) bool {
		if err == nil ||
			slices.ContainsFunc(known, func(target error) bool { return errors.Is(err, target) }) {
			return false
		}
		ok = false
		if !errors.Is(err, core.ErrUnavailable) && !errors.Is(err, context.DeadlineExceeded) {
			l.errorf("%s: error is %v, want %v or no error", verb, err, core.ErrUnavailable)
		}
		return true
	}

	key := fmt.Sprintf("load %d-%d", l.worker, round)
	if err := l.cache.Add(ctx, key, []byte(key), longTTL); errors.Is(err, core.ErrExists) {
		l.errorf("Add of a new key returned %v: the write was sent twice", err)
	} else if !outage("Add", err) {
		got, err := l.cache.Get(ctx, key)
		if !outage("Get", err, core.ErrMiss) && err == nil && string(got) != key {
			l.errorf("Get %s: %s, the value of another key", quote(key), quote(string(got)))
		}
	}

	item, err := l.cache.GetItem(ctx, key)
	if !outage("GetItem", err, core.ErrMiss) && err == nil && ok {
		err := l.cache.CompareAndSwap(ctx, withValue(item, "swapped"))
		if errors.Is(err, core.ErrConflict) {
			l.errorf(
				"CompareAndSwap, with no other writer, returned %v: the write was sent twice",
				err,
			)
		}
		outage("CompareAndSwap", err, core.ErrMiss, core.ErrConflict)
	}

	n, err := l.cache.IncrFrom(ctx, numbered("load counter ", l.worker), 1, 0, longTTL)
	outage("IncrFrom", err, core.ErrConflict)
	switch {
	case err == nil:
		if most := l.count + 1 + l.failed + l.abandoned; n > most {
			l.errorf("IncrFrom returned %d, want at most %d: an increment was sent twice", n, most)
		}
		l.count, l.failed = n, 0
	case errors.Is(err, context.DeadlineExceeded):
		l.abandoned++
	default:
		l.failed++
	}
	return ok
}
