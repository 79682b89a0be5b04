// Package oncelog logs a message once a minute in all processes together, instead of a
// million times. It wraps a handler of log/slog:
//
//	handler, err := oncelog.New(slog.Default().Handler(), cache, nil)
//	if err != nil {
//		return err
//	}
//	slog.New(handler).Error("database is down")
package oncelog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/cachewire/cachewire/core"
)

// Options are the settings of a Handler.
type Options struct {
	// Period is how long repetitions of a record are dropped. If 0, it is one minute.
	Period time.Duration

	// Prefix is put before the key of a record to make its key in the cache. If "", it is
	// "log:".
	Prefix string

	// Key returns the key of a record. Records with the same key are repetitions of each
	// other. A record whose key is "" always passes. If nil, the key is the message.
	Key func(ctx context.Context, r slog.Record) string
}

// A Handler passes a record on to another handler, and drops its repetitions for
// Options.Period, in all processes that share the cache. The next record with the same key
// that passes has the attribute "dropped" with the number of records that this process has
// dropped since the last one, unless that is 0.
//
// If another process has logged a record, its repetitions can be dropped here for a tenth
// of the period longer, because the Handler does not call the cache for each record. If the
// cache fails, all records pass that this process does not know to be repetitions, and the
// Handler does not call the cache for a second. If the cache keeps nothing, all records
// pass. Many goroutines may use a Handler at once.
type Handler struct {
	inner slog.Handler
	*shared
}

// shared is the state that a Handler shares with those that its WithAttrs and WithGroup
// return.
type shared struct {
	cache *core.Cache
	opts  Options

	mu        sync.Mutex
	seen      map[string]*record // guarded by mu
	downUntil time.Time          // guarded by mu: the cache failed, and is not called until then
}

// A record is what is known about the log records with a key.
type record struct {
	quietUntil time.Time // records are dropped without a call of the cache until then
	dropped    int
}

// maxSeen is the number of keys that a Handler remembers. If there are more, it forgets those
// that are no longer quiet, or all of them if there are none, with their numbers of dropped
// records.
const maxSeen = 10_000

// New returns a Handler that passes records on to inner. A nil opts is the zero Options.
// The error is core.ErrConfig: inner or cache is nil, or the Period is negative.
func New(inner slog.Handler, cache *core.Cache, opts *Options) (*Handler, error) {
	s := &shared{cache: cache, seen: map[string]*record{}}
	if opts != nil {
		s.opts = *opts
	}
	switch {
	case inner == nil:
		return nil, configErrorf("the inner handler is nil; want one like slog.Default().Handler()")
	case cache == nil:
		return nil, configErrorf("the cache is nil; core.Open returns one")
	case s.opts.Period < 0:
		return nil, configErrorf("Options.Period is %v, want 0 (a minute) or more", s.opts.Period)
	case s.opts.Period == 0:
		s.opts.Period = time.Minute
	}
	if s.opts.Prefix == "" {
		s.opts.Prefix = "log:"
	}
	if s.opts.Key == nil {
		s.opts.Key = func(_ context.Context, r slog.Record) string { return r.Message }
	}
	return &Handler{inner, s}, nil
}

// configErrorf returns an error that wraps core.ErrConfig.
func configErrorf(format string, args ...any) error {
	return fmt.Errorf("%w: oncelog: "+format, append([]any{core.ErrConfig}, args...)...)
}

// Enabled reports whether the inner handler handles records at level.
func (h *Handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.inner.Enabled(ctx, level)
}

// WithAttrs returns a Handler that adds attrs to records. It shares with h which records have
// passed.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &Handler{h.inner.WithAttrs(attrs), h.shared}
}

// WithGroup returns a Handler that puts the attributes of records into a group. It shares
// with h which records have passed.
func (h *Handler) WithGroup(name string) slog.Handler {
	return &Handler{h.inner.WithGroup(name), h.shared}
}

// insideHandler is the key of the contexts with which a Handler calls the cache. Records
// that are logged with such a context, by a hook of the cache, pass.
type insideHandler struct{}

// Handle passes r on, or drops it. If it passes r on, it returns the error of the inner
// handler.
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	if ctx == nil {
		ctx = context.Background()
	}
	key := h.opts.Key(ctx, r)
	if key == "" || ctx.Value(insideHandler{}) != nil {
		return h.inner.Handle(ctx, r)
	}
	quiet, down := h.lookUp(key)
	switch {
	case quiet:
		return nil
	case down:
		return h.inner.Handle(ctx, r)
	}
	addCtx := context.WithValue(ctx, insideHandler{}, true)
	err := h.cache.Add(addCtx, h.opts.Prefix+key, []byte("1"), h.opts.Period)
	if errors.Is(err, core.ErrExists) {
		h.countDropped(key)
		return nil
	}
	cacheFailed := err != nil && ctx.Err() == nil
	if dropped := h.countPassed(key, err == nil, cacheFailed); dropped != 0 {
		r = r.Clone()
		r.AddAttrs(slog.Int("dropped", dropped))
	}
	return h.inner.Handle(ctx, r)
}

// lookUp reports whether a record with key is dropped without a call of the cache, which it
// counts then, or passes without one because the cache is down.
func (s *shared) lookUp(key string) (quiet, down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if seen := s.seen[key]; seen != nil && now.Before(seen.quietUntil) {
		seen.dropped++
		return true, false
	}
	return false, now.Before(s.downUntil)
}

// countDropped counts a record with key that is dropped because another one has passed. For a
// tenth of the period, records with key are dropped without a call of the cache.
func (s *shared) countDropped(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := s.record(key)
	seen.dropped++
	seen.quietUntil = time.Now().Add(s.opts.Period / 10)
}

// countPassed returns how many records with key were dropped since the last one that
// passed, and sets that number to 0. Stored says that the key is now in the cache.
func (s *shared) countPassed(key string, stored, cacheFailed bool) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cacheFailed {
		s.downUntil = time.Now().Add(time.Second)
	}
	if !stored || s.cache.Traits().KeepsNothing {
		seen := s.seen[key]
		delete(s.seen, key)
		if seen == nil {
			return 0
		}
		return seen.dropped
	}
	seen := s.record(key)
	dropped := seen.dropped
	*seen = record{quietUntil: time.Now().Add(s.opts.Period)}
	return dropped
}

// record returns the record of key, and makes one if there is none. It is called with mu
// held.
func (s *shared) record(key string) *record {
	if seen := s.seen[key]; seen != nil {
		return seen
	}
	if len(s.seen) >= maxSeen {
		now := time.Now()
		for key, seen := range s.seen {
			if now.After(seen.quietUntil) {
				delete(s.seen, key)
			}
		}
		if len(s.seen) >= maxSeen {
			clear(s.seen)
		}
	}
	seen := new(record)
	s.seen[key] = seen
	return seen
}
