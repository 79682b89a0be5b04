//go:build !plan9 && !windows

package memcache

import "syscall"

// closedErrors are the system's errors of a connection that the other end has closed.
var closedErrors = []error{syscall.ECONNRESET, syscall.EPIPE}
