package memcachemeta

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
)

// A server has the connection to one server.
type server struct {
	memcache.Server
	backend *Backend
	current atomic.Pointer[conn] // that new calls use; nil if there is none

	mu      sync.Mutex     // guards what follows; conn.mu may be held before
	retired bool           // whether the server has left the list
	dialing *dialing       // nil if no connection is being opened
	fails   int            // how many connections in a row have failed before a reply
	next    time.Time      // when the next dial may begin
	stats   core.PoolStats // the figures that only grow
}

// A dialing is the opening of a connection, for all calls that wait for it.
type dialing struct {
	cancel  context.CancelFunc
	waiters int           // guarded by server.mu; when it is 0 again, cancel is called
	done    chan struct{} // closed when conn and err are set
	conn    *conn
	err     error
}

const (
	firstPause   = time.Millisecond      // after a connection that has failed
	longestPause = 32 * time.Millisecond // after many
)

// take returns the connection. If there is none, it opens one, or waits for the one that is
// being opened.
func (s *server) take(ctx context.Context) (*conn, error) {
	if c := s.current.Load(); c != nil {
		return c, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	start := time.Now()
	s.mu.Lock()
	if c := s.current.Load(); c != nil {
		s.mu.Unlock()
		return c, nil
	}
	d := s.dialing
	if d == nil {
		d = &dialing{done: make(chan struct{})}
		var dialCtx context.Context
		dialCtx, d.cancel = context.WithCancel(s.backend.list.Closing())
		pause := time.Until(s.next)
		if !s.backend.spawn(func() { s.dial(dialCtx, d, pause) }) {
			s.mu.Unlock()
			d.cancel()
			return nil, core.ErrClosed
		}
		s.dialing = d
	}
	d.waiters++
	s.mu.Unlock()
	return s.await(ctx, d, start)
}

// await waits for d.
func (s *server) await(ctx context.Context, d *dialing, start time.Time) (*conn, error) {
	var c *conn
	var err error
	select {
	case <-d.done:
		c, err = d.conn, d.err
	case <-ctx.Done():
		err = ctx.Err()
	}
	defer func() { s.closeUnused(d, err) }()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Waits++
	s.stats.WaitTime += time.Since(start)
	if d.waiters--; d.waiters == 0 {
		d.cancel()
		if s.dialing == d {
			s.dialing = nil
		}
	}
	return c, err
}

// closeUnused is called when a call has not used the connection of d because of err. It may have
// been the only one to use it after the server has left the list.
func (s *server) closeUnused(d *dialing, err error) {
	if err == nil {
		return
	}
	select {
	case <-d.done:
		if c := d.conn; c != nil && c.isRetired() {
			c.retire()
		}
	default: // the dial was cancelled, or others wait for it
	}
}

// dial opens a connection for d. It begins after pause, so that a server that refuses
// connections is not flooded with them.
func (s *server) dial(ctx context.Context, d *dialing, pause time.Duration) {
	c, err := s.open(ctx, pause)
	s.mu.Lock()
	switch {
	case s.backend.list.Closing().Err() != nil:
		err = core.ErrClosed
	case ctx.Err() != nil: // no verb waits for it
		err = ctx.Err()
	case err != nil:
		s.failed()
	case s.backend.remember(c):
		c.retired = s.retired
		s.current.Store(c)
		d.conn = c
	default:
		err = core.ErrClosed
	}
	d.err = err
	if s.dialing == d {
		s.dialing = nil
	}
	s.mu.Unlock()
	if err != nil && c != nil {
		c.raw.Close()
	}
	close(d.done)
}

// failed delays the next dial, because a connection could not be opened or was lost before its
// first reply. The caller holds mu.
func (s *server) failed() {
	// A random part, so that many clients do not return at the same moment.
	pause := min(firstPause<<min(s.fails, 10), longestPause)
	s.next = time.Now().Add(pause/2 + rand.N(pause/2))
	s.fails++
}

// succeeded is called at the first reply over a connection.
func (s *server) succeeded() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails = 0
}

// open opens a connection after pause.
func (s *server) open(ctx context.Context, pause time.Duration) (*conn, error) {
	if pause > 0 {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	nc, err := s.backend.opts.Dial(ctx, s.Server)
	if err != nil {
		return nil, err
	}
	h, err := sayHello(ctx, nc, s.backend.opts.Timeout)
	if err != nil {
		nc.Close()
		return nil, err
	}
	return newConn(nc, s, h), nil
}

// forget removes a connection that is closed. Conn.mu is held.
func (s *server) forget(c *conn) {
	s.mu.Lock()
	s.stats.Destroyed++
	if !c.replied && c.err != errGone {
		s.failed()
	}
	s.mu.Unlock()
	s.current.CompareAndSwap(c, nil)
	s.backend.forget(c)
}

// Remote returns the address to which the connection leads, or "".
func (s *server) Remote() string {
	if c := s.current.Load(); c != nil {
		return c.RemoteAddr().String()
	}
	return ""
}

// Move makes calls use a new connection instead of the one to the address from.
func (s *server) Move(from string) {
	if c := s.current.Load(); c != nil && c.RemoteAddr().String() == from {
		s.current.CompareAndSwap(c, nil)
		c.retire()
	}
}

// Reap closes the connection if it has reached a limit.
func (s *server) Reap(now time.Time) {
	for _, c := range s.backend.connsOf(s) {
		if now.Sub(c.created) >= s.backend.opts.MaxLifetime {
			s.current.CompareAndSwap(c, nil)
			c.retire()
		} else {
			c.closeIdle(now)
		}
	}
}

// Retire closes the connection once no call uses it.
func (s *server) Retire() {
	s.mu.Lock()
	s.retired = true
	s.mu.Unlock()
	for _, c := range s.backend.connsOf(s) {
		s.current.CompareAndSwap(c, nil)
		c.retire()
	}
}

// IsEmpty reports whether no connection is left.
func (s *server) IsEmpty() bool { return len(s.backend.connsOf(s)) == 0 }

// Figures returns the figures of the connections. One is in use if a call is without a reply.
func (s *server) Figures() core.PoolStats {
	s.mu.Lock()
	f := s.stats
	s.mu.Unlock()
	for _, c := range s.backend.connsOf(s) {
		f.Total++
		c.mu.Lock()
		if c.queue.len() == 0 {
			f.Idle++
		}
		c.mu.Unlock()
	}
	f.Acquired = f.Total - f.Idle
	return f
}
