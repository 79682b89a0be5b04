package memcachepure

import (
	"errors"
	"fmt"
	"strings"

	gomemcache "github.com/bradfitz/gomemcache/memcache"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
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
	return memcache.Unavailable(b.addrs[server].Server, err)
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
