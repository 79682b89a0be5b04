package memcachepooled

import (
	"errors"
	"fmt"
	"reflect"

	rainycape "github.com/rainycape/memcache"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
)

// report reports the result of a request to the router, and returns err as an error of the
// contract.
func (b *Backend) report(server int, err error) error {
	if !isReply(err) {
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
		return b.replyError(server, core.ErrNotNumber, err)
	case errNoTokens, errAlwaysChanged, errNoFlush:
		return fmt.Errorf("%w (%s)", err, b.router.Servers()[server].Addr)
	}
	if status, ok := statusOf(err); ok {
		if status == statusTooLarge {
			return b.replyError(server, core.ErrTooLarge, err)
		}
		if text, ok := statusTexts[status]; ok {
			err = errors.New(text)
		}
		err = fmt.Errorf("status %#02x: %w", status, err)
	}
	return b.replyError(server, core.ErrUnavailable, err)
}

// replyError returns the error for an error reply of server.
func (b *Backend) replyError(server int, sentinel, err error) error {
	addr := b.router.Servers()[server].Addr
	return fmt.Errorf("%w: %s: the server replied: %w", sentinel, addr, err)
}

// isReply reports whether err, which may be nil, is the result of a reply. The connection
// can then be used again.
func isReply(err error) bool {
	switch err {
	case nil, core.ErrExists, core.ErrConflict, errNoTokens, errAlwaysChanged, errNoFlush,
		rainycape.ErrCacheMiss, rainycape.ErrNotStored, rainycape.ErrBadIncrDec,
		rainycape.ErrMalformedKey:
		return true
	}
	_, ok := statusOf(err)
	return ok
}

// statusTooLarge is a status of the binary protocol of memcached (protocol_binary.h) for
// which the library has no error value.
const statusTooLarge = 0x03

// statusTexts are the texts of statuses for which the library has neither an error value
// nor a text.
var statusTexts = map[uint16]string{
	0x81: "unknown command",
	0x82: "out of memory",
	0x83: "not supported",
	0x84: "internal error",
	0x85: "busy",
	0x86: "temporary failure",
}

var libraryPath = reflect.TypeFor[rainycape.Item]().PkgPath()

// statusOf returns the status in err if err is an error reply for which the library has no
// error value. The type of such an error is a private uint16 of the library.
func statusOf(err error) (uint16, bool) {
	v := reflect.ValueOf(err)
	if !v.IsValid() || v.Kind() != reflect.Uint16 || v.Type().PkgPath() != libraryPath {
		return 0, false
	}
	return uint16(v.Uint()), true
}
