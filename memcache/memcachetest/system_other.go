//go:build !linux

package memcachetest

import (
	"net"
	"syscall"
	"testing"
)

// endsWithUs would have the system kill the child when we end. Here it cannot: a
// test that is killed leaves its servers behind.
func endsWithUs() *syscall.SysProcAttr { return nil }

// awaitPause would wait until the child stands still. Here a thread of it may go
// on for a moment.
func awaitPause(int) error { return nil }

// reservePort answers a port of 127.0.0.1 that was free a moment ago.
func reservePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("memcachetest: %v", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// stopListening closes l. A program that is being started at that moment may have
// it open until it begins.
func stopListening(l net.Listener) { l.Close() }
