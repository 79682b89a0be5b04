package memcache

import "syscall"

// closedErrors are the system's errors of a connection that the other end has closed. Windows
// never returns syscall.ECONNRESET and syscall.EPIPE, which package syscall invents for it.
var closedErrors = []error{syscall.WSAECONNRESET, syscall.WSAECONNABORTED}
