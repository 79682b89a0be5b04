//go:build !plan9 && !windows

package memcache

import "syscall"

// closedErrors are the errors of the system for a connection that the other end has closed.
var closedErrors = []error{syscall.ECONNRESET, syscall.EPIPE}
