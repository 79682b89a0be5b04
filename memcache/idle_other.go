//go:build !unix

package memcache

import "net"

// An IdleCheck cannot check connections on this system.
type IdleCheck struct{}

// Init does nothing.
func (*IdleCheck) Init(net.Conn) {}

// IsDead returns false.
func (*IdleCheck) IsDead() bool { return false }
