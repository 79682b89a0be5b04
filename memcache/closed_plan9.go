package memcache

import "syscall"

// closedErrors are the errors of the system for a connection that the other end has closed.
// On Plan 9, errors are texts, not numbers.
var closedErrors = []error{syscall.NewError("i/o on hungup channel")}
