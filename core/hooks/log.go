package hooks

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/cachewire/cachewire/core"
)

// A Slow is a Hook that reports verbs that took longer than Threshold.
type Slow struct {
	Threshold time.Duration

	// Report is called by many goroutines at once, and the callers of the verbs wait
	// for it. If nil, the verb is logged by slog.Default at warning level.
	Report func(ctx context.Context, op *core.Op)
}

// After reports the verb if it took longer than s.Threshold.
func (s *Slow) After(ctx context.Context, op *core.Op) {
	switch {
	case op.Duration <= s.Threshold:
	case s.Report != nil:
		s.Report(ctx, op)
	default:
		slog.LogAttrs(ctx, slog.LevelWarn, "slow cache", attrsOf(op)...)
	}
}

// A Log is a Hook that logs each verb at debug level. It logs keys, and never values. If
// Logger is nil, it is slog.Default.
type Log struct{ Logger *slog.Logger }

// maxLoggedKeys is the largest number of keys of a verb that are logged.
const maxLoggedKeys = 10

// After logs the verb.
func (l *Log) After(ctx context.Context, op *core.Op) {
	logger := l.Logger
	if logger == nil {
		logger = slog.Default()
	}
	if !logger.Enabled(ctx, slog.LevelDebug) {
		return
	}
	logger.LogAttrs(ctx, slog.LevelDebug, "cache", attrsOf(op)...)
}

// attrsOf returns the attributes of op that may be logged.
func attrsOf(op *core.Op) []slog.Attr {
	attrs := []slog.Attr{
		slog.String("cache", op.Cache),
		slog.String("verb", op.Verb),
		slog.Duration("duration", op.Duration),
	}
	if op.Key != "" {
		attrs = append(attrs, slog.String("key", op.Key))
	}
	if len(op.Keys) > 0 {
		// A copy, because a handler may keep the keys.
		keys := append([]string(nil), op.Keys[:min(len(op.Keys), maxLoggedKeys)]...)
		attrs = append(attrs, slog.Any("keys", keys))
	}
	if more := len(op.Keys) - maxLoggedKeys; more > 0 {
		attrs = append(attrs, slog.Int("more_keys", more))
	}
	if op.Hits+op.Misses > 0 {
		attrs = append(attrs, slog.Int("hits", op.Hits), slog.Int("misses", op.Misses))
	}
	if op.Err != nil && op.Err != core.ErrMiss {
		attrs = append(attrs, errorAttr(op.Err))
	}
	return attrs
}

// errorAttr returns an attribute for err without any text that may contain part of a value.
func errorAttr(err error) slog.Attr {
	var multi *core.MultiError
	switch {
	case errors.As(err, &multi):
		return slog.Int("failed", len(multi.Errors))
	case errors.Is(err, core.ErrCodec):
		err = core.ErrCodec
	case errors.Is(err, core.ErrNotNumber):
		err = core.ErrNotNumber
	}
	return slog.Any("err", err)
}
