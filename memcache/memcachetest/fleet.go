package memcachetest

import (
	"bufio"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// A Fleet lends servers to tests that run in parallel, the same number to each. When a test
// has ended, another test gets its servers. Servers are started when they are needed.
type Fleet struct {
	t    testing.TB // the servers end with it
	n    int
	opts *Options

	mu   sync.Mutex
	free []Servers // guarded by mu
}

// NewFleet returns a Fleet that lends n servers to each test. It starts them with opts. They
// end with t.
func NewFleet(t testing.TB, n int, opts *Options) *Fleet { return &Fleet{t: t, n: n, opts: opts} }

// Take returns servers without items, which belong to t until it ends.
func (f *Fleet) Take(t testing.TB) Servers {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	var servers Servers
	if last := len(f.free) - 1; last >= 0 {
		servers, f.free = f.free[last], f.free[:last]
		for _, server := range servers {
			if !server.empty() {
				server.Restart()
			}
		}
	} else {
		servers = StartN(f.t, f.n, f.opts)
	}
	t.Cleanup(func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.free = append(f.free, servers)
	})
	return servers
}

// empty deletes all items, in a tenth of the time of a restart. It reports whether the
// server is ready for the next test. The server is not ready if a connection of the last
// test stays open, because a write may still arrive over it. It is not ready either if its
// statistics count items that it does not list, such as flushed ones.
func (s *Server) empty() bool {
	s.t.Helper()
	deadline := time.Now().Add(maxWait)
	for range 50 {
		reply, err := s.exchange("stats", deadline)
		if err != nil {
			return false
		}
		switch stats := parseStats(reply); {
		case stats["curr_connections"] != s.idleConnections:
			time.Sleep(time.Millisecond) // memcached may not yet know that a client has closed
		case stats["curr_items"] == "0":
			return true
		default:
			if !s.deleteListed(deadline) {
				return false
			}
		}
	}
	return false
}

// deleteListed deletes the items that the server lists, and reports whether it listed any.
func (s *Server) deleteListed(deadline time.Time) bool {
	conn, err := net.DialTimeout(network(s.addr), s.addr, time.Until(deadline))
	if err != nil {
		return false
	}
	defer conn.Close()
	conn.SetDeadline(deadline)
	// Not exchange, which sends quit: memcached reads no further command after this one.
	if _, err := io.WriteString(conn, "lru_crawler metadump all\r\n"); err != nil {
		return false
	}
	var deletes strings.Builder
	lines := bufio.NewScanner(conn)
	for lines.Scan() { // "key=a%20key exp=-1 ...", and "END" at the end
		word, _, _ := strings.Cut(lines.Text(), " ")
		key, ok := strings.CutPrefix(word, "key=")
		if !ok {
			break
		}
		if key, err = url.PathUnescape(key); err != nil {
			return false
		}
		deletes.WriteString("delete " + key + " noreply\r\n")
	}
	if lines.Text() != "END" || deletes.Len() == 0 {
		return false
	}
	_, err = s.exchange(deletes.String(), deadline)
	return err == nil
}
