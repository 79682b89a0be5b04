package memcache

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/jackc/puddle/v2"

	"github.com/cachewire/cachewire/core"
)

// A pool has the connections to one server. puddle keeps the idle ones, gives out the one that
// was used last, so that few of them stay in use, limits their number, and lets verbs wait for
// their turn. The pool decides which connections can be used, and which verbs may dial.
type pool struct {
	server  Server
	backend *Backend
	conns   *puddle.Pool[*Conn]

	// mu guards all that follows, and is held while a connection is given back to conns: a
	// verb that joins waiters and then finds no idle connection misses none.
	mu       sync.Mutex
	free     int            // idle connections, less the verbs that wait in conns
	open     int            // connections
	suspect  []*Conn        // those that are not used before they reply to a ping
	waiters  []chan *Conn   // of verbs that wait for an open connection; get nil if none is left
	lost     time.Time      // when a connection was last found closed
	address  string         // where the connections lead, if the server has a name
	epoch    int            // how often the connections got another address
	retired  bool           // whether the server is not in the list any more
	distance distance       // of the server
	stats    core.PoolStats // the figures that puddle does not have
}

// shortPause is the longest time for which a connection may be idle and is used without a
// check, because a server cannot be restarted in so little time. Unexpected bytes of the
// server are then not noticed either, but the check would also miss them if they came a
// little later.
const shortPause = 2 * time.Millisecond

func newPool(server Server, b *Backend) *pool {
	p := &pool{server: server, backend: b}
	p.conns, _ = puddle.NewPool(&puddle.Config[*Conn]{ // fails only if MaxSize is below 1
		Constructor: p.dial,
		Destructor:  (*Conn).destroy,
		MaxSize:     int32(min(max(1, b.limits.MaxOpen), math.MaxInt32)),
	})
	return p
}

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
	if c := p.takeIdle(now, nil); c != nil {
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
// those that cannot be used. opened is as for judge.
func (p *pool) takeIdle(now time.Time, opened *Conn) *Conn {
	for {
		p.mu.Lock()
		if p.free <= 0 { // TryAcquire would open one in the background
			p.mu.Unlock()
			return nil
		}
		res, err := p.conns.TryAcquire(p.backend.closing)
		if err == nil {
			p.free--
		}
		p.mu.Unlock()
		if err != nil {
			return nil
		}
		if c := p.judge(res, now, opened); c != nil {
			return c
		}
	}
}

// judge returns the connection that the caller has acquired. If it cannot be used, judge closes
// it and returns nil. What the server has sent over opened, a new connection, is for the verb:
// it may say why the server refuses it.
func (p *pool) judge(res *puddle.Resource[*Conn], now time.Time, opened *Conn) *Conn {
	c := res.Value()
	c.res, c.rested = res, 0
	p.mu.Lock()
	fit, lost := c.epoch == p.epoch, p.lost
	p.mu.Unlock()
	if c != opened {
		c.rested = res.IdleDuration()
		unsure := c.rested > shortPause || now.Add(-c.rested).Before(lost)
		fit = fit && c.rested < p.backend.opts.MaxIdleTime && !p.isOld(c, now) &&
			!(unsure && c.check.IsDead())
	}
	if !fit {
		p.drop(c)
		return nil
	}
	return c
}

// isOld reports whether a connection has reached MaxLifetime.
func (p *pool) isOld(c *Conn, now time.Time) bool {
	return now.Sub(c.res.CreationTime()) >= p.backend.opts.MaxLifetime
}

// tryTake returns a connection that is idle, or opens one, but never waits for one. It returns
// nil if it has none.
func (p *pool) tryTake(ctx context.Context) *Conn {
	if c := p.takeIdle(time.Now(), nil); c != nil {
		return c
	}
	c, _ := p.openOne(ctx)
	return c
}

// takeSlowly is take if no connection is idle: it opens one, or waits for one.
func (p *pool) takeSlowly(ctx context.Context, refused error) (c *Conn, err error) {
	if err = refused; err == nil {
		c, err = p.openOne(ctx)
	}
	limited, cancel := context.WithTimeout(ctx, p.backend.limits.Wait)
	defer cancel()
	for c == nil {
		switch err {
		case nil: // the connection could not be used, or another verb got it
			c, err = p.openOne(ctx)
		case puddle.ErrNotAvailable:
			c, err = p.waitForTurn(ctx, limited)
		default:
			if ctx.Err() == nil {
				c = p.waitForOpen(limited)
			}
			if c != nil {
				return c, nil
			}
			if ctxErr := endOf(ctx); ctxErr != nil {
				return nil, ctxErr
			}
			if p.backend.closing.Err() != nil {
				return nil, core.ErrClosed
			}
			return nil, err
		}
	}
	return c, nil
}

// openOne opens a connection and takes it. It returns puddle.ErrNotAvailable if MaxOpen are
// open, and nil if another verb got the connection.
//
// Acquire would do so, too, but does not tell dialing from waiting, which has another limit.
func (p *pool) openOne(ctx context.Context) (*Conn, error) {
	o := &opening{ctx: ctx}
	if err := p.conns.CreateResource(context.WithValue(ctx, openingKey{}, o)); err != nil {
		return nil, err
	}
	p.mu.Lock()
	p.free++
	p.mu.Unlock()
	return p.takeIdle(time.Now(), o.conn), nil
}

// waitForTurn waits until limited is done, or a connection is idle or may be opened, which it
// does with ctx. It returns nil if the connection cannot be used.
func (p *pool) waitForTurn(ctx, limited context.Context) (*Conn, error) {
	p.mu.Lock()
	p.free--
	if i := slices.IndexFunc(p.suspect, (*Conn).isOpen); i >= 0 {
		p.suspect[i].Close() // it must make room
	}
	p.mu.Unlock()
	// The context of Acquire is not done while dial runs. Otherwise puddle would make the new
	// connection idle without a word, and neither free nor waiters would include it.
	o := &opening{ctx: ctx}
	waiting, giveUp := context.WithCancel(
		context.WithValue(context.WithoutCancel(ctx), openingKey{}, o))
	defer giveUp()
	stop := context.AfterFunc(limited, giveUp)
	defer stop()
	o.wait = stop
	res, err := p.conns.Acquire(waiting)
	if err == nil {
		return p.judge(res, time.Now(), o.conn), nil
	}
	if !o.begun {
		p.mu.Lock()
		p.free++
		p.mu.Unlock()
	}
	if waiting.Err() != nil {
		err = &busyError{p.server, p.backend.limits}
	}
	return nil, err
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

// waitForOpen waits for one of the connections that are open, while the server refuses others.
// It returns nil if none is left, or when ctx or the Backend is done. A verb that waits in puddle
// would dial again, as there is room.
func (p *pool) waitForOpen(ctx context.Context) *Conn {
	w := make(chan *Conn, 1)
	p.mu.Lock()
	if p.open == 0 {
		p.mu.Unlock()
		return nil
	}
	p.waiters = append(p.waiters, w)
	p.mu.Unlock()
	c := p.takeIdle(time.Now(), nil)
	if c == nil {
		select {
		case c := <-w:
			return c
		case <-ctx.Done():
		case <-p.backend.closing.Done():
		}
	}
	p.mu.Lock()
	if i := slices.Index(p.waiters, w); i >= 0 {
		p.waiters = slices.Delete(p.waiters, i, i+1)
		w <- nil
	}
	p.mu.Unlock()
	if late := <-w; late != nil {
		p.put(late)
	}
	return c
}

// put gives c back. It closes c if it is not to be used again.
func (p *pool) put(c *Conn) {
	now := time.Now()
	p.mu.Lock()
	if c.took > 0 {
		p.distance.note(c.took, now)
		c.took = 0
	}
	switch {
	case !c.isOpen() || p.retired || c.epoch != p.epoch || p.isOld(c, now):
	case len(p.waiters) > 0:
		c.rested = 0
		p.waiters[0] <- c
		p.waiters = slices.Delete(p.waiters, 0, 1)
		c = nil
	case p.free < p.backend.limits.MaxIdle:
		p.free++
		c.res.Release()
		c = nil
	}
	p.mu.Unlock()
	if c != nil {
		p.drop(c)
	}
}

// drop closes c and removes it from the pool. It does not call Destroy, which makes room for
// another one only later, in a goroutine.
func (p *pool) drop(c *Conn) {
	c.destroy()
	c.res.Hijack()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open--
	p.stats.Destroyed++
	if p.open == 0 {
		for _, w := range p.waiters {
			w <- nil
		}
		p.waiters = nil
	}
}

// room records that a verb took so long, and returns how many more requests than now are
// worth their while at once.
func (p *pool) room(took time.Duration) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if took > 0 {
		p.distance.note(took, time.Now())
	}
	n := p.distance.requests(took)
	if n > 0 {
		now := p.conns.Stat()
		n -= int(now.TotalResources()-now.IdleResources()) - len(p.suspect)
	}
	return n
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
		p.sift(func(*Conn) (end, ping bool) { return false, true })
	}
}

// Reap closes the idle connections that have reached a limit. Limits.Keep of them have no limit
// of idle time: it pings them long before MaxIdleTime, or later if it runs late.
func (p *pool) Reap(now time.Time) {
	maxIdle := p.backend.opts.MaxIdleTime
	spare := int(p.conns.Stat().TotalResources()) - p.backend.limits.Keep
	p.sift(func(c *Conn) (end, ping bool) {
		spare--
		kept := spare < 0 // those that were used last
		idle := c.res.IdleDuration()
		return p.retired || p.isOld(c, now) || !kept && idle >= maxIdle, kept && idle > maxIdle/2
	})
}

// Retire closes the idle connections. Running verbs end as usual.
func (p *pool) Retire() {
	p.mu.Lock()
	p.retired = true
	p.mu.Unlock()
	p.dropIdle()
}

// IsEmpty reports whether no connection is left.
func (p *pool) IsEmpty() bool { return p.conns.Stat().TotalResources() == 0 }

func (p *pool) dropIdle() { p.sift(func(*Conn) (end, ping bool) { return true, false }) }

// sift calls decide for each idle connection, beginning with the one that was not used for
// longest. It closes it, or sends a ping over it, before whose reply it is not used.
func (p *pool) sift(decide func(*Conn) (end, ping bool)) {
	var ended, pinged []*Conn
	p.mu.Lock()
	idle := p.conns.AcquireAllIdle()
	p.free -= len(idle)
	for _, res := range slices.Backward(idle) {
		c := res.Value()
		c.res = res
		switch end, ping := decide(c); {
		case end:
			ended = append(ended, c)
		case ping:
			pinged = append(pinged, c)
		default:
			p.free++
			res.ReleaseUnused()
		}
	}
	p.suspect = append(p.suspect, pinged...)
	p.mu.Unlock()
	for _, c := range ended {
		p.drop(c)
	}
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

// Figures returns the figures of the pool.
func (p *pool) Figures() core.PoolStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	now, s := p.conns.Stat(), p.stats
	s.Total = uint64(now.TotalResources())
	s.Idle = uint64(int(now.IdleResources()) + len(p.suspect))
	s.Acquired = s.Total - s.Idle
	return s
}
