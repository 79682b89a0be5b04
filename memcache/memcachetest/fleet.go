package memcachetest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
)

// A Fleet lends servers to tests that run in parallel, the same number to each. When a test
// has ended, another test gets its servers. Servers are started when they are needed.
type Fleet struct {
	t    testing.TB // the servers end with it
	n    int
	opts *Options

	mu   sync.Mutex         // guards free and all
	free []Servers          // ready for the next test
	all  map[string]*Server // by address
}

// NewFleet returns a Fleet that lends n servers to each test. It starts them with opts. They
// end with t.
func NewFleet(t testing.TB, n int, opts *Options) *Fleet {
	return &Fleet{t: t, n: n, opts: opts, all: map[string]*Server{}}
}

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
		for _, server := range servers {
			f.all[server.Addr()] = server
		}
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

// Stall pauses the servers of b, as Config.Stall of package conformance does. The fleet has
// lent these servers.
func (f *Fleet) Stall(b core.Backend) (resume func(), err error) {
	return f.forEachServer(b, (*Server).Pause, (*Server).Resume)
}

// Kill kills the servers of b, as Config.Kill of package conformance does. The fleet has lent
// these servers.
func (f *Fleet) Kill(b core.Backend) (restart func(), err error) {
	return f.forEachServer(b, (*Server).Kill, (*Server).Restart)
}

// forEachServer calls do for each server of b, and returns a function that calls undo.
func (f *Fleet) forEachServer(b core.Backend, do, undo func(*Server)) (func(), error) {
	lister, ok := b.(interface{ Servers() []memcache.Server })
	if !ok {
		return nil, fmt.Errorf("memcachetest: %T has no method Servers", b)
	}
	var servers Servers
	f.mu.Lock()
	for _, server := range lister.Servers() {
		servers = append(servers, f.all[server.Addr])
	}
	f.mu.Unlock()
	if slices.Contains(servers, nil) {
		return nil, errors.New("memcachetest: the fleet does not have the servers of the backend")
	}
	for _, server := range servers {
		do(server)
	}
	return func() {
		for _, server := range servers {
			undo(server)
		}
	}, nil
}
