package memcache

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/jackc/puddle/v2"
)

// A Conn is the connection that a client library uses. It differs from other connections in
// two ways. The Backend sets the deadline of a request, so the methods that set deadlines do
// nothing. Once it is closed, by the library because of an error or by the Backend, it is not
// used again.
//
// One goroutine uses it at a time, but any goroutine may close it.
type Conn struct {
	net.Conn
	client Client
	end    func() // Close without a result, kept so that verbs do not allocate it
	check  idleCheck

	res      *puddle.Resource[*Conn] // while it is not idle
	forget   func() bool             // ends that the Backend closes it
	rested   time.Duration           // how long it was idle before the present verb; 0 if it is new
	took     time.Duration           // how long its last verb took, until the pool has noted it
	epoch    int                     // pool.epoch when it was dialed
	received bool                    // whether the server has sent anything
	closed   atomic.Bool
}

func newConn(conn net.Conn, client func(*Conn) Client) *Conn {
	c := &Conn{Conn: conn}
	c.end = func() { c.Close() }
	c.check.init(conn)
	c.client = client(c)
	return c
}

// errFull is the error of a new connection if the server has as many as its option -c allows,
// and closes it. The server has not read any request.
var errFull = errors.New("the server replied ERROR Too many open connections")

// fullReply is the line that memcached sends in this case, in the binary protocol as well.
var fullReply = []byte("ERROR Too many open connections")

// Read reads bytes of a reply.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && !c.received {
		c.received = true
		if bytes.HasPrefix(p[:n], fullReply) {
			return 0, errFull
		}
	}
	return n, err
}

// Write writes bytes of a request. If the server has closed the connection before, Write looks
// for the reason that it may have sent.
func (c *Conn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if err != nil && !c.received {
		var b [len("ERROR Too many open connections")]byte
		if _, readErr := c.Read(b[:]); readErr == errFull {
			err = readErr
		}
	}
	return n, err
}

// ReadLong reads n bytes, the rest of a value that begins with have. It is for a value so
// long that its length may be wrong. It returns have and the n bytes in a new slice, which
// grows no faster than the bytes arrive.
func (c *Conn) ReadLong(have []byte, n int) ([]byte, error) {
	const first = 1 << 20
	end := len(have) + n
	buf := append(make([]byte, 0, min(max(first, len(have)), end)), have...)
	for len(buf) < end {
		if len(buf) == cap(buf) {
			buf = append(make([]byte, 0, min(2*len(buf), end)), buf...)
		}
		got, err := c.Conn.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+got]
		if err != nil && len(buf) < end {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	return buf, nil
}

// Close closes the connection for good. A running request fails.
func (c *Conn) Close() error {
	c.closed.Store(true)
	return c.Conn.Close()
}

func (c *Conn) isOpen() bool { return !c.closed.Load() }

// destroy closes the connection when the pool does not have it any more.
func (c *Conn) destroy() {
	c.forget()
	c.Close()
}

// SetDeadline does nothing.
func (c *Conn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing.
func (c *Conn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (c *Conn) SetWriteDeadline(time.Time) error { return nil }
