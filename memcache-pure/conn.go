package memcachepure

import (
	"github.com/cachewire/cachewire/memcache"
)

// A checkedConn is the net.Conn that gomemcache uses. It sees every request and every reply,
// and does what gomemcache does not do:
//
//   - It refuses a reply that cannot belong to the request. gomemcache accepts a length of
//     4 GiB, the value of another key, and a line that is cut short.
//   - It returns error replies of the server as error values, not as texts.
type checkedConn struct {
	*memcache.Conn
	reply    reply
	buffered []byte // bytes of the reply that Read has not yet returned
}

func (c *checkedConn) Write(p []byte) (int, error) {
	if !c.reply.open {
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
	}
	return n, nil
}

// readLong reads the rest of a long value, whose beginning is at the end of p. It returns a
// copy of p followed by the rest.
func (c *checkedConn) readLong(p []byte) ([]byte, error) {
	buf, err := c.Conn.ReadLong(p, c.reply.data)
	if err == nil {
		_, err = c.reply.feed(buf[len(p):])
	}
	return buf, err
}
