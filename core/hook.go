package core

import (
	"context"
	"time"
)

// A Hook is told of every verb of the caches it is given to, for metrics, logs
// and traces. Many goroutines call it at once, and callers wait for it.
type Hook interface {
	// Before is called when a verb begins: Verb, Keys and Start of op are set.
	// The verb goes on under the context that Before answers, or under ctx if
	// that is nil. It is to be derived from ctx, or the caller's deadline and
	// Options.Timeout are lost. Hooks are called in their order in Options.
	Before(ctx context.Context, op *Op) context.Context

	// After is called when the verb has ended, with the context under which it
	// ran and every field of op set. Hooks are called in reverse order.
	After(ctx context.Context, op *Op)
}

// An Op is one call of one verb of a Cache or a Typed. It is used again after
// the last After: a Hook keeps no reference to it nor to its Keys.
type Op struct {
	Verb     string        // the name of the method: "Get", "SetMulti", …
	Keys     []string      // as the caller gave them, read-only; nil for Flush, Ping and Stats
	Start    time.Time     // when the verb began
	Duration time.Duration // how long it took
	Hits     int           // keys found by Get, GetItem, GetMulti, GetItems, Exists, TTL and Count
	Misses   int           // keys they did not find; a key that failed is neither
	Err      error         // what the verb returned

	one [1]string // holds Keys of a verb with one key
}
