package memcache

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/cachewire/cachewire/core"
)

// countLarge is count for a value that memcached does not accept as a number. If it is a
// number of 2^63 or more, memcached looks for a minus sign in the bytes after it, which may
// belong to another item (safe_strtoull in util.c).
//
// countLarge then changes the number by compare-and-swap, over another connection, with the
// meta commands of memcached 1.6 (doc/protocol.txt). Only these say how long an item has to
// live. They count whole seconds, so the item may live up to two seconds longer. If the
// server has no meta commands, countLarge returns refusal.
func (b *Backend) countLarge(
	ctx context.Context, key string, delta uint64, down bool, refusal error,
) (uint64, error) {
	value, err := b.Get(ctx, key)
	if err != nil {
		return 0, err
	}
	if _, err := core.ParseCount(value); err != nil {
		return 0, refusal
	}
	if key, err = b.router.Encode(key); err != nil {
		return 0, err
	}
	server, err := b.ServerOf(key)
	if err != nil {
		return 0, err
	}
	limited, cancel := context.WithTimeout(ctx, b.opts.Timeout)
	defer cancel()
	defer context.AfterFunc(b.closing, cancel)()
	conn, err := b.opts.Dial(limited, server)
	if err == nil {
		defer conn.Close()
		defer context.AfterFunc(limited, func() { conn.Close() })()
		m := metaConn{conn, bufio.NewReader(conn)}
		var n uint64
		n, err = m.count(key, func(n uint64) uint64 {
			if down {
				return n - min(n, delta)
			}
			return n + delta
		})
		switch {
		case errors.Is(err, errNoMeta):
			return 0, refusal
		case err == nil, err == core.ErrMiss, err == core.ErrNotNumber:
			return n, err
		}
	}
	if ctxErr := endOf(ctx); ctxErr != nil {
		return 0, ctxErr
	}
	if limited.Err() != nil {
		err = limited.Err()
	}
	return 0, Unavailable(server, err)
}

// A metaConn is a connection over which meta commands are sent.
type metaConn struct {
	net.Conn
	r *bufio.Reader
}

var errNoMeta = errors.New("the server has no meta commands")

// count replaces the number under key by the result of change for it, and returns the result.
func (m metaConn) count(key string, change func(n uint64) uint64) (uint64, error) {
	for {
		old, cas, flags, ttl, err := m.get(key)
		if err != nil {
			return 0, err
		}
		n := change(old)
		expiry := max(ttl, 0)
		if ttl > maxRelative {
			expiry = Expiry(time.Duration(ttl)*time.Second, time.Now())
		}
		digits := fmt.Sprint(n)
		request := fmt.Sprintf("ms %s %d C%d F%d T%d\r\n%s\r\n",
			key, len(digits), cas, flags, expiry, digits)
		reply, err := m.exchange(request)
		if err != nil {
			return 0, err
		}
		switch reply {
		case "HD":
			return n, nil
		case "NF":
			return 0, core.ErrMiss
		case "EX": // another client has changed it
		default:
			return 0, fmt.Errorf("the reply to ms is %.100q", reply)
		}
	}
}

// get reads a number. Its ttl, in seconds, is -1 if it never expires.
func (m metaConn) get(key string) (n, cas uint64, flags uint32, ttl int32, err error) {
	reply, err := m.exchange("mg " + key + " c f t v\r\n")
	if err != nil {
		return 0, 0, 0, 0, err
	}
	var length int
	_, err = fmt.Sscanf(reply, "VA %d c%d f%d t%d", &length, &cas, &flags, &ttl)
	switch {
	case reply == "EN":
		return 0, 0, 0, 0, core.ErrMiss
	case err != nil:
		return 0, 0, 0, 0, fmt.Errorf("%w: the reply to mg is %.100q", errNoMeta, reply)
	}
	const longest = 100 // a number of memcached has 20 digits, and spaces may follow
	if length < 0 || length > longest {
		return 0, 0, 0, 0, core.ErrNotNumber
	}
	value := make([]byte, length+len("\r\n"))
	if _, err := io.ReadFull(m.r, value); err != nil {
		return 0, 0, 0, 0, err
	}
	n, err = core.ParseCount(value[:length])
	return n, cas, flags, ttl, err
}

// exchange sends a request and returns the line of its reply, without its end.
func (m metaConn) exchange(request string) (string, error) {
	if _, err := io.WriteString(m, request); err != nil {
		return "", err
	}
	line, err := m.r.ReadSlice('\n') // fails if the line is longer than the buffer
	if err != nil {
		return "", err
	}
	return strings.TrimSuffix(string(line), "\r\n"), nil
}
