package redis

import (
	"context"
	"crypto/tls"
	"net"
	"strings"
	"sync"

	"github.com/redis/rueidis"
)

// A conn is a connection to a server. It calls lost when it is.
type conn struct {
	net.Conn
	set  *connSet
	lost func()
}

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil {
		c.lost()
	}
	return n, err
}

func (c *conn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if err != nil {
		c.lost()
	}
	return n, err
}

func (c *conn) Close() error {
	c.lost()
	c.set.remove(c)
	return c.Conn.Close()
}

// A connSet has the connections of a Backend, or of a session.
type connSet struct {
	mu     sync.Mutex
	all    map[*conn]struct{} // guarded by mu
	dials  map[string]int     // guarded by mu: connections begun, by address; "" has the sum
	closed bool               // guarded by mu
}

// dialled returns the number of connections that were begun to address, or to all addresses if
// it is "".
func (s *connSet) dialled(address string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dials[address]
}

// begin counts a connection to address.
func (s *connSet) begin(address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dials == nil {
		s.dials = map[string]int{}
	}
	s.dials[address]++
	s.dials[""]++
}

// add reports whether c may be used.
func (s *connSet) add(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	if s.all == nil {
		s.all = map[*conn]struct{}{}
	}
	s.all[c] = struct{}{}
	return true
}

func (s *connSet) remove(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, c)
}

// close closes all connections, so that no goroutine waits for a server any longer.
func (s *connSet) close() {
	s.mu.Lock()
	all := s.all
	s.all, s.closed = nil, true
	s.mu.Unlock()
	for c := range all {
		c.Conn.Close()
	}
}

// dial connects to address for rueidis. Config is nil without TLS.
func (b *Backend) dial(ctx context.Context, address string, dialer *net.Dialer,
	config *tls.Config) (net.Conn, error) {
	b.gate.close()
	if ctx.Done() != nil {
		return nil, errInlineDial
	}
	return connectTo(b.closing, address, dialer, config, &b.conns, b.gate.close)
}

// connectTo connects to address until ctx is done. The connection is one of set, and lost is
// called when it is lost.
func connectTo(ctx context.Context, address string, dialer *net.Dialer, config *tls.Config,
	set *connSet, lost func()) (net.Conn, error) {
	// rueidis passes no context to dial functions.
	ctx, cancel := context.WithTimeout(ctx, dialer.Timeout)
	defer cancel()
	set.begin(address)
	network := "tcp"
	if strings.HasPrefix(address, "/") {
		network = "unix"
	}
	plain, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if config != nil {
		config = config.Clone()
		if config.ServerName == "" {
			config.ServerName, _, _ = net.SplitHostPort(address)
		}
		secure := tls.Client(plain, config)
		if err := secure.HandshakeContext(ctx); err != nil {
			plain.Close()
			return nil, err
		}
		plain = secure
	}
	c := &conn{plain, set, lost}
	if !set.add(c) {
		plain.Close()
		return nil, errClosed
	}
	return c, nil
}

// An opening is an attempt to open the client.
type opening struct {
	done chan struct{} // closed when client and err are set
	err  error
}

// connect returns the client. The first verb opens it in a goroutine, because rueidis connects
// while it opens a client, and accepts no context for that.
func (b *Backend) connect(ctx context.Context) (rueidis.Client, error) {
	if c := b.client.Load(); c != nil {
		return *c, nil
	}
	b.mu.Lock()
	if c := b.client.Load(); c != nil {
		b.mu.Unlock()
		return *c, nil
	}
	o := b.opening
	if o == nil {
		if !b.gate.start() {
			b.mu.Unlock()
			return nil, errClosed
		}
		o = &opening{done: make(chan struct{})}
		b.opening = o
		go b.open(o)
	}
	b.mu.Unlock()
	select {
	case <-o.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if o.err != nil {
		return nil, o.err
	}
	return *b.client.Load(), nil
}

// open opens the client.
func (b *Backend) open(o *opening) {
	defer b.gate.running.Done()
	c, err := rueidis.NewClient(b.option)
	if err == nil && b.option.Sentinel.MasterSet == "" && !b.option.ForceSingleClient &&
		c.Mode() != rueidis.ClientModeCluster {

		err = errNoCluster
	}
	b.mu.Lock()
	if b.closed {
		err = errClosed
	}
	b.opening, o.err = nil, err
	// rueidis returns a client for one server even if it could not connect.
	if c != nil && !b.closed && (err == nil || b.option.ForceSingleClient) {
		opened := c
		b.client.Store(&opened)
		c = nil // it is kept
	}
	b.mu.Unlock()
	close(o.done)
	if c != nil {
		c.Close()
	}
}
