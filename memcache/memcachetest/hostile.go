package memcachetest

import (
	"bufio"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A Hostile is a server that does what a test tells it to.
type Hostile struct {
	addr string
	done chan struct{} // closed at the end of the test

	mu       sync.Mutex
	requests []string
	conns    map[*Conn]struct{} // nil after the end
	dialled  int
}

// StartHostile starts a server that calls handle for each connection, in a
// goroutine of its own, and ends it with the test. When handle returns the
// connection is closed. Handle may speak any protocol; if what matters is the
// answer to each request, InTurn makes it:
//
//	server := memcachetest.StartHostile(t, memcachetest.InTurn(
//		memcachetest.Reply("VALUE key 0 4294967295\r\n"),
//		memcachetest.ReplyAndClose("VALUE key 0 5\r\nhel"),
//		memcachetest.Reply("END\r\n"),
//	))
func StartHostile(t testing.TB, handle func(c *Conn)) *Hostile {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("memcachetest: %v", err)
	}
	h := &Hostile{
		addr:  listener.Addr().String(),
		done:  make(chan struct{}),
		conns: make(map[*Conn]struct{}),
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // closed
			}
			if c := h.take(conn); c != nil {
				all.Go(func() {
					defer h.drop(c)
					handle(c)
				})
			}
		}
	})
	t.Cleanup(func() {
		close(h.done)
		listener.Close()
		h.closeAll()
		all.Wait()
	})
	return h
}

// Addr answers the server's host:port.
func (h *Hostile) Addr() string { return h.addr }

// Requests answers all that Conn.Request and InTurn have read so far, on all
// connections, in the order in which it came.
func (h *Hostile) Requests() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.requests)
}

// Dialled answers how many connections the server has accepted so far.
func (h *Hostile) Dialled() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.dialled
}

// take answers the connection for the handler, or nil after the end.
func (h *Hostile) take(conn net.Conn) *Conn {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.conns == nil {
		conn.Close()
		return nil
	}
	c := &Conn{Conn: conn, hostile: h, r: bufio.NewReader(conn)}
	h.conns[c] = struct{}{}
	h.dialled++
	return c
}

func (h *Hostile) drop(c *Conn) {
	c.Close()
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.conns, c)
}

func (h *Hostile) closeAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.conns {
		c.Close()
	}
	h.conns = nil
}

// record answers which request it is, from 0.
func (h *Hostile) record(request string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.requests = append(h.requests, request)
	return len(h.requests) - 1
}

// A Conn is a hostile server's end of a connection. It is the handler's alone.
type Conn struct {
	net.Conn
	hostile *Hostile
	r       *bufio.Reader // of Conn
}

// Read reads what Request has not.
func (c *Conn) Read(b []byte) (int, error) { return c.r.Read(b) }

// Request reads a whole request: of the text protocol a line, with the data block
// below it if the command has one; of the binary protocol a header and its body.
func (c *Conn) Request() (string, error) {
	request, _, err := c.next()
	return request, err
}

// next answers the next request, and which one it is of all connections.
func (c *Conn) next() (string, int, error) {
	request, err := readRequest(c.r)
	if err != nil {
		return request, 0, err
	}
	return request, c.hostile.record(request), nil
}

// A Step is what a hostile server does about a request.
type Step func(c *Conn, request string)

// InTurn makes a handler that does the first step about the first request, the
// second about the second, and so on, no matter on which connection a request
// comes. The last step is done about all that follow, too.
func InTurn(steps ...Step) func(c *Conn) {
	return func(c *Conn) {
		for {
			request, i, err := c.next()
			if err != nil {
				return
			}
			steps[min(i, len(steps)-1)](c, request)
		}
	}
}

// Reply sends text as it is.
func Reply(text string) Step {
	return func(c *Conn, _ string) { c.Write([]byte(text)) }
}

// ReplyAndClose sends text, such as half a reply or nothing, and closes the
// connection.
func ReplyAndClose(text string) Step {
	return func(c *Conn, _ string) {
		c.Write([]byte(text))
		c.Close()
	}
}

// ReplySlowly sends text byte by byte, with a pause after each.
func ReplySlowly(text string, every time.Duration) Step {
	return func(c *Conn, _ string) {
		for i := range len(text) {
			if _, err := c.Write([]byte{text[i]}); err != nil || !pause(c.hostile.done, every) {
				return
			}
		}
	}
}

// ReplyForEver sends text again and again until the client closes the connection.
// Without a line break in it that is a line without an end.
func ReplyForEver(text string) Step {
	block := []byte(strings.Repeat(text, 1+1<<10/max(1, len(text))))
	return func(c *Conn, _ string) {
		for {
			if _, err := c.Write(block); err != nil {
				return
			}
		}
	}
}

// NoReply sends nothing. The connection stays open, and the next request on it
// has the next step.
func NoReply() Step {
	return func(*Conn, string) {}
}
