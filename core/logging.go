package core

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// A Slow is a Hook that reports verbs which took longer than Threshold. Many
// goroutines call Report at once; it keeps nothing of op.
type Slow struct {
	Threshold time.Duration
	Report    func(ctx context.Context, op *Op)
}

// Before does nothing.
func (s *Slow) Before(ctx context.Context, _ *Op) context.Context { return ctx }

// After reports.
func (s *Slow) After(ctx context.Context, op *Op) {
	if op.Duration > s.Threshold {
		s.Report(ctx, op)
	}
}

// A Log is a Hook that logs each verb at debug level: its keys, but never values.
// A nil Logger is slog.Default.
type Log struct{ Logger *slog.Logger }

// maxLoggedKeys is how many keys of a verb a line has.
const maxLoggedKeys = 10

// Before does nothing.
func (l *Log) Before(ctx context.Context, _ *Op) context.Context { return ctx }

// After logs.
func (l *Log) After(ctx context.Context, op *Op) {
	logger := l.Logger
	if logger == nil {
		logger = slog.Default()
	}
	if !logger.Enabled(ctx, slog.LevelDebug) {
		return
	}
	attrs := []slog.Attr{slog.String("cache", op.Cache), slog.String("verb", op.Verb), slog.Duration("duration", op.Duration)}
	if len(op.Keys) > 0 {
		keys := append([]string(nil), op.Keys[:min(len(op.Keys), maxLoggedKeys)]...) // a handler may keep them
		attrs = append(attrs, slog.Any("keys", keys))
	}
	if more := len(op.Keys) - maxLoggedKeys; more > 0 {
		attrs = append(attrs, slog.Int("more_keys", more))
	}
	if op.Hits+op.Misses > 0 {
		attrs = append(attrs, slog.Int("hits", op.Hits), slog.Int("misses", op.Misses))
	}
	if op.Err != nil && !isMiss(op.Err) {
		attrs = append(attrs, loggable(op.Err))
	}
	logger.LogAttrs(ctx, slog.LevelDebug, "cache", attrs...)
}

// loggable answers what may be logged of err: no text that can have part of a value.
func loggable(err error) slog.Attr {
	var multi *MultiError
	switch {
	case errors.As(err, &multi):
		return slog.Int("failed", len(multi.Errors))
	case errors.Is(err, ErrCodec):
		err = ErrCodec
	case errors.Is(err, ErrNotNumber):
		err = ErrNotNumber
	}
	return slog.Any("err", err)
}
