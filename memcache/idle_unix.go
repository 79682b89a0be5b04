//go:build unix

package memcache

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
	dead bool            // the result of read
	read func(fd uintptr) bool
}

// init prepares c for conn.
func (c *idleCheck) init(conn net.Conn) {
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	if s, ok := conn.(syscall.Conn); ok {
		c.raw, _ = s.SyscallConn()
	}
	c.read = func(fd uintptr) bool {
		var b [1]byte
		n, err := syscall.Read(int(fd), b[:])
		c.dead = n > 0 || n == 0 && err == nil || err != syscall.EAGAIN && err != syscall.EINTR
		return true
	}
}

// isDead reports whether the connection, which has no request, is dead.
func (c *idleCheck) isDead() bool {
	if c.raw == nil {
		return false
	}
	if err := c.raw.Read(c.read); err != nil {
		return true
	}
	return c.dead
}
