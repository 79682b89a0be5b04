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

// A Fleet has servers for tests that run side by side, so many for each, and gives
// them to the next test when one has ended. They are started when they are needed.
type Fleet struct {
	t    testing.TB // with which the servers end
	n    int
	opts *Options

	mu   sync.Mutex
	free []Servers // guarded by mu
}

// NewFleet answers a Fleet of n servers for each test, started with opts. They end with t.
func NewFleet(t testing.TB, n int, opts *Options) *Fleet { return &Fleet{t: t, n: n, opts: opts} }

// Take answers servers that have nothing in them, until t ends.
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

// empty deletes all items, which takes a tenth of the time of a restart, and reports whether the
// server is ready for the next test. It is not if a connection of the last test stays open, since
// a write may still come over it, or if the statistics count items that the server does not list,
// such as flushed ones.
func (s *Server) empty() bool {
	s.t.Helper()
	deadline := time.Now().Add(patience)
	for range 50 {
		reply, err := ask(s.addr, "stats", deadline)
		if err != nil {
			return false
		}
		switch all := stats(reply); {
		case all["curr_connections"] != s.alone:
			time.Sleep(time.Millisecond) // memcached has yet to see that it is closed
		case all["curr_items"] == "0":
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
	// memcached does not read on behind this command, so there can be no quit for ask.
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
	_, err = ask(s.addr, deletes.String(), deadline)
	return err == nil
}
