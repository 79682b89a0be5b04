package memcachetest

import (
	"net"
	"os"
	"syscall"
	"testing"
)

// endsWithUs has the system kill the child when we end, however that is.
func endsWithUs() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

// awaitPause waits until the last thread of our child pid stands still, a moment
// after the signal. WNOWAIT, or a second Pause would wait for ever.
func awaitPause(pid int) error {
	const idIsPID = 1 // P_PID of waitid(2)
	for {
		_, _, errno := syscall.Syscall6(syscall.SYS_WAITID, idIsPID, uintptr(pid), 0, syscall.WSTOPPED|syscall.WNOWAIT, 0, 0)
		switch errno {
		case 0:
			return nil
		case syscall.EINTR:
		default:
			return os.NewSyscallError("waitid", errno)
		}
	}
}

// reservePort answers a port of 127.0.0.1 that stays ours until the test ends,
// also while no server listens on it: a socket is bound to it that does not listen,
// beside which one with SO_REUSEADDR may. The system will not give the port to
// anybody who asks for any, nor to a client's end of a connection.
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

// stopListening closes l, and refuses connections from now on. To close it is not
// enough: should this program be starting another, that has it open, too, until
// it begins.
func stopListening(l net.Listener) {
	defer l.Close()
	raw, err := l.(*net.TCPListener).SyscallConn()
	if err == nil {
		raw.Control(func(fd uintptr) { syscall.Shutdown(int(fd), syscall.SHUT_RDWR) })
	}
}
