// Package oncelog has a fleet log an outage once a minute, and not a million times.
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
	// Period is how long a record is not repeated. If 0, it is one minute.
	Period time.Duration

	// Prefix is put before the key of a record. If "", it is "log:".
	Prefix string

	// Key returns the key of a record: records of the same key are repetitions. If nil,
	// it is the message. Records for which Key returns "" pass.
	Key func(ctx context.Context, r slog.Record) string
}

// A Handler passes a record on to another handler if none of its key has passed within
// the period, in any process that shares the cache. The next one that passes tells by
// the attribute "dropped" how many were dropped in this process since the last.
//
// Where another process has logged a record, it can take a tenth of the period longer
// until it passes here, as the cache is not asked about each. Where the cache fails all
// records pass, and for a second it is not asked. A cache that keeps nothing lets all pass, too.
// Many goroutines may use a Handler at once.
type Handler struct {
	inner slog.Handler
	*shared
}

// shared is what a Handler and those that were made of it have in common.
type shared struct {
	cache *core.Cache
	opts  Options

	mu   sync.Mutex
	seen map[string]*record // guarded by mu
	down time.Time          // guarded by mu: until when the cache, which failed, is not asked
}

// A record is what is known of a key.
type record struct {
	quiet   time.Time // until when the cache need not be asked
	dropped int
}

// maxSeen is how many keys a Handler remembers. Where there are more, those that are
// quiet no longer are forgotten, with what was dropped.
const maxSeen = 10_000

// New returns a Handler before inner. A nil opts is the zero Options. The error is
// core.ErrConfig: inner or cache is nil, or the Period is negative.
func New(inner slog.Handler, cache *core.Cache, opts *Options) (*Handler, error) {
	s := &shared{cache: cache, seen: map[string]*record{}}
	if opts != nil {
		s.opts = *opts
	}
	switch {
	case inner == nil:
		return nil, fmt.Errorf("%w: oncelog: the inner handler is nil; want one like slog.Default().Handler()", core.ErrConfig)
	case cache == nil:
		return nil, fmt.Errorf("%w: oncelog: the cache is nil; core.Open returns one", core.ErrConfig)
	case s.opts.Period < 0:
		return nil, fmt.Errorf("%w: oncelog: Options.Period is %v, want 0 (a minute) or more", core.ErrConfig, s.opts.Period)
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

// Enabled answers what the inner handler does.
func (h *Handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.inner.Enabled(ctx, level)
}

// WithAttrs answers a Handler whose records have attrs. It shares with h what has passed.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &Handler{h.inner.WithAttrs(attrs), h.shared}
}

// WithGroup answers a Handler whose records' attributes are in a group. It shares with h
// what has passed.
func (h *Handler) WithGroup(name string) slog.Handler {
	return &Handler{h.inner.WithGroup(name), h.shared}
}

// inside marks the contexts under which a Handler calls the cache. What is logged there,
// by a hook of the cache, passes.
type inside struct{}

// Handle passes r on, or drops it.
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	if ctx == nil {
		ctx = context.Background()
	}
	key := h.opts.Key(ctx, r)
	if key == "" || ctx.Value(inside{}) != nil {
		return h.inner.Handle(ctx, r)
	}
	quiet, down := h.known(key)
	switch {
	case quiet:
		return nil
	case down:
		return h.inner.Handle(ctx, r)
	}
	err := h.cache.Add(context.WithValue(ctx, inside{}, true), h.opts.Prefix+key, []byte("1"), h.opts.Period)
	if errors.Is(err, core.ErrExists) {
		h.drop(key)
		return nil
	}
	if dropped := h.pass(key, err == nil, ctx.Err() == nil); dropped != 0 {
		r = r.Clone()
		r.AddAttrs(slog.Int("dropped", dropped))
	}
	return h.inner.Handle(ctx, r)
}

// known tells whether a record of key is dropped without a look into the cache, and
// counts it, or passes without one.
func (s *shared) known(key string) (quiet, down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if seen := s.seen[key]; seen != nil && now.Before(seen.quiet) {
		seen.dropped++
		return true, false
	}
	return false, now.Before(s.down)
}

// drop counts a record of key that somebody else's has kept from passing. For a tenth of
// the period the cache is not asked again.
func (s *shared) drop(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := s.record(key)
	seen.dropped++
	seen.quiet = time.Now().Add(s.opts.Period / 10)
}

// pass answers how many records of key were dropped since the last that passed.
func (s *shared) pass(key string, stored, asked bool) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !stored && asked {
		s.down = time.Now().Add(time.Second)
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
	*seen = record{quiet: time.Now().Add(s.opts.Period)}
	return dropped
}

// record answers the record of key, which is made if there is none. It is called with mu
// held.
func (s *shared) record(key string) *record {
	if seen := s.seen[key]; seen != nil {
		return seen
	}
	if len(s.seen) >= maxSeen {
		now := time.Now()
		for key, seen := range s.seen {
			if now.After(seen.quiet) {
				delete(s.seen, key)
			}
		}
		if len(s.seen) >= maxSeen { // all are quiet
			clear(s.seen)
		}
	}
	seen := new(record)
	s.seen[key] = seen
	return seen
}
