package patterns

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
)

// A state is what an item in the cache is good for.
type state uint8

const (
	absent  state = iota // it is not there, or stale by its tags
	fresh                // it is served
	due                  // it is served, and loaded anew
	expired              // it is served if the loader fails
)

// An entry is what is known of a key.
type entry[T any] struct {
	state state
	value T
	err   error     // nil, or ErrNotFound
	until time.Time // until when the value is fresh; zero for as long as it is there
	over  bool      // there is an item, of whatever use, to be stored over
	down  bool      // the cache could not tell
}

// served tells whether the value, or that there is none, is the answer.
func (e entry[T]) served() bool { return e.state == fresh || e.state == due }

// look answers what is in the cache under key. A miss is no error.
func (c *Cached[T]) look(ctx context.Context, key string) (entry[T], error) {
	v, err := c.values.get(ctx, key)
	switch {
	case err == core.ErrMiss:
		return entry[T]{}, nil
	case err != nil:
		return entry[T]{over: errors.Is(err, core.ErrCodec)}, err
	}
	if hasTags(&v.Facts) {
		current, err := c.current(ctx, []encoding.Facts{v.Facts})
		if err != nil || !current[0] {
			return entry[T]{over: true}, err
		}
	}
	return c.entry(v, time.Now()), nil
}

// lookMulti is look for many keys. Beside an error it answers what it could read.
func (c *Cached[T]) lookMulti(ctx context.Context, keys []string) (map[string]entry[T], error) {
	all, err := c.values.getMulti(ctx, keys)
	entries, judgeErr := c.judge(ctx, all)
	return entries, errors.Join(err, judgeErr)
}

// judge answers the entries of all. Those with tags are absent if their versions
// cannot be read.
func (c *Cached[T]) judge(ctx context.Context, all map[string]value[T]) (map[string]entry[T], error) {
	keys := make([]string, 0, len(all))
	facts := make([]encoding.Facts, 0, len(all))
	for key, v := range all {
		keys, facts = append(keys, key), append(facts, v.Facts)
	}
	current, err := c.current(ctx, facts)
	entries := make(map[string]entry[T], len(all))
	now := time.Now()
	for i, key := range keys {
		if entries[key] = (entry[T]{over: true}); current[i] {
			entries[key] = c.entry(all[key], now)
		}
	}
	return entries, err
}

// current tells of which of facts the tags are in their present versions.
func (c *Cached[T]) current(ctx context.Context, facts []encoding.Facts) ([]bool, error) {
	if c.opts.Tags != nil {
		return c.opts.Tags.Fresh(ctx, facts...)
	}
	all := make([]bool, len(facts))
	for i := range facts {
		all[i] = !hasTags(&facts[i]) // what was tagged by others cannot be proved fresh
	}
	return all, nil
}

// entry answers the entry of v, whose tags are current.
func (c *Cached[T]) entry(v value[T], now time.Time) entry[T] {
	e := entry[T]{state: c.state(&v.Facts, now), value: v.Value, until: v.Facts.Fresh, over: true}
	if v.Facts.NotFound {
		e.err = ErrNotFound
	}
	return e
}

// state answers the state of a value whose tags are current.
func (c *Cached[T]) state(f *encoding.Facts, now time.Time) state {
	switch {
	case f.Fresh.IsZero():
		return fresh // for as long as it is there
	case now.Before(f.Fresh):
		if c.opts.Early != 0 && c.early(f.Fresh.Sub(now), f.Took) {
			return due
		}
		return fresh
	case c.opts.SoftTTL != 0 && now.Before(f.Fresh.Add(c.opts.TTL-c.opts.SoftTTL)):
		return due
	case c.opts.FailSafe != 0:
		return expired
	}
	return absent
}

// early tells whether a value that is fresh for left, and took so long to be made, is
// to be made anew now.
func (c *Cached[T]) early(left, took time.Duration) bool {
	return float64(took)*c.opts.Early*-math.Log(1-rand.Float64()) >= float64(left)
}

// notFound answers what is stored where there is nothing.
func notFound[T any](facts encoding.Facts) value[T] {
	facts.NotFound = true
	return value[T]{Facts: facts}
}

// wrap answers v, which took so long to be made, as it is stored, with facts that hold
// its tags.
func (c *Cached[T]) wrap(v T, facts encoding.Facts, took time.Duration) value[T] {
	o := &c.opts
	switch {
	case o.SoftTTL != 0:
		facts.Fresh = freshUntil(o.SoftTTL)
	case o.FailSafe != 0 || o.Early != 0:
		facts.Fresh = freshUntil(o.TTL)
	}
	if o.Early != 0 {
		facts.Took = took
	}
	return value[T]{Value: v, Facts: facts}
}

// lastFresh is the last time that an envelope is asked to hold: it counts nanoseconds in 64
// bits, which end in 2262.
var lastFresh = time.Date(2262, 1, 1, 0, 0, 0, 0, time.UTC)

// freshUntil returns when ttl ends, or the zero time, which is never, if that is after
// lastFresh.
func freshUntil(ttl time.Duration) time.Time {
	if end := time.Now().Add(ttl); end.Before(lastFresh) {
		return end
	}
	return time.Time{}
}
