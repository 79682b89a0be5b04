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

// Unavailable answers core.ErrUnavailable together with server and err, of which
// what looks like the error of a context is put in other words: it was a time-out
// of the driver's, or its Close, and not the caller's context.
func Unavailable(server Server, err error) error {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		err = os.ErrDeadlineExceeded
	case errors.Is(err, context.Canceled):
		err = net.ErrClosed
	}
	return fmt.Errorf("%w: %s: %w", core.ErrUnavailable, server.Addr, err)
}

// IsLost reports whether err says that the connection was closed. A read may then
// be sent again over another one; a write may have arrived.
func IsLost(err error) bool {
	for _, lost := range closedErrors {
		if errors.Is(err, lost) {
			return true
		}
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}
