//go:build !unix

package memcache

import "net"

// An idleCheck cannot check connections on this system.
type idleCheck struct{}

func (*idleCheck) init(net.Conn) {}
func (*idleCheck) isDead() bool  { return false }
