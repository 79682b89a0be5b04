package memcachetest

import (
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/cachewire/cachewire/memcache"
)

// Do sends request, one or more commands of the text protocol, over a new connection. It
// returns the whole reply unchanged:
//
//	server.Do("set key 16 0 5\r\nhello") // "STORED\r\n"
//	server.Do("get key")                 // "VALUE key 16 5\r\nhello\r\nEND\r\n"
//
// If request does not end in a line break, Do adds one. If memcached closes the connection,
// Do returns the reply up to that point.
func (s *Server) Do(request string) string {
	s.t.Helper()
	reply, err := s.exchange(request, time.Now().Add(maxWait))
	if err != nil {
		s.t.Errorf("memcachetest: Do: %v", err)
	}
	return reply
}

// Stat returns one of the statistics of memcached, such as "curr_connections" or "cmd_get".
// It reads it over a connection that memcached counts as well. memcached may need a moment
// to notice that a client has closed a connection.
func (s *Server) Stat(name string) string {
	s.t.Helper()
	value, ok := parseStats(s.Do("stats"))[name]
	if !ok {
		s.t.Errorf("memcachetest: Stat: memcached has no %q", name)
	}
	return value
}

// exchange sends request to the server and returns the reply. It sends quit after the
// request, so that the reply ends with the connection.
func (s *Server) exchange(request string, deadline time.Time) (reply string, err error) {
	conn, err := net.DialTimeout(network(s.addr), s.addr, time.Until(deadline))
	if err != nil {
		return "", err
	}
	defer conn.Close()
	conn.SetDeadline(deadline)
	if !strings.HasSuffix(request, "\r\n") {
		request += "\r\n"
	}
	if _, err := io.WriteString(conn, s.login+request+"quit\r\n"); err != nil {
		return "", err
	}
	b, err := io.ReadAll(conn)
	if memcache.IsLost(err) {
		err = nil // memcached closed the connection before it read quit
	}
	reply = string(b)
	if s.login != "" && err == nil {
		var ok bool
		if reply, ok = strings.CutPrefix(reply, "STORED\r\n"); !ok {
			err = fmt.Errorf("the reply to the login is %q", reply)
		}
	}
	return reply, err
}

// parseStats returns the statistics in the reply to a stats command.
func parseStats(reply string) map[string]string {
	values := make(map[string]string)
	for line := range strings.Lines(reply) {
		words := strings.SplitN(strings.TrimRight(line, "\r\n"), " ", 3)
		if len(words) == 3 && words[0] == "STAT" {
			values[words[1]] = words[2]
		}
	}
	return values
}

// network returns the network of an address: "unix" for a path, else "tcp".
func network(addr string) string {
	if strings.Contains(addr, "/") {
		return "unix"
	}
	return "tcp"
}
