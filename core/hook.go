package core

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"
)

// A Hook is called for every verb of a Cache, for metrics, logs and traces. It is called by
// many goroutines at once, and the callers of the verbs wait for it. If it panics, the verb
// goes on. The Cache logs the first panic of each Hook to slog.Default, with the stack.
//
// Package hooks has hooks that are ready to use.
type Hook interface {
	// After is called when a verb has ended, with the context with which the verb ran.
	// Every field of op is set. Hooks are called in the reverse of their order in Options.
	// If the Before of a hook has panicked, its After is called nevertheless.
	//
	// The Cache reuses op for other verbs: After must keep no reference to op or to its
	// Keys.
	After(ctx context.Context, op *Op)
}

// A BeforeHook is a Hook that is also called when a verb begins.
type BeforeHook interface {
	Hook

	// Before is called with the Cache, Verb, Key, Keys and Start of op. The verb runs with
	// the context that Before returns, or with ctx if Before returns nil. The returned
	// context should be derived from ctx; otherwise the caller's deadline and
	// Options.Timeout are lost. Hooks are called in their order in Options. Before must
	// keep no reference to op or to its Keys.
	Before(ctx context.Context, op *Op) context.Context
}

// A CountHook is a Hook that needs no Op. If all hooks of a Cache are CountHooks, and none
// is a BeforeHook, the Cache calls Count instead of After, which is cheaper. A type that
// embeds a CountHook and overrides After must override Count as well.
type CountHook interface {
	Hook

	// Count is called when a verb has ended. Its arguments are the fields of op that After
	// would get.
	Count(cache, verb string, hits, misses int, duration time.Duration, err error)
}

// An Op is one call of one verb of a Cache or a Typed.
type Op struct {
	Cache    string        // the Name of the Cache
	Verb     string        // the name of the method: "Get", "SetMulti", …
	Key      string        // the key of a verb on one key
	Keys     []string      // the keys of a verb on many, as the caller gave them; read-only
	Duration time.Duration // how long the verb took
	Hits     int           // keys found by Get, GetItem, GetMulti, GetItems, Exists, TTL and Count
	Misses   int           // keys they did not find; a key that failed is neither
	Bytes    int           // length of all values that a verb on many keys was given or found
	Err      error         // what the verb returned

	start time.Duration // when the verb began, since processStart
}

// processStart is the zero of Op.start. A verb measures its start with
// time.Since(processStart), which takes half as long as time.Now.
var processStart = time.Now()

// Start returns when the verb began.
func (op *Op) Start() time.Time {
	now := time.Now()
	return now.Add(op.start - now.Sub(processStart))
}

// hooks are the hooks of a Cache.
type hooks struct {
	all      []Hook
	before   []int         // indexes in all of those that are a BeforeHook
	counters []CountHook   // all of them, or nil if Ops are needed
	panicked []atomic.Bool // by index in all; the first panic has been logged
}

func newHooks(all []Hook) *hooks {
	h := &hooks{all: slices.Clone(all), panicked: make([]atomic.Bool, len(all))}
	for i, hook := range all {
		if _, ok := hook.(BeforeHook); ok {
			h.before = append(h.before, i)
		}
		if counter, ok := hook.(CountHook); ok {
			h.counters = append(h.counters, counter)
		}
	}
	if len(h.counters) != len(all) || len(h.before) != 0 {
		h.counters = nil
	}
	return h
}

// runBefore calls every Before and returns the context for the verb.
func (h *hooks) runBefore(ctx context.Context, op *Op) context.Context {
	for next := 0; next < len(h.before); {
		ctx, next = h.beforeFrom(ctx, op, next)
	}
	return ctx
}

// beforeFrom calls Before of the BeforeHooks from index next on. If one panics, it returns
// early, with the index after it.
func (h *hooks) beforeFrom(
	ctx context.Context,
	op *Op,
	next int,
) (under context.Context, then int) {
	under, then = ctx, next
	defer func() {
		if then < len(h.before) {
			h.logPanic(ctx, recover(), h.before[then], op.Cache, op.Verb)
			then++
		}
	}()
	for ; then < len(h.before); then++ {
		if ctx := h.all[h.before[then]].(BeforeHook).Before(under, op); ctx != nil {
			under = ctx
		}
	}
	return under, then
}

// runAfter calls every After, the last one first.
func (h *hooks) runAfter(ctx context.Context, op *Op) {
	for left := len(h.all); left > 0; {
		left = h.afterFrom(ctx, op, left)
	}
}

// afterFrom calls After of the first left hooks, in reverse. If one panics, it returns
// early, with the number of hooks that are left.
func (h *hooks) afterFrom(ctx context.Context, op *Op, n int) (left int) {
	left = n
	defer func() {
		if left > 0 {
			left--
			h.logPanic(ctx, recover(), left, op.Cache, op.Verb)
		}
	}()
	for ; left > 0; left-- {
		h.all[left-1].After(ctx, op)
	}
	return left
}

// count calls Count of the first n hooks, in reverse. If one panics, it goes on with the next.
func (h *hooks) count(cl *call, n int, duration time.Duration, err error) {
	defer func() {
		if n > 0 {
			n--
			h.logPanic(cl.ctx, recover(), n, cl.cache.name, cl.verb)
			h.count(cl, n, duration, err)
		}
	}()
	for ; n > 0; n-- {
		h.counters[n-1].Count(cl.cache.name, cl.verb, cl.hits, cl.misses, duration, err)
	}
}

// logPanic logs that the hook at index i panicked with p, if it is the first panic of this
// hook.
func (h *hooks) logPanic(ctx context.Context, p any, i int, cache, verb string) {
	if p == nil || !h.panicked[i].CompareAndSwap(false, true) {
		return
	}
	defer func() { _ = recover() }() // slog's handler may panic, too
	slog.ErrorContext(
		ctx,
		"cachewire: a hook panicked; its later panics are not logged",
		"hook",
		fmt.Sprintf("%T", h.all[i]),
		"cache",
		cache,
		"verb",
		verb,
		"panic",
		fmt.Sprint(p),
		"stack",
		string(debug.Stack()),
	)
}
