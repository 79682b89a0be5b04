//go:build unix

package memcachepure

import (
	"crypto/tls"
	"net"
	"syscall"
)

// An idleCheck tells whether a connection that waited for its next request is
// over: closed by the server, or with bytes that nobody asked for. It costs one
// read that does not wait. go-sql-driver/mysql has the like.
type idleCheck struct {
	raw    syscall.RawConn // nil if there is none
	waited bool            // a reply has come, whole
	over   bool
	look   func(fd uintptr) bool
}

// of readies c for conn, which has been made.
func (c *idleCheck) of(conn net.Conn) {
	c.raw, c.waited = nil, false
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	if s, ok := conn.(syscall.Conn); ok {
		c.raw, _ = s.SyscallConn()
	}
	if c.look == nil {
		c.look = func(fd uintptr) bool {
			var b [1]byte
			n, err := syscall.Read(int(fd), b[:])
			c.over = n > 0 || n == 0 && err == nil || err != syscall.EAGAIN && err != syscall.EINTR
			return true
		}
	}
}

// begin says that a reply has come, whole.
func (c *idleCheck) begin() { c.waited = true }

// isOver looks, if the connection has waited.
func (c *idleCheck) isOver() bool {
	if c.raw == nil || !c.waited {
		return false
	}
	if err := c.raw.Read(c.look); err != nil {
		return true
	}
	return c.over
}
