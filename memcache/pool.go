package memcache

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/cachewire/cachewire/core"
)

// A pool has the connections to one server. The one that was used last is used first, so that
// few of them stay in use.
type pool struct {
	server  Server
	backend *Backend

	mu       sync.Mutex     // guards all that follows
	idle     []*Conn        // the one that was used last is the last
	suspect  []*Conn        // idle ones that are not used before they reply to a ping
	open     int            // connections, with those that are being dialed
	dialing  int            // connections that are being dialed
	waiters  []*waiter      // in the order of their arrival
	lost     time.Time      // when a connection was last found closed
	address  string         // where the connections lead, if the server has a name
	epoch    int            // how often the connections got another address
	retired  bool           // whether the server is not in the list any more
	distance distance       // of the server
	stats    core.PoolStats // the figures that only grow
}

// A waiter is a verb that waits.
type waiter struct {
	ready   chan *Conn // gets the connection, or nil if the verb is to look again
	refused bool       // whether the verb does not open a connection
}

// shortPause is the longest time for which a connection may be idle and is used without a
// check, because a server cannot be restarted in so little time. Unexpected bytes of the
// server are then not noticed either, but the check would also miss them if they came a
// little later.
const shortPause = 2 * time.Millisecond

// take returns a connection, which belongs to the caller until it calls put. If refused is
// not nil, it is the error of a connection that the server has refused: take then waits for
// one that is open instead of opening another.
//
// The error is that of ctx, core.ErrClosed, a *busyError, or that of dialing.
func (p *pool) take(ctx context.Context, refused error) (*Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	now := time.Now()
	if c := p.takeIdle(now); c != nil {
		return c, nil
	}
	c, err := p.takeSlowly(ctx, refused)
	p.mu.Lock()
	p.stats.Waits++
	p.stats.WaitTime += time.Since(now)
	p.mu.Unlock()
	return c, err
}

// takeIdle returns an idle connection that can be used, or nil if there is none. It closes
// those that cannot be used.
func (p *pool) takeIdle(now time.Time) *Conn {
	p.mu.Lock()
	for len(p.idle) > 0 {
		last := len(p.idle) - 1
		c := p.idle[last]
		p.idle[last] = nil
		p.idle = p.idle[:last]
		c.rested = now.Sub(c.used)
		unsure := c.rested > shortPause || c.used.Before(p.lost)
		p.mu.Unlock()
		if !p.isOld(c, now) && !(unsure && c.check.isDead()) {
			return c
		}
		p.drop(c)
		p.mu.Lock()
	}
	p.mu.Unlock()
	return nil
}

// tryTake returns a connection that is idle, or opens one, but never waits for one. It returns
// nil if it has none.
func (p *pool) tryTake(ctx context.Context) *Conn {
	if c := p.takeIdle(time.Now()); c != nil {
		return c
	}
	p.mu.Lock()
	full := p.open >= p.backend.limits.MaxOpen
	if !full {
		p.open++
		p.dialing++
	}
	p.mu.Unlock()
	if full {
		return nil
	}
	c, _ := p.dial(ctx)
	return c
}

// isOld reports whether an idle connection has reached one of its limits.
func (p *pool) isOld(c *Conn, now time.Time) bool {
	o := &p.backend.opts
	return now.Sub(c.created) >= o.MaxLifetime || now.Sub(c.used) >= o.MaxIdleTime
}

// takeSlowly is take if no connection is idle: it opens one, or waits for one.
func (p *pool) takeSlowly(ctx context.Context, refused error) (*Conn, error) {
	var timer *time.Timer
	for {
		p.mu.Lock()
		switch {
		case len(p.idle) > 0: // since a moment ago
			p.mu.Unlock()
			if c := p.takeIdle(time.Now()); c != nil {
				return c, nil
			}
			continue
		case refused == nil && p.open < p.backend.limits.MaxOpen:
			p.open++
			p.dialing++
			p.mu.Unlock()
			c, err := p.dial(ctx)
			if err == nil {
				return c, nil
			}
			if ctxErr := endOf(ctx); ctxErr != nil {
				return nil, ctxErr
			}
			refused = err
			continue
		case refused != nil && p.open == p.dialing: // there is no connection to wait for
			p.mu.Unlock()
			return nil, refused
		case refused == nil: // a suspect must make room
			for _, c := range p.suspect {
				if !c.closed.Load() {
					c.Close()
					break
				}
			}
		}
		w := &waiter{ready: make(chan *Conn, 1), refused: refused != nil}
		p.waiters = append(p.waiters, w)
		p.mu.Unlock()
		if timer == nil {
			timer = time.NewTimer(p.backend.limits.Wait)
			defer timer.Stop()
		}
		var err error
		select {
		case c := <-w.ready:
			if c != nil {
				return c, nil
			}
			continue
		case <-ctx.Done():
			err = ctx.Err()
		case <-p.backend.closing.Done():
			err = core.ErrClosed
		case <-timer.C:
			if err = refused; err == nil {
				err = &busyError{p.server, p.backend.limits}
			}
		}
		p.stopWaiting(w)
		return nil, err
	}
}

// A busyError says that all connections to a server were in use for too long.
type busyError struct {
	server Server
	limits Limits
}

func (e *busyError) Error() string {
	return fmt.Sprintf("%v: %s: all %d connections were in use for %v",
		core.ErrUnavailable, e.server, e.limits.MaxOpen, e.limits.Wait)
}

func (e *busyError) Unwrap() error { return core.ErrUnavailable }

// stopWaiting removes w. What it was given at the last moment is for the next one.
func (p *pool) stopWaiting(w *waiter) {
	p.mu.Lock()
	if i := slices.Index(p.waiters, w); i >= 0 {
		p.waiters = slices.Delete(p.waiters, i, i+1)
		p.mu.Unlock()
		return
	}
	c := <-w.ready
	if c == nil {
		p.wake()
	}
	p.mu.Unlock()
	if c != nil {
		p.put(c)
	}
}

// wake is called when there are fewer connections than before. It makes the first verb look
// again that may open one. If no connection is left, it does so for all that wait for one of
// them. The caller holds mu.
func (p *pool) wake() {
	woken, empty := false, p.open == p.dialing
	p.waiters = slices.DeleteFunc(p.waiters, func(w *waiter) bool {
		if w.refused && !empty || !w.refused && woken {
			return false
		}
		woken = woken || !w.refused
		w.ready <- nil
		return true
	})
}

// put gives c back. It closes c if it is not to be used again.
func (p *pool) put(c *Conn) {
	now := time.Now()
	c.used = now
	p.mu.Lock()
	if c.took > 0 {
		p.distance.note(c.took, now)
		c.took = 0
	}
	switch {
	case c.closed.Load() || p.retired || c.epoch != p.epoch || p.isOld(c, now):
	case len(p.waiters) > 0:
		c.rested = 0
		p.waiters[0].ready <- c
		p.waiters = slices.Delete(p.waiters, 0, 1)
		c = nil
	case len(p.idle) < p.backend.limits.MaxIdle:
		p.idle = append(p.idle, c)
		c = nil
	}
	p.mu.Unlock()
	if c != nil {
		p.drop(c)
	}
}

// drop closes c and removes it from the pool.
func (p *pool) drop(c *Conn) {
	c.Close()
	p.backend.forget(c)
	p.mu.Lock()
	p.open--
	p.stats.Destroyed++
	p.wake()
	p.mu.Unlock()
}

// room records that a verb took so long, and returns how many more requests than now are
// worth their while at once.
func (p *pool) room(took time.Duration) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if took > 0 {
		p.distance.note(took, time.Now())
	}
	return p.distance.requests(took) - (p.open - len(p.idle) - len(p.suspect))
}

// noteLost records that a connection was found closed. Others may be, too: those that are
// idle are checked before their next use, however short their pause was.
func (p *pool) noteLost() {
	p.mu.Lock()
	p.lost = time.Now()
	p.mu.Unlock()
}

// noteSilent is called after an idle connection got no reply to its next request for so long.
// The reason may be a firewall that has forgotten it, and has forgotten others as well.
func (p *pool) noteSilent(waited time.Duration) {
	const short = 20 * time.Millisecond // a context may end a verb after any time
	p.mu.Lock()
	silent := waited > short+2*p.distance.shortest()
	p.mu.Unlock()
	if silent {
		p.ping(func(*Conn) bool { return true })
	}
}

// ping sends a ping over each idle connection for which which returns true. The connection is
// not used before it has replied.
func (p *pool) ping(which func(*Conn) bool) {
	p.mu.Lock()
	var pinged []*Conn
	p.idle = slices.DeleteFunc(p.idle, func(c *Conn) bool {
		if !which(c) {
			return false
		}
		pinged = append(pinged, c)
		return true
	})
	p.suspect = append(p.suspect, pinged...)
	p.mu.Unlock()
	for _, c := range pinged {
		p.backend.spawn(func() {
			c.Conn.SetDeadline(time.Now().Add(p.backend.opts.Timeout))
			if c.client.Ping() != nil {
				c.Close()
			}
			p.mu.Lock()
			i := slices.Index(p.suspect, c)
			p.suspect = slices.Delete(p.suspect, i, i+1)
			p.mu.Unlock()
			p.put(c)
		})
	}
}

// dial opens a connection. The caller has counted it in open and dialing.
func (p *pool) dial(ctx context.Context) (*Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.backend.closing, cancel)()
	for {
		p.mu.Lock()
		address, epoch := p.address, p.epoch
		p.mu.Unlock()
		conn, err := p.backend.opts.dialAt(ctx, p.server, cmp.Or(address, p.server.String()))
		if err != nil {
			p.undial(address)
			return nil, err
		}
		c := newConn(conn, p.backend.newClient)
		switch admitted := p.admit(c, epoch); {
		case !admitted:
			conn.Close()
		case p.backend.remember(c):
			return c, nil
		default:
			p.drop(c)
			return nil, core.ErrClosed
		}
	}
}

// undial ends a call of dial to address that has failed. If no connection leads there, the
// next dial resolves the name of the server again.
func (p *pool) undial(address string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open--
	p.dialing--
	if p.open == p.dialing && p.address == address {
		p.address = ""
	}
	p.wake()
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
	p.dialing--
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
	p.dropIdle(func(*Conn) bool { return true })
}

// reap closes the idle connections that have reached a limit. It pings those that are kept
// long before they reach MaxIdleTime.
func (p *pool) reap(now time.Time) {
	p.dropIdle(func(c *Conn) bool { return p.isOld(c, now) })
	p.mu.Lock()
	spare := p.open - p.backend.limits.Keep
	p.mu.Unlock()
	p.ping(func(c *Conn) bool {
		spare-- // those that were used last are kept
		return spare < 0 && now.Sub(c.used) > p.backend.opts.MaxIdleTime/2
	})
}

// retire closes the idle connections. Running verbs end as usual.
func (p *pool) retire() {
	p.mu.Lock()
	p.retired = true
	p.mu.Unlock()
	p.dropIdle(func(*Conn) bool { return true })
}

// dropIdle drops the idle connections for which old returns true.
func (p *pool) dropIdle(old func(*Conn) bool) {
	var dropped []*Conn
	p.mu.Lock()
	p.idle = slices.DeleteFunc(p.idle, func(c *Conn) bool {
		if !old(c) {
			return false
		}
		dropped = append(dropped, c)
		return true
	})
	p.mu.Unlock()
	for _, c := range dropped {
		p.drop(c)
	}
}

// figures returns the figures of the pool.
func (p *pool) figures() core.PoolStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.stats
	s.Total = uint64(p.open)
	s.Idle = uint64(len(p.idle) + len(p.suspect))
	s.Acquired = s.Total - s.Idle
	return s
}
