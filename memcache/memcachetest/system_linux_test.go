package memcachetest_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/cachewire/cachewire/memcache/memcachetest"
)

func TestServersEndIfTheTestIsKilled(t *testing.T) {
	const mark = "server at "
	if os.Getenv("MEMCACHETEST_KILLED") != "" { // this is the child, which will be killed
		for _, paused := range []bool{false, true} {
			server := memcachetest.Start(t, &memcachetest.Options{Unix: true})
			if paused {
				server.Pause()
			}
			fmt.Println(mark + server.Addr())
		}
		select {}
	}
	needMemcached(t)
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.count=1")
	cmd.Env = append(os.Environ(), "MEMCACHETEST_KILLED=1", "TMPDIR="+t.TempDir())
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var addrs []string
	for lines := bufio.NewScanner(out); len(addrs) < 2 && lines.Scan(); {
		if _, addr, ok := strings.Cut(lines.Text(), mark); ok {
			addrs = append(addrs, addr)
		}
	}
	for _, addr := range addrs {
		dial(t, addr)
	}
	cmd.Process.Kill()
	cmd.Wait()
	if len(addrs) != 2 {
		t.Fatalf("the child started servers at %q, want two", addrs)
	}
	for _, addr := range addrs {
		waitFor(t, "no server listens at "+addr, func() bool {
			conn, err := net.Dial("unix", addr)
			if err == nil {
				conn.Close()
			}
			return errors.Is(err, syscall.ECONNREFUSED)
		})
	}
}

func TestPortOfAKilledServerStaysReserved(t *testing.T) {
	t.Parallel()
	server := memcachetest.Start(t, nil)
	server.Kill()
	addr, err := net.ResolveTCPAddr("tcp4", server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	// Without SO_REUSEADDR, bind makes the same check that the system makes before it
	// chooses a port for a socket.
	err = syscall.Bind(fd, &syscall.SockaddrInet4{Port: addr.Port, Addr: [4]byte{127, 0, 0, 1}})
	if err != syscall.EADDRINUSE {
		t.Errorf("bind: error is %v, want %v", err, syscall.EADDRINUSE)
	}
}

func TestProxyRefusesAtOnceWhileProgramsStart(t *testing.T) {
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					exec.Command("true").Run()
				}
			}
		})
	}
	defer wg.Wait()
	defer close(stop)
	proxy := memcachetest.StartProxy(t, "127.0.0.1:1", nil)
	for range 300 {
		proxy.Set(&memcachetest.ProxyOptions{Refuse: true})
		wantRefused(t, proxy.Addr())
		proxy.Set(nil)
	}
}
