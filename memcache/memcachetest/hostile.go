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

// A Hostile is a server whose replies are written by a test.
type Hostile struct {
	addr string
	done chan struct{} // closed at the end of the test

	mu       sync.Mutex
	requests []string
	conns    map[*Conn]struct{} // nil after the end of the test
	dialled  int
}

// StartHostile starts a server that calls handle for each connection, in a new goroutine, and
// closes the connection when handle returns. The server ends with the test. Handle may speak
// any protocol. InTurn returns a handle function that replies to one request after another:
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
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // the listener is closed
			}
			if c := h.add(conn); c != nil {
				wg.Go(func() {
					defer h.remove(c)
					handle(c)
				})
			}
		}
	})
	t.Cleanup(func() {
		close(h.done)
		listener.Close()
		h.closeAll()
		wg.Wait()
	})
	return h
}

// Addr returns the host:port of the server.
func (h *Hostile) Addr() string { return h.addr }

// Requests returns the requests that Conn.Request and InTurn have read so far on all
// connections, in order of arrival.
func (h *Hostile) Requests() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.requests)
}

// Dialled returns how many connections the server has accepted so far.
func (h *Hostile) Dialled() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.dialled
}

// add returns a Conn for an accepted connection. After the end of the test, it closes the
// connection and returns nil.
func (h *Hostile) add(conn net.Conn) *Conn {
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

func (h *Hostile) remove(c *Conn) {
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

// record adds request to the requests and returns its index.
func (h *Hostile) record(request string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.requests = append(h.requests, request)
	return len(h.requests) - 1
}

// A Conn is the server's end of a connection. Only its handle function may use it.
type Conn struct {
	net.Conn
	hostile *Hostile
	r       *bufio.Reader // reads from Conn
}

// Read reads bytes that Request has not read.
func (c *Conn) Read(b []byte) (int, error) { return c.r.Read(b) }

// Request reads a whole request. In the text protocol, that is a line and, for commands that
// have one, its data block. In the binary protocol, it is a header and its body.
func (c *Conn) Request() (string, error) {
	request, _, err := c.next()
	return request, err
}

// next returns the next request, and its index among the requests of all connections.
func (c *Conn) next() (string, int, error) {
	request, err := readRequest(c.r)
	if err != nil {
		return request, 0, err
	}
	return request, c.hostile.record(request), nil
}

// A Step is called with a request and replies to it on c.
type Step func(c *Conn, request string)

// InTurn returns a handler that calls the first step with the first request, the second
// step with the second request, and so on. Requests are counted over all connections. The
// last step is also called with all further requests.
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

// Reply returns a Step that sends text unchanged.
func Reply(text string) Step {
	return func(c *Conn, _ string) { c.Write([]byte(text)) }
}

// ReplyAndClose returns a Step that sends text and closes the connection. Text may be the
// beginning of a reply, or "".
func ReplyAndClose(text string) Step {
	return func(c *Conn, _ string) {
		c.Write([]byte(text))
		c.Close()
	}
}

// ReplySlowly returns a Step that sends text byte by byte, with a pause after each byte.
func ReplySlowly(text string, pause time.Duration) Step {
	return func(c *Conn, _ string) {
		for i := range len(text) {
			if _, err := c.Write([]byte{text[i]}); err != nil || !sleep(c.hostile.done, pause) {
				return
			}
		}
	}
}

// ReplyForEver returns a Step that sends text repeatedly until the client closes the
// connection. If text has no line break, the client receives a line that does not end.
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

// NoReply returns a Step that sends nothing. The connection stays open for further requests.
func NoReply() Step {
	return func(*Conn, string) {}
}
