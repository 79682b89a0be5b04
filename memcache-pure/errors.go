package memcachepure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	gomemcache "github.com/bradfitz/gomemcache/memcache"

	"github.com/cachewire/cachewire/core"
)

// outcome tells the router how server has done, and answers err in the contract's
// words.
func (b *Backend) outcome(server int, err error) error {
	switch err {
	case nil, core.ErrMiss, core.ErrExists:
	case gomemcache.ErrCacheMiss:
		err = core.ErrMiss
	case gomemcache.ErrCASConflict:
		err = core.ErrConflict
	case gomemcache.ErrMalformedKey: // of a KeyEncoder that is none
		return fmt.Errorf("%w: %w", core.ErrInvalidKey, err)
	default:
		return b.failure(server, err)
	}
	b.router.Report(server, true)
	return err
}

// failure is outcome for an error that is no plain answer.
func (b *Backend) failure(server int, err error) error {
	var said serverError
	if errors.As(err, &said) {
		b.router.Report(server, true)
		return fmt.Errorf("%w: %s: %w", said.meaning(), b.addrs[server], said)
	}
	b.router.Report(server, false)
	return fmt.Errorf("%w: %s: %w", core.ErrUnavailable, b.addrs[server], withoutContext(err))
}

// withoutContext answers err in words that do not look like the caller's context.
func withoutContext(err error) error {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return os.ErrDeadlineExceeded
	case errors.Is(err, context.Canceled):
		return net.ErrClosed
	}
	return err
}

// meaning answers the contract's word for what the server says, which
// memcached's protocol.txt and source tell.
func (e serverError) meaning() error {
	switch {
	case strings.HasPrefix(string(e), "CLIENT_ERROR cannot increment or decrement non-numeric value"):
		return core.ErrNotNumber
	case strings.HasPrefix(string(e), "SERVER_ERROR object too large for cache"):
		return core.ErrTooLarge
	}
	return core.ErrUnavailable
}

// isAnswer tells whether err, or that there is none, is what the server answered.
func isAnswer(err error) bool {
	switch err {
	case nil, core.ErrMiss, core.ErrExists, gomemcache.ErrCacheMiss, gomemcache.ErrCASConflict:
		return true
	}
	var said serverError
	return errors.As(err, &said)
}

// isLost tells whether err is that of a connection which the server has closed.
// A read may then be sent again.
func isLost(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, syscall.EPIPE) || errors.Is(err, net.ErrClosed)
}
