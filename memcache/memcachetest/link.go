package memcachetest

import (
	"context"
	"io"
	"net"
	"sync"
	"time"
)

// A link is one connection through a proxy.
type link struct {
	proxy  *Proxy
	client net.Conn
	left   bool // the client has closed its end, or Cut both; guarded by the proxy's mu

	requests, replies *delayLine

	ctx    context.Context // done when the link is closed
	cancel context.CancelFunc

	mu     sync.Mutex
	server net.Conn // nil until dialled
}

func newLink(p *Proxy, client net.Conn) *link {
	l := &link{proxy: p, client: client, requests: newDelayLine(), replies: newDelayLine()}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// close ends the link now.
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

// run carries bytes until the link is closed, or both its ends are.
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
	if l.ctx.Err() != nil { // closed before there was a server to close
		return
	}

	var all sync.WaitGroup
	all.Go(func() {
		l.receive(l.client, l.requests, func() bool { return false })
		l.proxy.leave(l)
	})
	all.Go(func() { l.deliver(server, l.requests, func() ProxyOptions { return ProxyOptions{} }) })
	all.Go(func() { l.receive(server, l.replies, func() bool { return l.proxy.state().Swallow }) })
	all.Go(func() { l.deliver(l.client, l.replies, l.proxy.state) })
	all.Wait()
}

// receive puts what comes from conn into line, until its end.
func (l *link) receive(conn net.Conn, line *delayLine, swallow func() bool) {
	buf := make([]byte, 64<<10)
	for {
		n, err := conn.Read(buf)
		delay := l.proxy.state().RoundTrip / 2
		if n > 0 && !swallow() {
			line.put(append([]byte(nil), buf[:n]...), delay)
		}
		if err == io.EOF {
			line.put(nil, delay)
			return
		}
		if err != nil {
			l.close()
			return
		}
	}
}

// deliver writes to conn what comes out of line, until its end.
func (l *link) deliver(conn net.Conn, line *delayLine, faults func() ProxyOptions) {
	for {
		p, ok := line.next()
		if !ok || !l.sleep(time.Until(p.due)) {
			return
		}
		if p.data == nil {
			closeWrite(conn)
			return
		}
		if err := l.write(conn, p.data, faults); err != nil {
			l.close()
			return
		}
		line.arrived(p)
	}
}

func (l *link) write(conn net.Conn, data []byte, faults func() ProxyOptions) error {
	if cut := faults().CutAfter; 0 < cut && cut < len(data) {
		conn.Write(data[:cut])
		return io.ErrShortWrite
	}
	for len(data) > 0 {
		n, pause := len(data), faults().Drip
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

// closeWrite says to the other end that nothing more will come.
func closeWrite(conn net.Conn) {
	conn.(interface{ CloseWrite() error }).CloseWrite()
}

// hangUp closes a connection. To close it is not enough: should this program be
// starting another, that has it open, too, until it begins.
func hangUp(conn net.Conn) {
	closeWrite(conn)
	conn.Close()
}

// sleep answers false if the link was closed before d was over.
func (l *link) sleep(d time.Duration) bool { return pause(l.ctx.Done(), d) }

// pause waits for d, but not longer than until done is closed: then it answers
// false.
func pause(done <-chan struct{}, d time.Duration) bool {
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

// A delayLine holds the bytes that are under way in one direction.
type delayLine struct {
	mu     sync.Mutex
	change sync.Cond // signalled after every change of what follows

	parcels []parcel
	size    int // of the parcels, and of one that is being delivered
	closed  bool
}

// A parcel is what was read at once, or with no data the end of all.
type parcel struct {
	data []byte
	due  time.Time
}

func newDelayLine() *delayLine {
	d := new(delayLine)
	d.change.L = &d.mu
	return d
}

// put sends data on its way, which takes as long as delay. If the line is full it
// waits. A line with a delay holds much, so as not to be the bottleneck, and one
// without little: if the receiver takes nothing, the sender is to feel it.
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
	d.parcels = append(d.parcels, parcel{data, due})
	d.size += len(data)
	d.change.Broadcast()
}

// next waits for a parcel and takes it, which may not be due yet. It answers false
// when the line is closed.
func (d *delayLine) next() (parcel, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.parcels) == 0 && !d.closed {
		d.change.Wait()
	}
	if d.closed {
		return parcel{}, false
	}
	p := d.parcels[0]
	d.parcels = d.parcels[1:]
	return p, true
}

// arrived makes room for as much as p.
func (d *delayLine) arrived(p parcel) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.size -= len(p.data)
	d.change.Broadcast()
}

func (d *delayLine) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	d.change.Broadcast()
}
