package memcache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"github.com/cachewire/cachewire/core"
)

// Unavailable returns an error that wraps core.ErrUnavailable and err, and names server. If
// err is the error of a context, it is replaced by os.ErrDeadlineExceeded or net.ErrClosed: a
// time-out or the Close of the driver caused it, and the caller must not mistake it for the
// error of its own context.
func Unavailable(server Server, err error) error {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		err = os.ErrDeadlineExceeded
	case errors.Is(err, context.Canceled):
		err = net.ErrClosed
	}
	return fmt.Errorf("%w: %s: %w", core.ErrUnavailable, server.Addr, err)
}

// A ReplyError is the error of a verb to which the server replied.
type ReplyError struct {
	Sentinel error  // the error of core that it means, such as core.ErrTooLarge
	Text     string // the rest of the error, such as "the server replied ERROR"
}

// Error returns the sentinel and the text.
func (e *ReplyError) Error() string { return e.Sentinel.Error() + ": " + e.Text }

// Unwrap returns the sentinel.
func (e *ReplyError) Unwrap() error { return e.Sentinel }

// IsLost reports whether err says that the connection was closed. A read may then be sent
// again over another connection. A write must not, because it may have arrived.
func IsLost(err error) bool {
	for _, lost := range closedErrors {
		if errors.Is(err, lost) {
			return true
		}
	}
	return errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed)
}
