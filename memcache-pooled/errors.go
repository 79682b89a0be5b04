package memcachepooled

import (
	"errors"
	"fmt"
	"reflect"

	rainycape "github.com/rainycape/memcache"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
)

// outcome tells the router how server has done, and answers err in the contract's
// words.
func (b *Backend) outcome(server int, err error) error {
	if !isAnswer(err) {
		b.router.Report(server, false)
		return memcache.Unavailable(b.router.Servers()[server], err)
	}
	b.router.Report(server, true)
	switch err {
	case nil, core.ErrExists, core.ErrConflict:
		return err
	case rainycape.ErrCacheMiss:
		return core.ErrMiss
	case rainycape.ErrBadIncrDec:
		return b.said(server, core.ErrNotNumber, err)
	case errNoTokens, errRaces, errNoFlush:
		return fmt.Errorf("%w (%s)", err, b.router.Servers()[server].Addr)
	}
	if status, ok := statusOf(err); ok {
		if status == statusTooLarge {
			return b.said(server, core.ErrTooLarge, err)
		}
		if text, ok := statusTexts[status]; ok {
			err = errors.New(text)
		}
		err = fmt.Errorf("status %#02x: %w", status, err)
	}
	return b.said(server, core.ErrUnavailable, err)
}

func (b *Backend) said(server int, sentinel, err error) error {
	return fmt.Errorf("%w: %s says: %w", sentinel, b.router.Servers()[server].Addr, err)
}

// isAnswer tells whether err, or that there is none, is what the server answered,
// or what follows from that. The connection is then as sound as before.
func isAnswer(err error) bool {
	switch err {
	case nil, core.ErrExists, core.ErrConflict, errNoTokens, errRaces, errNoFlush,
		rainycape.ErrCacheMiss, rainycape.ErrNotStored, rainycape.ErrBadIncrDec, rainycape.ErrMalformedKey:
		return true
	}
	_, ok := statusOf(err)
	return ok
}

// The statuses of memcached's binary protocol (protocol_binary.h) for which the
// library has no error, and those of them for which it has no text.
const statusTooLarge = 0x03

var statusTexts = map[uint16]string{
	0x81: "unknown command",
	0x82: "out of memory",
	0x83: "not supported",
	0x84: "internal error",
	0x85: "busy",
	0x86: "temporary failure",
}

var libraryPath = reflect.TypeFor[rainycape.Item]().PkgPath()

// statusOf answers the status of a reply that the library made an error of. Its
// type, a uint16, is the library's own.
func statusOf(err error) (uint16, bool) {
	v := reflect.ValueOf(err)
	if !v.IsValid() || v.Kind() != reflect.Uint16 || v.Type().PkgPath() != libraryPath {
		return 0, false
	}
	return uint16(v.Uint()), true
}
