//go:build !unix

package memcache

import "net"

// An IdleCheck cannot check connections on this system.
type IdleCheck struct{}

func (*IdleCheck) Init(net.Conn) {}
func (*IdleCheck) IsDead() bool  { return false }
