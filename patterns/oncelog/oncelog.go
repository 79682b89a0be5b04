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
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/cachewire/cachewire/core"
)

// Options are the settings of a Handler.
type Options struct {
	// Period is how long repetitions of a record are dropped. If 0, it is one minute.
	Period time.Duration

	// Prefix is put before the key of a record to make its key in the cache. If "", it is
	// "~cw:log:". A key that would become too long is hashed.
	Prefix string

	// Key returns the key of a record. Records with the same key are repetitions of each
	// other. A record whose key is "" always passes. If nil, records are repetitions if they
	// have the same level and message, and their loggers the same attributes and groups. The
	// attributes of the records themselves make no difference.
	Key func(ctx context.Context, r slog.Record) string
}

// A Handler passes a record on to another handler, and drops its repetitions for
// Options.Period, in all processes that share the cache. The next record with the same key
// that passes, if it comes within another period, has the attribute "dropped" with the number
// of records that this process has dropped since the last one, unless that is 0.
//
// If another process has logged a record, its repetitions can be dropped here for a tenth
// of the period longer, because the Handler does not call the cache for each record.
//
// If the cache fails or keeps nothing, the Handler drops only repetitions of records that
// this process has logged. After a failure, the Handler does not call the cache for a second.
// Hooks of the cache may log while the Handler calls it. The Handler does not call the cache
// for these records.
//
// Many goroutines may use a Handler at once.
type Handler struct {
	inner slog.Handler
	with  string // the attributes and groups of the logger, as part of the key
	*shared
}

// shared is the state that a Handler shares with those that its WithAttrs and WithGroup
// return.
type shared struct {
	cache *core.Cache
	opts  Options

	mu        sync.Mutex
	downUntil time.Time // guarded by mu: the cache failed, and is not called until then

	// seen has what is known about the records with a key. A record is removed by sweep, a
	// period after it is no longer quiet, or if there are maxSeen others. The map is guarded
	// by mu.
	seen map[string]record

	timer *time.Timer // guarded by mu: calls sweep; nil if seen is empty
}

// A record is what is known about the log records with a key.
type record struct {
	quietUntil time.Time // records are dropped without a call of the cache until then
	dropped    int
}

// maxSeen is the number of keys that a Handler remembers.
const maxSeen = 10_000

// maxWait is how long a Handler waits for the cache.
const maxWait = time.Second

// New returns a Handler that passes records on to inner. A nil opts is the zero Options. New
// returns core.ErrConfig if inner or cache is nil, if the Period is negative, or if the
// Prefix is so long that no record has a key.
func New(inner slog.Handler, cache *core.Cache, opts *Options) (*Handler, error) {
	s := &shared{cache: cache}
	if opts != nil {
		s.opts = *opts
	}
	switch {
	case inner == nil:
		return nil, configErrorf("the inner handler is nil; want one like slog.Default().Handler()")
	case cache == nil:
		return nil, configErrorf("the cache is nil; core.Open returns one")
	case s.opts.Period < 0:
		return nil, configErrorf("Options.Period is %v; want 0 (a minute) or more", s.opts.Period)
	case len(s.opts.Prefix) > maxPrefixLen:
		return nil, configErrorf("Options.Prefix is %d bytes long; want at most %d",
			len(s.opts.Prefix), maxPrefixLen)
	case s.opts.Period == 0:
		s.opts.Period = time.Minute
	}
	if s.opts.Prefix == "" {
		s.opts.Prefix = "~cw:log:"
	}
	return &Handler{inner: inner, shared: s}, nil
}

const (
	hashed = "sha256:" // is put before a hash, which distinguishes it from keys

	// maxPrefixLen leaves room for the hash of a key.
	maxPrefixLen = core.MaxKeyLen - len(hashed) - 2*sha256.Size
)

// configErrorf returns an error that wraps core.ErrConfig.
func configErrorf(format string, args ...any) error {
	return fmt.Errorf("%w: oncelog: "+format, append([]any{core.ErrConfig}, args...)...)
}

// Enabled reports whether the inner handler handles records at level.
func (h *Handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.inner.Enabled(ctx, level)
}

// WithAttrs returns a Handler that adds attrs to records. Unless Options.Key is set, records
// of the new Handler are not repetitions of records of h.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(attrs) == 0 {
		return h
	}
	with := []byte(h.with)
	for _, a := range attrs {
		with = strconv.AppendQuote(with, a.Key)
		with = append(with, '=')
		with = strconv.AppendQuote(with, a.Value.Resolve().String())
		with = append(with, ',')
	}
	return &Handler{h.inner.WithAttrs(attrs), string(with), h.shared}
}

// WithGroup returns a Handler that puts the attributes of records into a group. Unless
// Options.Key is set, records of the new Handler are not repetitions of records of h.
func (h *Handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return &Handler{h.inner.WithGroup(name), h.with + strconv.Quote(name) + "{", h.shared}
}

// key returns the key of r, or "" if r always passes. The part before the message is quoted,
// so that no message looks like it.
func (h *Handler) key(ctx context.Context, r slog.Record) string {
	if h.opts.Key != nil {
		return h.opts.Key(ctx, r)
	}
	return r.Level.String() + ":" + h.with + ":" + r.Message
}

// cacheKey returns the key of the item for the records with key.
func (s *shared) cacheKey(key string) string {
	if len(s.opts.Prefix)+len(key) <= core.MaxKeyLen {
		return s.opts.Prefix + key
	}
	hash := sha256.Sum256([]byte(key))
	return s.opts.Prefix + hashed + hex.EncodeToString(hash[:])
}

// Handle passes r on, or drops it. If it passes r on, it returns the error of the inner
// handler.
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	if ctx == nil {
		ctx = context.Background()
	}
	key := h.key(ctx, r)
	if key == "" {
		return h.inner.Handle(ctx, r)
	}
	key = h.cacheKey(key)
	before, quiet, down := h.begin(key)
	if quiet {
		return nil
	}
	if !down && !insideItself() {
		err := h.add(ctx, key)
		if errors.Is(err, core.ErrExists) {
			h.drop(key, before)
			return nil
		}
		if err != nil {
			h.fail()
		}
	}
	if before != 0 {
		r = r.Clone()
		r.AddAttrs(slog.Int("dropped", before))
	}
	return h.inner.Handle(ctx, r)
}

// add stores the item under key if it is absent. It is the only function that calls the cache.
// insideItself must find it in a stack.
//
//go:noinline
func (s *shared) add(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), maxWait)
	defer cancel()
	return s.cache.Add(ctx, key, []byte("1"), s.opts.Period)
}

// addEntry is where shared.add begins.
var addEntry = reflect.ValueOf((*shared).add).Pointer()

// insideItself reports whether this goroutine handles a record while a Handler calls the cache:
// a hook or a codec of the cache has logged it. Its context may say nothing about that.
func insideItself() bool {
	var pcs [64]uintptr
	for skip := 2; ; skip += len(pcs) {
		n := runtime.Callers(skip, pcs[:])
		for _, pc := range pcs[:n] {
			if f := runtime.FuncForPC(pc - 1); f != nil && f.Entry() == addEntry {
				return true
			}
		}
		if n < len(pcs) {
			return false
		}
	}
}

// begin decides about a record with key without a call of the cache. It reports whether the
// record is dropped, and whether the cache is down. If the record is not dropped, the records
// that follow are dropped, and before is the number of records that were dropped since the
// last one that passed.
func (s *shared) begin(key string) (before int, quiet, down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	seen, known := s.seen[key]
	if now.Before(seen.quietUntil) {
		seen.dropped++
		s.seen[key] = seen
		return 0, true, false
	}
	if !known && len(s.seen) >= maxSeen {
		for other := range s.seen { // any
			delete(s.seen, other)
			break
		}
	}
	if s.seen == nil {
		s.seen = map[string]record{}
	}
	s.seen[key] = record{quietUntil: now.Add(s.opts.Period)}
	if s.timer == nil {
		s.timer = time.AfterFunc(s.opts.Period, s.sweep)
	}
	return seen.dropped, false, now.Before(s.downUntil)
}

// drop counts a record with key that is dropped because another process has logged one. It
// also counts the before records that were dropped earlier. For a tenth of the period,
// records with key are then dropped without a call of the cache.
func (s *shared) drop(key string, before int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen, ok := s.seen[key]
	if !ok { // forgotten, because there are so many others
		return
	}
	seen.dropped += before + 1
	seen.quietUntil = time.Now().Add(s.opts.Period / 10)
	s.seen[key] = seen
}

// fail notes that the cache has failed.
func (s *shared) fail() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.downUntil = time.Now().Add(time.Second)
}

// sweep removes the records that have not been quiet for a period.
func (s *shared) sweep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for key, seen := range s.seen {
		if !now.Before(seen.quietUntil.Add(s.opts.Period)) {
			delete(s.seen, key)
		}
	}
	if len(s.seen) == 0 {
		s.seen, s.timer = nil, nil
		return
	}
	s.timer.Reset(s.opts.Period)
}
