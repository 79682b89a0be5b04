//go:build !linux

package redistest

import (
	"net"
	"syscall"
	"testing"
)

// endsWithUs returns nothing here: a test program that is killed leaves its servers behind.
func endsWithUs() *syscall.SysProcAttr { return nil }

// awaitPause does nothing here: a thread of the child may run for another moment.
func awaitPause(int) error { return nil }

// reservePort returns a port of 127.0.0.1 that was free a moment ago.
func reservePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("redistest: %v", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
