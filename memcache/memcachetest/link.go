package memcachetest

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A link is one connection through a proxy.
type link struct {
	proxy  *Proxy
	client net.Conn

	// clientClosed is true after the client has closed its end, or Cut has closed both ends.
	// It is guarded by the mu of the proxy.
	clientClosed bool

	forgotten atomic.Bool // whether all further bytes are dropped

	requests, replies *delayLine

	ctx    context.Context // done when the link is closed
	cancel context.CancelFunc

	mu     sync.Mutex
	server net.Conn // nil until it is dialed
}

func newLink(p *Proxy, client net.Conn) *link {
	l := &link{proxy: p, client: client, requests: newDelayLine(), replies: newDelayLine()}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// close ends the link at once.
func (l *link) close() {
	l.cancel()
	hangUp(l.client)
	l.requests.close()
	l.replies.close()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.server != nil {
		hangUp(l.server)
	}
}

// run copies bytes in both directions until the link is closed, or until both its ends are.
func (l *link) run() {
	defer l.close()
	var d net.Dialer
	server, err := d.DialContext(l.ctx, network(l.proxy.target), l.proxy.target)
	if err != nil {
		return
	}
	defer server.Close()
	l.mu.Lock()
	l.server = server
	l.mu.Unlock()
	if l.ctx.Err() != nil { // close was called before l.server was set
		return
	}

	var wg sync.WaitGroup
	wg.Go(func() {
		l.receive(l.client, l.requests, func() int { return 1 })
		l.proxy.markClientClosed(l)
	})
	wg.Go(func() { l.deliver(server, l.requests, func() ProxyOptions { return ProxyOptions{} }) })
	wg.Go(func() {
		l.receive(server, l.replies, func() int {
			switch opts := l.proxy.options(); {
			case opts.Swallow:
				return 0
			case opts.Twice:
				return 2
			}
			return 1
		})
	})
	wg.Go(func() { l.deliver(l.client, l.replies, l.proxy.options) })
	wg.Wait()
}

// receive puts the bytes that it reads from conn into line, as often as copies returns, until
// conn ends. If the server resets the connection, what it sent before still arrives.
func (l *link) receive(conn net.Conn, line *delayLine, copies func() int) {
	buf := make([]byte, 64<<10)
	for {
		n, err := conn.Read(buf)
		delay := l.proxy.options().RoundTrip / 2
		if n > 0 && !l.forgotten.Load() {
			for range copies() {
				line.put(append([]byte(nil), buf[:n]...), delay)
			}
		}
		switch {
		case err == io.EOF, err != nil && conn != l.client:
			line.put(nil, delay)
			return
		case err != nil:
			l.close()
			return
		}
	}
}

// deliver writes the bytes from line to conn, until line ends. If the server does not accept
// them, they are dropped: its last reply, which says why, must still arrive.
func (l *link) deliver(conn net.Conn, line *delayLine, options func() ProxyOptions) {
	refused := false
	for {
		c, ok := line.next()
		if !ok || !l.sleep(time.Until(c.due)) {
			return
		}
		if c.data == nil {
			closeWrite(conn)
			return
		}
		if !refused {
			err := l.write(conn, c.data, options)
			if err != nil && conn == l.client {
				l.close()
				return
			}
			refused = err != nil
		}
		line.release(c)
	}
}

func (l *link) write(conn net.Conn, data []byte, options func() ProxyOptions) error {
	if cut := options().CutAfter; 0 < cut && cut < len(data) {
		conn.Write(data[:cut])
		return io.ErrShortWrite
	}
	for len(data) > 0 {
		n, pause := len(data), options().Drip
		if pause > 0 {
			n = 1
		}
		if _, err := conn.Write(data[:n]); err != nil {
			return err
		}
		if data = data[n:]; !l.sleep(pause) {
			return l.ctx.Err()
		}
	}
	return nil
}

// closeWrite closes the sending direction of a connection.
func closeWrite(conn net.Conn) {
	conn.(interface{ CloseWrite() error }).CloseWrite()
}

// hangUp closes a connection. It calls closeWrite first: if this program is starting another
// program, the child has the connection open as well, until it executes.
func hangUp(conn net.Conn) {
	closeWrite(conn)
	conn.Close()
}

// sleep waits for d. It returns false early if the link is closed.
func (l *link) sleep(d time.Duration) bool { return sleep(l.ctx.Done(), d) }

// sleep waits for d. It returns false early if done is closed.
func sleep(done <-chan struct{}, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-done:
		return false
	}
}

// A delayLine holds the bytes in transit in one direction.
type delayLine struct {
	mu     sync.Mutex
	change sync.Cond // signaled after every change of the fields below

	chunks []chunk
	size   int // of the chunks, and of the one that is being delivered
	closed bool
}

// A chunk is the result of one read. If data is nil, it is the end of the stream.
type chunk struct {
	data []byte
	due  time.Time
}

func newDelayLine() *delayLine {
	d := new(delayLine)
	d.change.L = &d.mu
	return d
}

// put adds data, which is due after delay. If the line is full, put waits. With a delay,
// the line holds much, so that it does not limit the throughput. Without a delay it holds
// little, so that the sender blocks if the receiver does not read.
func (d *delayLine) put(data []byte, delay time.Duration) {
	due := time.Now().Add(delay)
	room := 64 << 10
	if delay > 0 {
		room = 16 << 20
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.size >= room && !d.closed {
		d.change.Wait()
	}
	d.chunks = append(d.chunks, chunk{data, due})
	d.size += len(data)
	d.change.Broadcast()
}

// next waits for a chunk and removes it from the line. The chunk may not be due yet. If the
// line is closed, next returns false.
func (d *delayLine) next() (chunk, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.chunks) == 0 && !d.closed {
		d.change.Wait()
	}
	if d.closed {
		return chunk{}, false
	}
	c := d.chunks[0]
	d.chunks = d.chunks[1:]
	return c, true
}

// release frees the room of c, which has been delivered.
func (d *delayLine) release(c chunk) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.size -= len(c.data)
	d.change.Broadcast()
}

func (d *delayLine) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	d.change.Broadcast()
}
