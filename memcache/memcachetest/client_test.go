package memcachetest_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/cachewire/cachewire/memcache"
	"github.com/cachewire/cachewire/memcache/memcachetest"
)

// needMemcached skips t if memcached is not installed. It is for tests that start servers
// only in inner tests, whose skip would not skip t.
func needMemcached(t *testing.T) {
	t.Helper()
	memcachetest.Start(t, nil)
}

// ioTimeout limits the wait for events that normally happen at once.
const ioTimeout = 30 * time.Second

// A client is a connection to a server.
type client struct {
	net.Conn
	r *bufio.Reader
}

func dial(t *testing.T, addr string) *client {
	t.Helper()
	network := "tcp"
	if strings.Contains(addr, "/") {
		network = "unix"
	}
	conn, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(ioTimeout))
	return &client{conn, bufio.NewReader(conn)}
}

func (c *client) send(t *testing.T, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// wantBytes checks that the next bytes are text.
func (c *client) wantBytes(t *testing.T, text string) {
	t.Helper()
	got := make([]byte, len(text))
	if n, err := io.ReadFull(c.r, got); err != nil || string(got) != text {
		t.Fatalf("read %q, %v; want %q, nil", got[:n], err, text)
	}
}

// wantSilence checks that the connection is open and no byte arrives for d.
func (c *client) wantSilence(t *testing.T, d time.Duration) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(d))
	defer c.SetReadDeadline(time.Now().Add(ioTimeout))
	if b, err := c.r.ReadByte(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("read byte %q, %v; want no byte for %v", b, err, d)
	}
}

// wantClosed checks that the server has closed the connection, and has sent nothing before.
func (c *client) wantClosed(t *testing.T) {
	t.Helper()
	if b, err := c.r.ReadByte(); !memcache.IsLost(err) || errors.Is(err, net.ErrClosed) {
		t.Fatalf("read byte %q, %v; want the error of a closed connection", b, err)
	}
}

// wantRefused checks that no server listens at addr.
func wantRefused(t *testing.T, addr string) {
	t.Helper()
	network := "tcp"
	if strings.Contains(addr, "/") {
		network = "unix"
	}
	conn, err := net.Dial(network, addr)
	if err == nil {
		conn.Close()
	}
	if !errors.Is(err, errRefused) && !errors.Is(err, os.ErrNotExist) {
		t.Errorf("dial: error is %v, want a refused connection", err)
	}
}

// waitFor waits until ok returns true. The error describes that as condition.
func waitFor(t *testing.T, condition string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(ioTimeout)
	for pause := time.Millisecond; !ok(); pause = min(2*pause, 50*time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after %v it is still not true that %s", ioTimeout, condition)
		}
		time.Sleep(pause)
	}
}

// checkGoroutines runs f as a subtest and checks that no goroutine of it is left. No other
// test may run at the same time.
func checkGoroutines(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	before := runtime.NumGoroutine()
	t.Run("inner", f)
	waitFor(t, "all goroutines have ended", func() bool { return runtime.NumGoroutine() <= before })
}
