package memcachepure

import (
	"context"
	"net"
	"sync"
	"time"
)

// A checkedConn is the net.Conn that gomemcache uses. It sees every request and every
// reply, and does what gomemcache does not do:
//
//   - Before the first byte of a request, it checks whether the server has closed the
//     connection in the meantime, and then connects again. Nothing of the request has been
//     sent at that point, so that this is safe even for a write.
//   - A request and its whole reply have one deadline, and end ends them earlier.
//   - It refuses a reply that cannot belong to the request. gomemcache accepts a length of
//     4 GiB, the value of another key, and a line that is cut short.
//   - It returns error replies of the server as error values, not as texts.
//
// It is used by one goroutine at a time, like every net.Conn of gomemcache, except that end
// may be called by any goroutine.
type checkedConn struct {
	// Conn is the present connection, or nil. Only the goroutine that uses the checkedConn
	// writes it, and holds mu to do so.
	net.Conn

	dial         func(ctx context.Context) (net.Conn, error)
	idle         idleCheck
	reply        reply
	buffered     []byte // bytes of the reply that Read has not yet returned
	deadline     time.Time
	lastDeadline time.Time // of the previous request

	mu         sync.Mutex
	ended      bool               // guarded by mu
	cancelDial context.CancelFunc // guarded by mu; nil if connect is not dialing
}

// connect replaces the present connection with a new one.
func (c *checkedConn) connect(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c.mu.Lock()
	if c.ended {
		c.mu.Unlock()
		return net.ErrClosed
	}
	if c.Conn != nil {
		c.Conn.Close()
		c.Conn = nil
	}
	c.cancelDial = cancel
	c.mu.Unlock()
	conn, err := c.dial(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cancelDial = nil
	switch {
	case err != nil:
		return err
	case c.ended:
		conn.Close()
		return net.ErrClosed
	}
	c.Conn = conn
	c.reply, c.buffered = reply{}, nil
	c.idle.reset(conn)
	return conn.SetDeadline(c.deadline)
}

// SetDeadline sets the deadline of the next request. gomemcache also calls it before each
// item of a reply. These calls are ignored, because with them a server that drips could
// delay a verb without limit.
func (c *checkedConn) SetDeadline(t time.Time) error {
	if c.reply.open {
		return nil
	}
	c.deadline = t
	return c.Conn.SetDeadline(t)
}

// shortPause is the longest pause between two requests after which the connection is not
// checked, because a server cannot be restarted in so little time. Unexpected bytes of the
// server are then not noticed either, but the check would also miss them if they came a
// little later.
const shortPause = 2 * time.Millisecond

func (c *checkedConn) Write(p []byte) (int, error) {
	if !c.reply.open {
		// Requests are as far apart as their deadlines, because all have the same time-out.
		pause := c.deadline.Sub(c.lastDeadline)
		c.lastDeadline = c.deadline
		if pause > shortPause && c.idle.isDead() {
			ctx, cancel := context.WithDeadline(context.Background(), c.deadline)
			err := c.connect(ctx)
			cancel()
			if err != nil {
				return 0, err
			}
		}
		if err := c.reply.begin(p); err != nil {
			return 0, err
		}
	}
	return c.Conn.Write(p)
}

func (c *checkedConn) Read(p []byte) (int, error) {
	if len(c.buffered) == 0 {
		n, err := c.Conn.Read(p)
		if n == 0 {
			return 0, err
		}
		longAt, err := c.reply.feed(p[:n])
		if err != nil {
			return 0, err
		}
		if longAt == n {
			if !c.reply.open {
				c.idle.begin()
			}
			return n, nil
		}
		// gomemcache allocates a value when it reads the line before it. So the line of a
		// long value is not returned before the value has arrived.
		if c.buffered, err = c.readLong(p[longAt:n]); err != nil {
			return 0, err
		}
		if longAt > 0 {
			return longAt, nil
		}
	}
	n := copy(p, c.buffered)
	if c.buffered = c.buffered[n:]; len(c.buffered) == 0 {
		c.buffered = nil
		if !c.reply.open {
			c.idle.begin()
		}
	}
	return n, nil
}

// readLong reads the rest of a long value, whose beginning is at the end of p. It returns a
// copy of p followed by the rest, in a buffer that grows no faster than the value arrives.
func (c *checkedConn) readLong(p []byte) ([]byte, error) {
	buf := append(make([]byte, 0, min(smallValue, len(p)+c.reply.data)), p...)
	for c.reply.data > 0 {
		if len(buf) == cap(buf) {
			buf = append(make([]byte, 0, min(2*len(buf), len(buf)+c.reply.data)), buf...)
		}
		free := buf[len(buf):cap(buf)]
		n, err := c.Conn.Read(free[:min(len(free), c.reply.data)])
		if _, feedErr := c.reply.feed(free[:n]); feedErr != nil {
			return nil, feedErr
		}
		buf = buf[:len(buf)+n]
		if err != nil && c.reply.data > 0 {
			return nil, err
		}
	}
	return buf, nil
}

// Close closes the present connection. A later call of connect makes a new one.
func (c *checkedConn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.Conn == nil || c.ended {
		return nil
	}
	return c.Conn.Close()
}

// end closes the connection for good. A running request fails.
func (c *checkedConn) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	if c.cancelDial != nil {
		c.cancelDial()
	}
	if c.Conn != nil {
		c.Conn.Close()
	}
}
