//go:build unix

package memcachepure

import (
	"crypto/tls"
	"net"
	"syscall"
)

// An idleCheck finds out whether an idle connection is dead: closed by the server, or with
// bytes that belong to no request. It takes one read that does not block.
// go-sql-driver/mysql has a check of this kind.
type idleCheck struct {
	raw  syscall.RawConn // nil if the connection cannot be checked
	idle bool            // whether a whole reply has been read
	dead bool            // the result of read
	read func(fd uintptr) bool
}

// reset prepares c for conn, a new connection.
func (c *idleCheck) reset(conn net.Conn) {
	c.raw, c.idle = nil, false
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	if s, ok := conn.(syscall.Conn); ok {
		c.raw, _ = s.SyscallConn()
	}
	if c.read == nil {
		c.read = func(fd uintptr) bool {
			var b [1]byte
			n, err := syscall.Read(int(fd), b[:])
			c.dead = n > 0 || n == 0 && err == nil || err != syscall.EAGAIN && err != syscall.EINTR
			return true
		}
	}
}

// begin marks the connection as idle: a whole reply has been read.
func (c *idleCheck) begin() { c.idle = true }

// isDead reports whether an idle connection is dead. It returns false if the connection has
// not yet been idle.
func (c *idleCheck) isDead() bool {
	if c.raw == nil || !c.idle {
		return false
	}
	if err := c.raw.Read(c.read); err != nil {
		return true
	}
	return c.dead
}
