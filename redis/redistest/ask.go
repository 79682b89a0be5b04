package redistest

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// Do sends one command over a new connection and returns the reply as text. A string is returned
// as it is, a number in digits, nil as "(nil)", an error after "-", and an array with each
// element on its own line.
//
//	server.Do("SET", "key", "value") // "OK"
//	server.Do("LLEN", "key")         // "-WRONGTYPE Operation against …"
func (s *Server) Do(command ...string) string {
	s.t.Helper()
	reply, err := s.ask(time.Now().Add(patience), command...)
	if err != nil {
		s.t.Errorf("redistest: Do %q: %v", command, err)
	}
	return reply
}

// info returns a section of INFO, or "" if the server does not return it. This can happen while
// the role of the server changes.
func (s *Server) info(section string) string {
	info, err := s.ask(time.Now().Add(patience), "INFO", section)
	if err != nil {
		return ""
	}
	return info
}

// ask sends a command, after AUTH if the server wants a password.
func (s *Server) ask(deadline time.Time, command ...string) (string, error) {
	network := "tcp"
	if strings.HasPrefix(s.addr, "/") {
		network = "unix"
	}
	conn, err := net.DialTimeout(network, s.addr, time.Until(deadline))
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if s.config != nil {
		conn = tls.Client(conn, s.config)
	}
	if err := conn.SetDeadline(deadline); err != nil {
		return "", err
	}
	replies := bufio.NewReader(conn)
	if s.password != "" {
		if reply, err := exchange(conn, replies, []string{"AUTH", s.password}); err != nil ||
			reply != "OK" {
			return reply, err
		}
	}
	return exchange(conn, replies, command)
}

// exchange sends a command and reads the reply (RESP2).
func exchange(w io.Writer, replies *bufio.Reader, command []string) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(command))
	for _, word := range command {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(word), word)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return "", err
	}
	return readReply(replies)
}

func readReply(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return "", fmt.Errorf("an empty line instead of a reply")
	}
	kind, rest := line[0], line[1:]
	switch kind {
	case '+', ':':
		return rest, nil
	case '-':
		return line, nil
	}
	n, err := strconv.Atoi(rest)
	switch {
	case err != nil || kind != '$' && kind != '*':
		return "", fmt.Errorf("%q is not a reply", line)
	case n < 0:
		return "(nil)", nil
	case kind == '$':
		text := make([]byte, n+2)
		if _, err := io.ReadFull(r, text); err != nil {
			return "", err
		}
		return string(text[:n]), nil
	}
	var elements []string
	for range n {
		element, err := readReply(r)
		if err != nil {
			return "", err
		}
		elements = append(elements, element)
	}
	return strings.Join(elements, "\n"), nil
}
