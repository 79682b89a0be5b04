//go:build !unix

package memcachepure

import "net"

// An idleCheck cannot check connections on this system.
type idleCheck struct{}

func (*idleCheck) reset(net.Conn) {}
func (*idleCheck) begin()         {}
func (*idleCheck) isDead() bool   { return false }
