package memcache

import "syscall"

// closedErrors are the errors of the system for a connection that the other end has closed.
// Windows never returns syscall.ECONNRESET or syscall.EPIPE: package syscall invents them.
var closedErrors = []error{syscall.WSAECONNRESET, syscall.WSAECONNABORTED}
