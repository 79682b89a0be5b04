package memcachetest

import (
	"net"
	"strconv"
	"sync"
	"testing"
	"time"
)

// ProxyOptions say what is wrong with the line to a server. The zero value, like
// nil, is a line with no fault.
type ProxyOptions struct {
	// RoundTrip is added to the time of a request and its reply, half on the way
	// there and half on the way back. The line stays as wide as it is: what comes
	// close together arrives close together. Dialling takes no longer.
	RoundTrip time.Duration

	// Drip, if above 0, delivers replies a byte at a time, with this pause after
	// each.
	Drip time.Duration

	// CutAfter, if above 0, closes a connection after so many bytes of a reply that
	// has more, and came from the server at once.
	CutAfter int

	// Swallow throws replies away: the server carries out what is asked of it, and
	// nobody hears of it.
	Swallow bool

	// Refuse has new connections refused, as if there were no server.
	Refuse bool

	// HangUp has new connections accepted and closed at once.
	HangUp bool
}

// A Proxy is a line to a server that a test can spoil and mend.
type Proxy struct {
	t      testing.TB
	target string
	addr   string
	all    sync.WaitGroup // every goroutine of the proxy

	mu       sync.Mutex
	faults   ProxyOptions
	listener net.Listener // nil while connections are refused
	links    map[*link]struct{}
	dialled  int
}

// StartProxy starts a proxy before the server at target, host:port or the path of
// a socket, and ends it with the test. A client whose target cannot be reached
// finds that its connection is closed.
func StartProxy(t testing.TB, target string, opts *ProxyOptions) *Proxy {
	t.Helper()
	p := &Proxy{
		t:      t,
		target: target,
		addr:   net.JoinHostPort("127.0.0.1", strconv.Itoa(reservePort(t))),
		links:  make(map[*link]struct{}),
	}
	t.Cleanup(p.end)
	p.Set(opts)
	return p
}

// Addr answers the proxy's host:port.
func (p *Proxy) Addr() string { return p.addr }

// Set replaces the faults of the line, nil by none. Open connections have the new
// ones from now on, but what is already on its way arrives when it would have.
func (p *Proxy) Set(opts *ProxyOptions) {
	p.t.Helper()
	if opts == nil {
		opts = &ProxyOptions{}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = *opts
	if opts.Refuse {
		p.refuse()
		return
	}
	if p.listener != nil {
		return
	}
	l, err := net.Listen("tcp4", p.addr)
	if err != nil {
		p.t.Errorf("memcachetest: proxy: %v", err)
		return
	}
	p.listener = l
	p.all.Go(func() { p.accept(l) })
}

// Cut closes all connections. New ones are as Set says.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.left = true
		l.close()
	}
}

// Dialled answers how many connections the proxy has accepted since its start.
func (p *Proxy) Dialled() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dialled
}

// Open answers how many of them neither their client nor Cut has closed.
func (p *Proxy) Open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for l := range p.links {
		if !l.left {
			n++
		}
	}
	return n
}

func (p *Proxy) state() ProxyOptions {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.faults
}

// refuse closes the listener. The caller holds mu.
func (p *Proxy) refuse() {
	if p.listener != nil {
		stopListening(p.listener)
		p.listener = nil
	}
}

// end is the end of the test.
func (p *Proxy) end() {
	p.Set(&ProxyOptions{Refuse: true})
	p.Cut()
	p.all.Wait()
}

func (p *Proxy) accept(from net.Listener) {
	for {
		conn, err := from.Accept()
		if err != nil {
			return // closed
		}
		p.take(from, conn)
	}
}

// take begins to serve a client that came through from.
func (p *Proxy) take(from net.Listener, client net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != from { // closed in the meantime
		hangUp(client)
		return
	}
	p.dialled++
	if p.faults.HangUp {
		hangUp(client)
		return
	}
	l := newLink(p, client)
	p.links[l] = struct{}{}
	p.all.Go(func() {
		l.run()
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.links, l)
	})
}

// leave notes that a client has closed its end.
func (p *Proxy) leave(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l.left = true
}
