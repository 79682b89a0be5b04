//go:build !linux

package memcachetest

import (
	"net"
	"syscall"
	"testing"
)

// killedWithParent returns nil. On this system, a test that is killed does not end its
// servers.
func killedWithParent() *syscall.SysProcAttr { return nil }

// awaitPause does not wait. On this system, threads of a paused child may run for a moment.
func awaitPause(int) error { return nil }

// reservePort returns a port of 127.0.0.1 that was free a moment ago. It is not reserved.
func reservePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("memcachetest: %v", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// stopListening closes l. If this program is starting another program at that moment, the
// child may keep l open until it executes.
func stopListening(l net.Listener) { l.Close() }
