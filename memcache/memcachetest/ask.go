package memcachetest

import (
	"io"
	"net"
	"strings"
	"time"

	"github.com/cachewire/cachewire/memcache"
)

// Do sends request, one command of the text protocol or more, over a connection
// of its own, and answers the whole reply as it came:
//
//	server.Do("set key 16 0 5\r\nhello") // "STORED\r\n"
//	server.Do("get key")                 // "VALUE key 16 5\r\nhello\r\nEND\r\n"
//
// A line break at the end is added if there is none. If memcached closes the
// connection, what came before is the reply.
func (s *Server) Do(request string) string {
	s.t.Helper()
	reply, err := ask(s.addr, request, time.Now().Add(patience))
	if err != nil {
		s.t.Errorf("memcachetest: Do: %v", err)
	}
	return reply
}

// Stat answers one of memcached's statistics, such as "curr_connections" or
// "cmd_get". The connection that asks is counted, too, and memcached
// may need a moment to count one that a client has closed.
func (s *Server) Stat(name string) string {
	s.t.Helper()
	value, ok := stats(s.Do("stats"))[name]
	if !ok {
		s.t.Errorf("memcachetest: Stat: memcached has no %q", name)
	}
	return value
}

// ask sends request to the server at addr, and then quit, so that the reply ends
// where the connection does.
func ask(addr, request string, deadline time.Time) (reply string, err error) {
	conn, err := net.DialTimeout(network(addr), addr, time.Until(deadline))
	if err != nil {
		return "", err
	}
	defer conn.Close()
	conn.SetDeadline(deadline)
	if !strings.HasSuffix(request, "\r\n") {
		request += "\r\n"
	}
	if _, err := io.WriteString(conn, request+"quit\r\n"); err != nil {
		return "", err
	}
	b, err := io.ReadAll(conn)
	if memcache.IsLost(err) {
		err = nil // it was closed before our quit was read
	}
	return string(b), err
}

// stats takes the reply to a stats command apart.
func stats(reply string) map[string]string {
	values := make(map[string]string)
	for line := range strings.Lines(reply) {
		if words := strings.SplitN(strings.TrimRight(line, "\r\n"), " ", 3); len(words) == 3 && words[0] == "STAT" {
			values[words[1]] = words[2]
		}
	}
	return values
}

// network answers the network of an address: a path is a socket's.
func network(addr string) string {
	if strings.Contains(addr, "/") {
		return "unix"
	}
	return "tcp"
}
