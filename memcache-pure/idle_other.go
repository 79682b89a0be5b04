//go:build !unix

package memcachepure

import "net"

// An idleCheck never finds out on this system.
type idleCheck struct{}

func (*idleCheck) of(net.Conn)  {}
func (*idleCheck) begin()       {}
func (*idleCheck) isOver() bool { return false }
