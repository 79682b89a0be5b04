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

// A line is a connection to a server, with a gomemcache.Client of its own. A
// shared client would not tell which connection a verb is on, and so a verb whose
// context is done could not be ended.
type line struct {
	client *gomemcache.Client
	wire   *wire
	end    func() // l.wire.end, made once
}

// lines are those to one server.
type lines struct {
	addr    *addr
	backend *Backend
	room    *semaphore.Weighted // for lines in use

	mu   sync.Mutex
	idle []*line            // guarded by mu; the last one used is the first to be used again
	all  map[*line]struct{} // guarded by mu; nil once closed
}

// take answers a line, which is the caller's until put or drop.
func (ls *lines) take(ctx context.Context) (*line, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !ls.room.TryAcquire(1) {
		if err := ls.wait(ctx); err != nil {
			return nil, err
		}
	}
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if last := len(ls.idle) - 1; last >= 0 {
		l := ls.idle[last]
		ls.idle = ls.idle[:last]
		return l, nil
	}
	if ls.all == nil {
		ls.room.Release(1)
		return nil, core.ErrClosed
	}
	l := ls.newLine()
	ls.all[l] = struct{}{}
	return l, nil
}

func (ls *lines) wait(ctx context.Context) error {
	b := ls.backend
	within, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	if ls.room.Acquire(within, 1) == nil {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return fmt.Errorf("%w: %s: all %d connections (MaxOpen) were in use for %v", core.ErrUnavailable, ls.addr, b.maxOpen, b.timeout)
}

func (ls *lines) newLine() *line {
	b := ls.backend
	l := &line{wire: &wire{dial: func(ctx context.Context) (net.Conn, error) {
		return b.connect(ctx, ls.addr.Network(), ls.addr.String())
	}}}
	l.end = l.wire.end
	l.client = gomemcache.NewFromSelector(only{ls.addr})
	l.client.Timeout = b.timeout
	l.client.MaxIdleConns = 1
	l.client.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return l.wire, l.wire.connect(ctx)
	}
	return l
}

// put gives l back.
func (ls *lines) put(l *line) {
	ls.mu.Lock()
	if ls.all != nil && len(ls.idle) < ls.backend.maxIdle {
		ls.idle = append(ls.idle, l)
		l = nil
	}
	ls.mu.Unlock()
	if l != nil {
		ls.forget(l)
	}
	ls.room.Release(1)
}

// drop gives l back, and closes it.
func (ls *lines) drop(l *line) {
	ls.forget(l)
	ls.room.Release(1)
}

func (ls *lines) forget(l *line) {
	ls.mu.Lock()
	delete(ls.all, l)
	ls.mu.Unlock()
	l.wire.end()
}

// close ends all lines, also those that are in use.
func (ls *lines) close() {
	ls.mu.Lock()
	all := ls.all
	ls.all, ls.idle = nil, nil
	ls.mu.Unlock()
	for l := range all {
		l.wire.end()
	}
}

// only is the gomemcache.ServerSelector of a client of one server.
type only struct{ *addr }

func (o only) PickServer(string) (net.Addr, error) { return o.addr, nil }
func (o only) Each(do func(net.Addr) error) error  { return do(o.addr) }
