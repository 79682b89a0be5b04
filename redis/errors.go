package redis

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/redis/rueidis"

	"github.com/cachewire/cachewire/core"
)

// isUnsent reports whether err says that a command has not left the program.
func isUnsent(err error) bool { return err == errInlineDial }

// isLost reports whether err says that a connection was closed. Systems differ in the errors for
// a reset, so that each failed read or write counts, unless it timed out.
func isLost(err error) bool {
	if err == nil {
		return false // without allocating what errors.As writes to
	}
	var op *net.OpError
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) ||
		errors.As(err, &op) && (op.Op == "read" || op.Op == "write") && !op.Timeout()
}

// failure returns the error of a verb for an error of rueidis that is not a nil reply.
func failure(ctx context.Context, err error) error {
	if said, ok := rueidis.IsRedisErr(err); ok {
		return refusal(said)
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		// A time-out of a connection is not a time-out of ctx.
		return fmt.Errorf("%w: %v", core.ErrUnavailable, err)
	}
	return fmt.Errorf("%w: %w", core.ErrUnavailable, err)
}

// refusal returns the error of a verb for an error that Redis has sent.
func refusal(said *rueidis.RedisError) error {
	text := said.Error()
	switch {
	case isWrongType(said):
		return fmt.Errorf("%w: the key holds another type of Redis than a string: %w",
			core.ErrCodec, said)
	case strings.HasPrefix(text, "MOVED "), strings.HasPrefix(text, "ASK "):
		return fmt.Errorf("%w: the server belongs to a cluster: open it with cluster=true: %w",
			core.ErrUnavailable, said)
	case strings.HasPrefix(text, "READONLY "):
		return fmt.Errorf("%w: the server is a replica, which takes no writes: %w",
			core.ErrUnavailable, said)
	case strings.Contains(text, "unknown command") &&
		strings.Contains(strings.ToUpper(text), "EVAL"):
		return fmt.Errorf("%w: the server has no scripts, which this verb needs: %w",
			core.ErrUnavailable, said)
	}
	return fmt.Errorf("%w: %w", core.ErrUnavailable, said)
}

// isWrongType reports whether a key holds something other than a string. Before Redis 7, other
// words precede WRONGTYPE in the error of a script.
func isWrongType(err error) bool {
	said, ok := rueidis.IsRedisErr(err)
	return ok && strings.Contains(said.Error(), "WRONGTYPE ")
}
