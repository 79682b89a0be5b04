package memcachetest

import (
	"net"
	"os"
	"syscall"
	"testing"
)

// killedWithParent returns attributes with which the system kills the child when this program
// ends in any way.
func killedWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

// awaitPause waits until the last thread of the child pid has stopped, a moment after the
// signal. Without WNOWAIT, a second Pause would never return.
func awaitPause(pid int) error {
	const idIsPID = 1 // P_PID of waitid(2)
	for {
		_, _, errno := syscall.Syscall6(syscall.SYS_WAITID,
			idIsPID, uintptr(pid), 0, syscall.WSTOPPED|syscall.WNOWAIT, 0, 0)
		switch errno {
		case 0:
			return nil
		case syscall.EINTR:
		default:
			return os.NewSyscallError("waitid", errno)
		}
	}
}

// reservePort returns a port of 127.0.0.1 that is reserved until the test ends, even while no
// server listens on it. A socket is bound to the port but does not listen, so that a server
// with SO_REUSEADDR can. Meanwhile, the system does not choose this port for other sockets.
func reservePort(t testing.TB) int {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatalf("memcachetest: %v", os.NewSyscallError("socket", err))
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		t.Fatalf("memcachetest: %v", os.NewSyscallError("setsockopt", err))
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatalf("memcachetest: %v", os.NewSyscallError("bind", err))
	}
	addr, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatalf("memcachetest: %v", os.NewSyscallError("getsockname", err))
	}
	return addr.(*syscall.SockaddrInet4).Port
}

// stopListening closes l, so that connections are refused from now on. It shuts the socket
// down first: if this program is starting another program, the child has the socket open as
// well, until it executes.
func stopListening(l net.Listener) {
	defer l.Close()
	raw, err := l.(*net.TCPListener).SyscallConn()
	if err == nil {
		raw.Control(func(fd uintptr) { syscall.Shutdown(int(fd), syscall.SHUT_RDWR) })
	}
}
