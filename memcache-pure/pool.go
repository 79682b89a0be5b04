package memcachepure

import (
	"context"
	"fmt"
	"net"
	"sync"

	gomemcache "github.com/bradfitz/gomemcache/memcache"
	"golang.org/x/sync/semaphore"

	"github.com/cachewire/cachewire/core"
)

// A pooledConn is a connection to a server, with its own gomemcache.Client. A client with
// several connections does not show which of them a verb uses, so that a verb whose context
// is done could not be ended.
type pooledConn struct {
	client *gomemcache.Client
	conn   *checkedConn
	end    func() // conn.end, kept so that verbs do not allocate it
}

// A pool holds the connections to one server.
type pool struct {
	addr    *addr
	backend *Backend
	room    *semaphore.Weighted // for connections in use

	mu   sync.Mutex
	idle []*pooledConn            // guarded by mu; a stack, so that few connections stay in use
	all  map[*pooledConn]struct{} // guarded by mu; nil once closed
}

// take returns a connection, which belongs to the caller until it calls put or drop.
func (p *pool) take(ctx context.Context) (*pooledConn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !p.room.TryAcquire(1) {
		if err := p.wait(ctx); err != nil {
			return nil, err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if last := len(p.idle) - 1; last >= 0 {
		c := p.idle[last]
		p.idle = p.idle[:last]
		return c, nil
	}
	if p.all == nil {
		p.room.Release(1)
		return nil, core.ErrClosed
	}
	c := p.newConn()
	p.all[c] = struct{}{}
	return c, nil
}

// wait acquires room for a connection.
func (p *pool) wait(ctx context.Context) error {
	b := p.backend
	limited, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	if p.room.Acquire(limited, 1) == nil {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return fmt.Errorf("%w: %s: all %d connections (MaxOpen) were in use for %v",
		core.ErrUnavailable, p.addr, b.maxOpen, b.timeout)
}

func (p *pool) newConn() *pooledConn {
	b := p.backend
	dial := func(ctx context.Context) (net.Conn, error) {
		return b.connect(ctx, p.addr.Network(), p.addr.String())
	}
	c := &pooledConn{conn: &checkedConn{dial: dial}}
	c.end = c.conn.end
	c.client = gomemcache.NewFromSelector(singleServer{p.addr})
	c.client.Timeout = b.timeout
	c.client.MaxIdleConns = 1
	c.client.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return c.conn, c.conn.connect(ctx)
	}
	return c
}

// put gives c back. If the pool is closed, or has enough idle connections, put closes c.
func (p *pool) put(c *pooledConn) {
	p.mu.Lock()
	if p.all != nil && len(p.idle) < p.backend.maxIdle {
		p.idle = append(p.idle, c)
		c = nil
	}
	p.mu.Unlock()
	if c != nil {
		p.remove(c)
	}
	p.room.Release(1)
}

// drop gives c back and closes it.
func (p *pool) drop(c *pooledConn) {
	p.remove(c)
	p.room.Release(1)
}

// remove removes c from the pool and closes it.
func (p *pool) remove(c *pooledConn) {
	p.mu.Lock()
	delete(p.all, c)
	p.mu.Unlock()
	c.conn.end()
}

// close closes all connections, even those in use.
func (p *pool) close() {
	p.mu.Lock()
	all := p.all
	p.all, p.idle = nil, nil
	p.mu.Unlock()
	for c := range all {
		c.conn.end()
	}
}

// singleServer is the gomemcache.ServerSelector of a client with one server.
type singleServer struct{ *addr }

func (s singleServer) PickServer(string) (net.Addr, error) { return s.addr, nil }
func (s singleServer) Each(do func(net.Addr) error) error  { return do(s.addr) }
