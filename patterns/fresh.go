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

// A state says how the item in the cache may be used.
type state uint8

const (
	absent  state = iota // not at all: there is no item, or it is stale
	fresh                // it is served
	due                  // it is served, and loaded again in the background
	expired              // it is served if the loader fails
)

// An entry is what a look into the cache found under a key.
type entry[T any] struct {
	state      state
	value      T
	err        error     // ErrNotFound if that is stored, else nil
	freshUntil time.Time // when the value stops being fresh; zero for never
	exists     bool      // there is an item, even if stale or undecodable; a store replaces it
	token      any       // of the item, for that store; may be nil
	down       bool      // the cache could not be read
}

// servable reports whether the value, or ErrNotFound, may be returned without a load.
func (e *entry[T]) servable() bool { return e.state == fresh || e.state == due }

// lookUp returns the entry of key. A miss is not an error.
func (c *Cached[T]) lookUp(ctx context.Context, key string) (entry[T], error) {
	item, err := c.values.get(ctx, key)
	switch {
	case err == core.ErrMiss:
		return entry[T]{}, nil
	case err != nil:
		return entry[T]{exists: errors.Is(err, core.ErrCodec), token: item.token}, err
	}
	if hasTags(&item.value.Facts) {
		current, err := c.tagsCurrent(ctx, []encoding.Facts{item.value.Facts})
		if err != nil || !current[0] {
			return entry[T]{exists: true, token: item.token}, err
		}
	}
	e := c.entryOf(item.value, time.Now())
	e.token = item.token
	return e, nil
}

// lookUpMulti is lookUp for many keys. With an error it returns the entries that it could
// read.
func (c *Cached[T]) lookUpMulti(ctx context.Context, keys []string) (map[string]entry[T], error) {
	values, err := c.values.getMulti(ctx, keys)
	entries, tagsErr := c.entriesOf(ctx, values)
	return entries, errors.Join(err, tagsErr)
}

// entriesOf returns the entries of values. If the versions of tags cannot be read, it returns
// the error, and the values with tags are absent.
func (c *Cached[T]) entriesOf(
	ctx context.Context, values map[string]value[T],
) (map[string]entry[T], error) {
	keys := make([]string, 0, len(values))
	facts := make([]encoding.Facts, 0, len(values))
	for key, v := range values {
		keys, facts = append(keys, key), append(facts, v.Facts)
	}
	current, err := c.tagsCurrent(ctx, facts)
	entries := make(map[string]entry[T], len(values))
	now := time.Now()
	for i, key := range keys {
		if entries[key] = (entry[T]{exists: true}); current[i] {
			entries[key] = c.entryOf(values[key], now)
		}
	}
	return entries, err
}

// tagsCurrent reports for each of facts whether its tags have their present versions.
func (c *Cached[T]) tagsCurrent(ctx context.Context, facts []encoding.Facts) ([]bool, error) {
	if c.opts.Tags != nil {
		return c.opts.Tags.Fresh(ctx, facts...)
	}
	current := make([]bool, len(facts))
	for i := range facts {
		current[i] = !hasTags(&facts[i]) // without Options.Tags, tags cannot be checked
	}
	return current, nil
}

// entryOf returns the entry of v, whose tags are current.
func (c *Cached[T]) entryOf(v value[T], now time.Time) entry[T] {
	e := entry[T]{
		state:      c.stateOf(&v.Facts, now),
		value:      v.Value,
		freshUntil: v.Facts.Fresh,
		exists:     true,
	}
	if v.Facts.NotFound {
		e.err = ErrNotFound
	}
	return e
}

// stateOf returns the state of a value whose tags are current.
func (c *Cached[T]) stateOf(f *encoding.Facts, now time.Time) state {
	switch {
	case f.Fresh.IsZero():
		return fresh // until it leaves the cache
	case now.Before(f.Fresh):
		if c.opts.Early != 0 && c.dueEarly(f.Fresh.Sub(now), f.Took) {
			return due
		}
		return fresh
	case c.opts.SoftTTL != 0 && now.Before(f.Fresh.Add(c.graceOf(f))):
		return due
	case c.opts.FailSafe != 0:
		return expired
	}
	return absent
}

// graceOf returns how long a value is due.
func (c *Cached[T]) graceOf(f *encoding.Facts) time.Duration {
	if f.Grace != 0 {
		return f.Grace
	}
	return c.opts.TTL - c.opts.SoftTTL
}

// dueEarly reports whether a value that stays fresh for left, and took this long to load,
// should be loaded again now. It decides at random, as Options.Early says.
func (c *Cached[T]) dueEarly(left, took time.Duration) bool {
	return float64(took)*c.opts.Early*-math.Log(1-rand.Float64()) >= float64(left)
}

// notFoundItem returns the item that stands for a stored ErrNotFound.
func (c *Cached[T]) notFoundItem(facts encoding.Facts) stored[T] {
	facts.NotFound = true
	ttl := c.opts.NegativeTTL
	return stored[T]{value: value[T]{Facts: facts}, ttl: ttl - c.jitter(ttl)}
}

// ttlOf returns the time to live of v. If it is less than 0, v must not be stored.
func (c *Cached[T]) ttlOf(key string, v T) time.Duration {
	ttl := c.call.TTL
	if ttl == 0 && c.opts.TTLOf != nil {
		ttl = c.opts.TTLOf(key, v)
	}
	if ttl == 0 {
		ttl = c.opts.TTL
	}
	return ttl
}

// itemOf returns v as it is stored. Took is how long the load of v took. The facts that are
// given have the tags of v; itemOf adds the other facts.
func (c *Cached[T]) itemOf(
	key string, v T, facts encoding.Facts, took time.Duration,
) stored[T] {
	o := &c.opts
	ttl := c.ttlOf(key, v)
	if ttl < 0 {
		return stored[T]{ttl: ttl}
	}
	soft := ttl
	if o.SoftTTL != 0 && o.SoftTTL < ttl {
		soft = o.SoftTTL
	}
	if o.SoftTTL != 0 && ttl != o.TTL {
		facts.Grace = max(ttl-soft, 1)
	}
	shorter := c.jitter(soft)
	if ttl != core.Forever {
		ttl -= shorter
	}
	if o.SoftTTL != 0 || o.FailSafe != 0 || o.Early != 0 {
		facts.Fresh = endOf(soft - shorter)
	}
	if o.Early != 0 {
		facts.Took = took
	}
	// The item stays in the cache longer than its TTL if FailSafe is set.
	return stored[T]{value: value[T]{Value: v, Facts: facts}, ttl: add(ttl, o.FailSafe)}
}

// jitter returns by how much a time to live is shortened, at random.
func (c *Cached[T]) jitter(ttl time.Duration) time.Duration {
	if c.opts.Jitter == 0 || ttl == core.Forever {
		return 0
	}
	return time.Duration(rand.Float64() * c.opts.Jitter * float64(ttl))
}

// lastFresh is the latest time that is stored in an envelope, which counts nanoseconds in 64
// bits. They end in the year 2262.
var lastFresh = time.Date(2262, 1, 1, 0, 0, 0, 0, time.UTC)

// endOf returns the time when ttl ends if it begins now. If that is after lastFresh, it
// returns the zero time, which means never.
func endOf(ttl time.Duration) time.Time {
	if end := time.Now().Add(ttl); end.Before(lastFresh) {
		return end
	}
	return time.Time{}
}
