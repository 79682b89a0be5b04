package memcachetest_test

import "syscall"

const (
	errRefused = syscall.ErrorString("connection refused")
	noSignal   = syscall.Note("")
)
