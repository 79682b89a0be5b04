package redistest

import (
	"os"
	"syscall"
	"testing"
)

// endsWithUs makes the system kill the child when this program ends for any reason.
func endsWithUs() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

// awaitPause waits until the last thread of the child stands still. With WNOWAIT the state can
// be read again, by a second Pause.
func awaitPause(pid int) error {
	const idIsPID = 1 // P_PID of waitid(2)
	for {
		_, _, errno := syscall.Syscall6(syscall.SYS_WAITID, idIsPID, uintptr(pid), 0,
			syscall.WSTOPPED|syscall.WNOWAIT, 0, 0)
		switch errno {
		case 0:
			return nil
		case syscall.EINTR:
		default:
			return os.NewSyscallError("waitid", errno)
		}
	}
}

// reservePort returns a port of 127.0.0.1 that stays reserved until the test ends, even while no
// server listens on it. It binds a socket to the port, and does not listen. A server with
// SO_REUSEADDR can still listen on the port, but the system gives it to no other program.
func reservePort(t testing.TB) int {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatalf("redistest: %v", os.NewSyscallError("socket", err))
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		t.Fatalf("redistest: %v", os.NewSyscallError("setsockopt", err))
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatalf("redistest: %v", os.NewSyscallError("bind", err))
	}
	addr, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatalf("redistest: %v", os.NewSyscallError("getsockname", err))
	}
	return addr.(*syscall.SockaddrInet4).Port
}
