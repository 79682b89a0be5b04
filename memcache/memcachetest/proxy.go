package memcachetest

import (
	"math"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"
)

// ProxyOptions are the faults of a Proxy. With the zero value or nil, it has none.
type ProxyOptions struct {
	// RoundTrip is added to the time between a request and its reply, half of it in each
	// direction. It does not limit the throughput: bytes that are sent together arrive
	// together. Dialing does not take longer.
	RoundTrip time.Duration

	// Drip is the pause after each byte of a reply, which is delivered byte by byte. If 0,
	// replies are delivered as they come.
	Drip time.Duration

	// CutAfter is the number of bytes after which a reply is cut and its connection closed.
	// It counts the bytes of one read from the server, and cuts only if there are more. If
	// 0, replies are not cut.
	CutAfter int

	// Swallow drops all replies: the server carries out requests, but the client gets no
	// reply.
	Swallow bool

	// Twice delivers all replies twice, one copy right after the other. It copies what one
	// read from the server returns, which for a short reply is the whole reply.
	Twice bool

	// Refuse refuses new connections, as if there were no server.
	Refuse bool

	// HangUp accepts new connections and closes them at once.
	HangUp bool
}

// A Proxy connects clients to a server, with faults that a test can change at any time.
type Proxy struct {
	t      testing.TB
	target string
	addr   string
	wg     sync.WaitGroup // every goroutine of the proxy

	mu       sync.Mutex
	opts     ProxyOptions
	listener net.Listener // nil while connections are refused
	links    map[*link]struct{}
	dialled  int
}

// StartProxy starts a proxy for the server at target, which is host:port or the path of a
// socket. The proxy ends with the test. If the target cannot be reached, the proxy closes the
// connection of the client.
func StartProxy(t testing.TB, target string, opts *ProxyOptions) *Proxy {
	t.Helper()
	p := &Proxy{
		t:      t,
		target: target,
		addr:   net.JoinHostPort("127.0.0.1", strconv.Itoa(reservePort(t))),
		links:  make(map[*link]struct{}),
	}
	t.Cleanup(p.cleanUp)
	p.Set(opts)
	return p
}

// Addr returns the host:port of the proxy.
func (p *Proxy) Addr() string { return p.addr }

// Set replaces the faults. If opts is nil, there are none from now on. The new faults apply
// to open connections as well, but bytes in transit arrive when they would have arrived
// before.
func (p *Proxy) Set(opts *ProxyOptions) {
	p.t.Helper()
	if opts == nil {
		opts = &ProxyOptions{}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.opts = *opts
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
	p.wg.Go(func() { p.accept(l) })
}

// Cut closes all connections. New connections have the faults of Set.
func (p *Proxy) Cut() { p.CutSome(math.MaxInt) }

// CutSome closes n connections, which it chooses at random, or all if there are fewer. New
// connections have the faults of Set.
func (p *Proxy) CutSome(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		if n <= 0 {
			return
		}
		if !l.clientClosed {
			l.clientClosed = true
			l.close()
			n--
		}
	}
}

// Forget drops all further bytes of the connections that are open now, in both directions,
// and keeps them open. A firewall that has forgotten a connection does the same. New
// connections have the faults of Set.
func (p *Proxy) Forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.forgotten.Store(true)
	}
}

// Dialled returns how many connections the proxy has accepted since its start.
func (p *Proxy) Dialled() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dialled
}

// Open returns how many connections neither their client nor Cut has closed.
func (p *Proxy) Open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for l := range p.links {
		if !l.clientClosed {
			n++
		}
	}
	return n
}

func (p *Proxy) options() ProxyOptions {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.opts
}

// refuse closes the listener. The caller holds mu.
func (p *Proxy) refuse() {
	if p.listener != nil {
		stopListening(p.listener)
		p.listener = nil
	}
}

// cleanUp closes all connections at the end of the test and waits for all goroutines.
func (p *Proxy) cleanUp() {
	p.Set(&ProxyOptions{Refuse: true})
	p.Cut()
	p.wg.Wait()
}

func (p *Proxy) accept(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return // the listener is closed
		}
		p.serve(listener, conn)
	}
}

// serve starts a link for a client that listener has accepted.
func (p *Proxy) serve(listener net.Listener, client net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != listener { // it was closed in the meantime
		hangUp(client)
		return
	}
	p.dialled++
	if p.opts.HangUp {
		hangUp(client)
		return
	}
	l := newLink(p, client)
	p.links[l] = struct{}{}
	p.wg.Go(func() {
		l.run()
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.links, l)
	})
}

func (p *Proxy) markClientClosed(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l.clientClosed = true
}
