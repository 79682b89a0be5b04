package memcache

import (
	"cmp"
	"context"
	"net/netip"
	"slices"

	"github.com/jackc/puddle/v2"
)

// An opening is a verb for which dial may open a connection. The context of dial has it.
type opening struct {
	ctx   context.Context // of the verb
	wait  func() bool     // ends its waiting; false if it has given up. nil if it does not wait
	begun bool            // whether dial has ended its waiting
	conn  *Conn           // the new connection
}

type openingKey struct{}

// dial opens a connection for the opening in ctx.
func (p *pool) dial(ctx context.Context) (*Conn, error) {
	o, _ := ctx.Value(openingKey{}).(*opening)
	switch {
	case o == nil: // TryAcquire found none, and no verb waits for this one
		return nil, puddle.ErrNotAvailable
	case o.wait != nil && !o.wait():
		return nil, &busyError{p.server, p.backend.limits}
	case o.wait != nil:
		p.mu.Lock()
		p.free++
		o.begun = true
		p.mu.Unlock()
	}
	ctx, cancel := context.WithCancel(o.ctx)
	defer cancel()
	defer context.AfterFunc(p.backend.closing, cancel)()
	for {
		p.mu.Lock()
		address, epoch := p.address, p.epoch
		p.mu.Unlock()
		conn, err := p.backend.opts.dialAt(ctx, p.server, cmp.Or(address, p.server.String()))
		if err != nil {
			p.mu.Lock()
			if p.open == 0 && p.address == address {
				p.address = "" // so that the next dial resolves the name again
			}
			p.mu.Unlock()
			return nil, err
		}
		c := newConn(conn, p.backend.newClient)
		if p.admit(c, epoch) {
			c.forget = context.AfterFunc(p.backend.closing, c.end)
			o.conn = c
			return c, nil
		}
		conn.Close()
	}
}

// admit makes c, which dial opened in epoch, a connection of the pool. It returns false if the
// connections of the pool lead to another address.
func (p *pool) admit(c *Conn, epoch int) bool {
	_, isName := p.server.host()
	address := c.RemoteAddr().String()
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case !isName:
	case p.epoch != epoch:
		return false
	case p.address == "":
		p.address = address
	case p.address != address:
		return false
	}
	p.open++
	c.epoch = epoch
	return true
}

// follow resolves the name of the server. If it does not have the address any more to which
// the connections lead, they are not used again.
func (p *pool) follow(ctx context.Context) {
	p.mu.Lock()
	address := p.address
	p.mu.Unlock()
	host, isName := p.server.host()
	if !isName || address == "" {
		return
	}
	present, err := netip.ParseAddrPort(address)
	if err != nil {
		return
	}
	addrs, err := lookup(ctx, host)
	if err != nil || slices.Contains(addrs, present.Addr().Unmap()) {
		return
	}
	p.mu.Lock()
	if p.address == address {
		p.address = ""
		p.epoch++
	}
	p.mu.Unlock()
	p.dropIdle()
}
