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

func TestServersEndWithATestThatIsKilled(t *testing.T) {
	const mark = "server at "
	if os.Getenv("MEMCACHETEST_KILLED") != "" { // in the child
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
		t.Fatalf("the child started servers at %q only", addrs)
	}
	for _, addr := range addrs {
		until(t, "nobody listens at "+addr, func() bool {
			conn, err := net.Dial("unix", addr)
			if err == nil {
				conn.Close()
			}
			return errors.Is(err, syscall.ECONNREFUSED)
		})
	}
}

func TestPortOfAKilledServerIsGivenToNobodyElse(t *testing.T) {
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
	// Without SO_REUSEADDR, for that is the question that the system asks itself
	// before it gives a port away.
	err = syscall.Bind(fd, &syscall.SockaddrInet4{Port: addr.Port, Addr: [4]byte{127, 0, 0, 1}})
	if err != syscall.EADDRINUSE {
		t.Errorf("bind: error is %v, want %v", err, syscall.EADDRINUSE)
	}
}

func TestProxyRefusesAtOnceWhileProgramsAreStarted(t *testing.T) {
	stop := make(chan struct{})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
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
	defer all.Wait()
	defer close(stop)
	proxy := memcachetest.StartProxy(t, "127.0.0.1:1", nil)
	for range 300 {
		proxy.Set(&memcachetest.ProxyOptions{Refuse: true})
		refuses(t, proxy.Addr())
		proxy.Set(nil)
	}
}
