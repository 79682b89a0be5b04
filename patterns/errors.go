package patterns

import (
	"context"
	"errors"

	"github.com/cachewire/cachewire/core"
)

// handleCacheError returns err as fatal if the caller must get it, because ctx is done or the
// caller can correct it. It calls OnError with any other error. Down then reports whether the
// cache could not be used; it is false if a value could not be decoded.
func (c *Cached[T]) handleCacheError(ctx context.Context, err error) (down bool, fatal error) {
	switch {
	case err == nil:
		return false, nil
	case ctx.Err() != nil, isCallerError(err):
		return false, err
	}
	c.opts.OnError(ctx, err)
	return !errors.Is(err, core.ErrCodec), nil
}

// firstError returns the first of errs that is not nil.
func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// isCallerError reports whether err is one that the caller can correct.
func isCallerError(err error) bool {
	for _, target := range []error{
		core.ErrInvalidKey,
		core.ErrInvalidTTL,
		core.ErrConfig,
		core.ErrClosed,
		errors.ErrUnsupported,
	} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// handleMultiError is handleCacheError for the error of a multi verb. The error is also fatal
// if the caller can correct the error of one of the keys.
func (c *Cached[T]) handleMultiError(ctx context.Context, err error) (down bool, fatal error) {
	var multi *core.MultiError
	if errors.As(err, &multi) {
		for _, err := range multi.Errors {
			if isCallerError(err) {
				return false, err
			}
		}
	}
	return c.handleCacheError(ctx, err)
}
