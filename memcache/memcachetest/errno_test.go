//go:build !plan9

package memcachetest_test

import "syscall"

const (
	errRefused = syscall.ECONNREFUSED
	noSignal   = syscall.Signal(0) // it only checks whether a process exists
)
