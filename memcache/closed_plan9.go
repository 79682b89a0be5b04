package memcache

import "syscall"

// closedErrors are the system's errors of a connection that the other end has closed. Plan 9 has
// texts for errors, not numbers.
var closedErrors = []error{syscall.NewError("i/o on hungup channel")}
