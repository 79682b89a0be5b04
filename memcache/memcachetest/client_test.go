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

// needMemcached is for a test whose own servers would be skipped in a place from
// which that does not end it.
func needMemcached(t *testing.T) {
	t.Helper()
	memcachetest.Start(t, nil)
}

// soon is how long a test waits for what is to happen at once.
const soon = 30 * time.Second

// A client is one connection.
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
	conn.SetDeadline(time.Now().Add(soon))
	return &client{conn, bufio.NewReader(conn)}
}

func (c *client) send(t *testing.T, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// receives says that the next bytes must be text.
func (c *client) receives(t *testing.T, text string) {
	t.Helper()
	got := make([]byte, len(text))
	if n, err := io.ReadFull(c.r, got); err != nil || string(got) != text {
		t.Fatalf("got %q and error %v, want %q and none", got[:n], err, text)
	}
}

// isSilent says that nothing must come for d.
func (c *client) isSilent(t *testing.T, d time.Duration) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(d))
	defer c.SetReadDeadline(time.Now().Add(soon))
	if b, err := c.r.ReadByte(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("got byte %q and error %v, want silence", b, err)
	}
}

// isClosed says that nothing must come any more.
func (c *client) isClosed(t *testing.T) {
	t.Helper()
	if b, err := c.r.ReadByte(); !memcache.IsLost(err) || errors.Is(err, net.ErrClosed) {
		t.Fatalf("got byte %q and error %v, want a closed connection", b, err)
	}
}

// refuses says that nobody must listen at addr.
func refuses(t *testing.T, addr string) {
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
		t.Errorf("dial: error is %v, want a refusal", err)
	}
}

// until waits for a condition.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	deadline := time.Now().Add(soon)
	for pause := time.Millisecond; !is(); pause = min(2*pause, 50*time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not: %s", what)
		}
		time.Sleep(pause)
	}
}

// leavesNoGoroutine runs f as a subtest, after which there must be no more
// goroutines than before. No other test may run beside the caller.
func leavesNoGoroutine(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	before := runtime.NumGoroutine()
	t.Run("inner", f)
	until(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= before })
}
