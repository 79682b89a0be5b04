package memcachepure

import (
	"errors"
	"fmt"
	"strings"

	gomemcache "github.com/bradfitz/gomemcache/memcache"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
)

// report reports the result of a request to the router, and returns err as an error of the
// contract.
func (b *Backend) report(server int, err error) error {
	switch err {
	case nil, core.ErrMiss, core.ErrExists:
	case gomemcache.ErrCacheMiss:
		err = core.ErrMiss
	case gomemcache.ErrCASConflict:
		err = core.ErrConflict
	default:
		return b.reportFailure(server, err)
	}
	b.router.Report(server, true)
	return err
}

// reportFailure is report for an error that is not a regular result of a verb.
func (b *Backend) reportFailure(server int, err error) error {
	var serverErr serverError
	if errors.As(err, &serverErr) {
		b.router.Report(server, true)
		return fmt.Errorf("%w: %s: %w", serverErr.sentinel(), b.addrs[server], serverErr)
	}
	b.router.Report(server, false)
	return memcache.Unavailable(b.addrs[server].Server, err)
}

// sentinel returns the sentinel error of core for e. The texts are from the protocol.txt
// and the source of memcached.
func (e serverError) sentinel() error {
	switch {
	case strings.HasPrefix(string(e),
		"CLIENT_ERROR cannot increment or decrement non-numeric value"):
		return core.ErrNotNumber
	case strings.HasPrefix(string(e), "SERVER_ERROR object too large for cache"):
		return core.ErrTooLarge
	}
	return core.ErrUnavailable
}

// isReply reports whether err, which may be nil, is the result of a reply.
func isReply(err error) bool {
	switch err {
	case nil, core.ErrMiss, core.ErrExists, gomemcache.ErrCacheMiss, gomemcache.ErrCASConflict:
		return true
	}
	var serverErr serverError
	return errors.As(err, &serverErr)
}
