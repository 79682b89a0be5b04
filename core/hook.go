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

// A Hook is told of every verb of the caches it is given to, for metrics, logs
// and traces. Many goroutines call it at once, and callers wait for it. One that
// panics harms no verb: the first panic of each Hook of a Cache is logged by
// slog.Default, with its stack.
//
// [HitRatio], [Timing], [Slow] and [Log] are ready to use.
type Hook interface {
	// Before is called when a verb begins: Cache, Verb, Keys and Start of op are set.
	// The verb goes on under the context that Before answers, or under ctx if
	// that is nil. It is to be derived from ctx, or the caller's deadline and
	// Options.Timeout are lost. Hooks are called in their order in Options.
	Before(ctx context.Context, op *Op) context.Context

	// After is called when the verb has ended, with the context under which it
	// ran and every field of op set. Hooks are called in reverse order, also one
	// whose Before has panicked.
	After(ctx context.Context, op *Op)
}

// An Op is one call of one verb of a Cache or a Typed. It is used again after
// the last After: a Hook keeps no reference to it nor to its Keys.
type Op struct {
	Cache    string        // Options.Name
	Verb     string        // the name of the method: "Get", "SetMulti", …
	Keys     []string      // as the caller gave them, read-only; nil for Flush, Ping and Stats
	Duration time.Duration // how long it took
	Hits     int           // keys found by Get, GetItem, GetMulti, GetItems, Exists, TTL and Count
	Misses   int           // keys they did not find; a key that failed is neither
	Err      error         // what the verb returned

	one   [1]string     // holds Keys of a verb with one key
	start time.Duration // when the verb began, since processStart
}

// processStart is what the starts of verbs are counted from: to read how long ago it was
// is half of what time.Now costs.
var processStart = time.Now()

// Start answers when the verb began.
func (op *Op) Start() time.Time {
	now := time.Now()
	return now.Add(op.start - now.Sub(processStart))
}

// hooks are those of a cache.
type hooks struct {
	all    []Hook
	before []int         // places of those whose Before does something
	told   []atomic.Bool // of a panic, by place

	// counting is whether all of them are HitRatio and Timing, which need no Op.
	counting bool
}

func newHooks(all []Hook) *hooks {
	h := &hooks{all: slices.Clone(all), told: make([]atomic.Bool, len(all)), counting: true}
	for i, hook := range all {
		switch hook.(type) {
		case *HitRatio, *Timing:
		case *Slow, *Log: // whose Before does nothing, either
			h.counting = false
		default:
			h.counting = false
			h.before = append(h.before, i)
		}
	}
	return h
}

// begin calls Before of the hooks, from the next one on, under ctx, and answers the
// context to go on under. It ends early where one panics.
func (h *hooks) begin(ctx context.Context, op *Op, next int) (under context.Context, then int) {
	under, then = ctx, next
	defer func() {
		if then < len(h.before) {
			h.panicked(ctx, recover(), h.before[then], op)
			then++
		}
	}()
	for ; then < len(h.before); then++ {
		if ctx := h.all[h.before[then]].Before(under, op); ctx != nil {
			under = ctx
		}
	}
	return under, then
}

// end calls After of the first so many hooks, in reverse. It ends early where one
// panics, and answers how many are left.
func (h *hooks) end(ctx context.Context, op *Op, first int) (left int) {
	left = first
	defer func() {
		if left > 0 {
			left--
			h.panicked(ctx, recover(), left, op)
		}
	}()
	for ; left > 0; left-- {
		h.all[left-1].After(ctx, op)
	}
	return left
}

// panicked tells of p, if it is the first of the hook at that place.
func (h *hooks) panicked(ctx context.Context, p any, place int, op *Op) {
	if p == nil || !h.told[place].CompareAndSwap(false, true) {
		return
	}
	defer func() { _ = recover() }() // of slog's handler
	slog.ErrorContext(ctx, "cachewire: a hook panics; this is told once", "hook", fmt.Sprintf("%T", h.all[place]), "cache", op.Cache, "verb", op.Verb,
		"panic", fmt.Sprint(p), "stack", string(debug.Stack()))
}
