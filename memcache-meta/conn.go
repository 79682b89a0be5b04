package memcachemeta

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/cachewire/cachewire/memcache"
)

// A conn is a connection over which the calls of many goroutines go at once. It has no goroutine
// of its own. The goroutines of the calls do two jobs for all of them:
//
//   - Writing: one goroutine writes what all have appended to out, as one Write. While it
//     writes, the others append more. If the system might not take it at once, a goroutine is
//     started for it, so that no verb waits for the network before it looks at its context.
//   - Reading: one goroutine reads replies and gives them to the calls, in the order of queue.
//     When its own reply has arrived, it passes the job on to the first call that waits. If its
//     context is done before, it passes it on as well. If no call waits, but replies to
//     abandoned ones have not arrived, a goroutine is started that reads and drops them.
//
// So a single goroutine writes and reads by itself, as with a client that has no pipeline.
type conn struct {
	net.Conn
	raw       net.Conn // the connection beneath TLS, or Conn itself
	server    *server
	created   time.Time
	interrupt func() // ends a Read; kept so that verbs do not allocate it
	strict    bool   // whether EN has the opaque
	itemMax   int    // the size of the largest item that the server stores
	isTLS     bool
	parser    parser // of the goroutine that reads

	mu       sync.Mutex // guards what follows, and the fields of queued calls
	queue    queue      // calls that have not got all replies, in the order of their requests
	out      []byte     // requests that are not written
	spare    []byte     // memory for out
	stores   int        // the number of stores in out
	endStore bool       // whether the last request in out is a store
	writing  bool       // whether a goroutine is writing
	reading  bool       // whether a goroutine is reading, or is chosen for it
	reader   *call      // the call whose goroutine is reading; nil if it has none
	bytes    int        // of the requests of queue
	appended uint64     // how many bytes were ever appended to out
	handed   uint64     // how many of them were given to Write
	opaque   uint32     // of the next request
	used     time.Time  // when queue was last not empty
	room     chan struct{}
	replied  bool  // whether a reply to a call has arrived
	retired  bool  // whether to close it when queue is empty, because later calls use another
	err      error // why the connection was closed; nil if it is open
	check    memcache.IdleCheck
}

const (
	// sendBuffer is how much the system takes without a reply. Linux doubles it, for what it
	// needs beside the bytes.
	sendBuffer = 128 << 10

	// inlineBytes and inlineCalls are for how many requests without a reply a goroutine writes
	// by itself, because the system takes them at once.
	inlineBytes = 64 << 10
	inlineCalls = 512

	// maxBytes and maxCalls limit the requests without a reply. A single one may be larger.
	maxBytes = 4 << 20
	maxCalls = 8 << 10

	// shortPause is the longest time for which a connection may be idle and is used without a
	// check, because a server cannot be restarted in so little time.
	shortPause = 2 * time.Millisecond

	// keepBuffer is the length of the longest buffer that is kept for later requests.
	keepBuffer = 64 << 10
)

var (
	// errGone is the error of a call for which the connection is not used any more. Nothing
	// of it was sent.
	errGone = errors.New("the connection is closed")

	// errBehind is the error of a call behind one that got no reply in time.
	errBehind = fmt.Errorf("%w: an earlier request got no reply in time", net.ErrClosed)
)

func newConn(nc net.Conn, s *server, h hello) *conn {
	now := time.Now()
	c := &conn{
		Conn: nc, server: s, created: now, used: now, strict: h.strict, itemMax: h.itemMax,
	}
	c.interrupt = func() { nc.SetReadDeadline(time.Unix(1, 0)) }
	c.raw = nc
	if t, ok := nc.(*tls.Conn); ok {
		c.isTLS, c.raw = true, t.NetConn()
	}
	if b, ok := c.raw.(interface{ SetWriteBuffer(int) error }); ok {
		b.SetWriteBuffer(sendBuffer)
	}
	c.check.Init(nc)
	return c
}

// roundTrip sends the requests of k and waits for their replies. It returns nil if all have
// arrived, the error of ctx, or errGone if nothing was sent because the connection is closed.
// For any other error, k.unsent says whether anything was sent.
//
// If ctx is done before the replies have arrived, k belongs to the connection afterwards.
func (c *conn) roundTrip(ctx context.Context, k *call) error {
	c.mu.Lock()
	if err := c.waitForRoom(ctx); err != nil {
		c.mu.Unlock()
		return err
	}
	now := time.Now()
	if !c.isUsable(now) {
		c.mu.Unlock()
		return errGone
	}
	c.enqueue(k, now)
	read, write := !c.reading, !c.writing
	if read {
		c.reading, c.reader = true, k
	}
	c.writing = true
	crowd := c.queue.len() > 1
	c.mu.Unlock()
	if write {
		if crowd {
			runtime.Gosched() // others that are about to append their requests do it now
		}
		c.write()
	}
	if !read {
		if wait(ctx, k) {
			c.mu.Lock()
			read = c.reader == k && !k.done
			c.mu.Unlock()
		} else if c.abandon(k, true) {
			return ctx.Err()
		}
	}
	if read && !c.read(ctx, k) {
		return ctx.Err()
	}
	return k.err
}

// wait waits until k is done or its goroutine shall read. It returns false if ctx is done.
func wait(ctx context.Context, k *call) bool {
	if ctx.Done() == nil {
		<-k.wake
		return true
	}
	select {
	case <-k.wake:
		return true
	case <-ctx.Done():
		return false
	}
}

// waitForRoom waits until so few requests are without a reply that another may be queued. The
// caller holds mu.
func (c *conn) waitForRoom(ctx context.Context) error {
	var limit *time.Timer
	for c.err == nil && (c.bytes > maxBytes || c.queue.len() > maxCalls) {
		if limit == nil {
			limit = time.NewTimer(c.server.backend.opts.Timeout)
			defer limit.Stop()
		}
		if c.room == nil {
			c.room = make(chan struct{})
		}
		room := c.room
		c.mu.Unlock()
		var err error
		select {
		case <-room:
		case <-ctx.Done():
			err = ctx.Err()
		case <-limit.C:
			c.mu.Lock()
			err = fmt.Errorf("for %v, there were %d requests of %d bytes without a reply",
				c.server.backend.opts.Timeout, c.queue.len(), c.bytes)
			c.mu.Unlock()
		}
		c.mu.Lock()
		if err != nil {
			return err
		}
	}
	return nil
}

// isUsable reports whether a call may be queued. If the connection was idle for a while, it
// looks whether the server has closed it. The caller holds mu.
func (c *conn) isUsable(now time.Time) bool {
	if c.err != nil {
		return false
	}
	if c.queue.len() > 0 || c.reading || c.writing {
		return true
	}
	rested := now.Sub(c.used)
	if rested >= c.server.backend.opts.MaxIdleTime || rested > shortPause && c.check.IsDead() {
		c.close(errGone)
		return false
	}
	return true
}

// enqueue appends the requests of k to out, and k to queue. The caller holds mu.
func (c *conn) enqueue(k *call, now time.Time) {
	k.start, k.opaque, k.begin = now, c.opaque, c.appended
	c.opaque += uint32(len(k.requests))
	before := len(c.out)
	c.out = k.append(c.out)
	k.size = len(c.out) - before
	c.appended += uint64(k.size)
	c.bytes += k.size
	if c.endStore = k.verb == verbStore; c.endStore {
		c.stores += len(k.requests)
	}
	c.queue.push(k)
}

// abandon is called when the context of k is done. It returns false if k has got its replies
// nevertheless. If k was chosen to read, another is. Woken says that k may have been sent a
// signal that its goroutine has not received.
func (c *conn) abandon(k *call, woken bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	chosen := c.reader == k
	if woken && (k.done || chosen) {
		<-k.wake
	}
	if k.done {
		return false
	}
	k.abandoned = true
	if chosen {
		c.passReading()
	}
	return true
}

// passReading chooses the goroutine that reads next. The caller holds mu and has read until
// now.
func (c *conn) passReading() {
	c.reading, c.reader = false, nil
	if c.queue.len() == 0 {
		return
	}
	c.reading = true
	for i := range c.queue.len() {
		if k := c.queue.at(i); !k.abandoned {
			c.reader = k
			k.wake <- struct{}{}
			return
		}
	}
	// After Close, the calls are about to be ended.
	c.server.backend.spawn(func() { c.read(context.Background(), nil) })
}

// read reads replies until k has got its own, or until queue is empty if k is nil. It returns
// false if ctx is done before.
func (c *conn) read(ctx context.Context, k *call) bool {
	var stop func() bool
	defer func() {
		if stop != nil {
			stop()
		}
	}()
	for {
		if err := c.deliverAll(k); err != nil {
			c.fail(err, k)
			return true
		}
		c.mu.Lock()
		if c.err != nil || c.queue.len() == 0 || k != nil && k.done {
			if c.err == nil {
				c.passReading()
			}
			c.mu.Unlock()
			return true
		}
		deadline := c.queue.at(0).start.Add(c.server.backend.opts.Timeout)
		c.mu.Unlock()
		if stop == nil && k != nil && ctx.Done() != nil {
			stop = context.AfterFunc(ctx, c.interrupt)
		}
		c.Conn.SetReadDeadline(deadline)
		// Only now, because the deadline may just have undone what interrupt did.
		if k != nil && ctx.Err() != nil && c.abandon(k, false) {
			return false
		}
		err := c.parser.fill(c.Conn)
		switch {
		case err == nil:
		case !errors.Is(err, os.ErrDeadlineExceeded):
			c.fail(err, k)
			return true
		case k != nil && ctx.Err() != nil:
			if c.abandon(k, false) {
				return false
			}
		case !time.Now().Before(deadline):
			c.fail(err, k)
			return true
		} // else the interrupt was one of an earlier reader
	}
}

// deliverAll gives the replies that have arrived to their calls. Reader is the call of the
// goroutine, which needs no signal.
func (c *conn) deliverAll(reader *call) error {
	for {
		r, ok, err := c.parser.next()
		if err != nil || !ok {
			return err
		}
		c.mu.Lock()
		err = c.deliver(&r, reader)
		c.mu.Unlock()
		if err != nil {
			return err
		}
	}
}

// deliver gives r to the first call of queue. The caller holds mu.
func (c *conn) deliver(r *reply, reader *call) error {
	if c.queue.len() == 0 {
		return invalid("the server has sent a reply without a request")
	}
	k := c.queue.at(0)
	last, err := k.accept(r, c.strict)
	if err == nil && !c.replied {
		c.replied = true
		c.server.succeeded()
	}
	if err != nil || !last {
		return err
	}
	c.queue.pop()
	c.bytes -= k.size
	if c.room != nil {
		close(c.room)
		c.room = nil
	}
	if c.queue.len() == 0 {
		c.used = time.Now()
		if c.retired {
			c.close(errGone)
		} else if !c.parser.isEmpty() {
			err = invalid("the server has sent more than the replies to all requests")
		}
	}
	c.end(k, reader)
	return err
}

// end marks k as done. The caller holds mu.
func (c *conn) end(k, reader *call) {
	k.done = true
	switch {
	case k.abandoned:
		k.free()
	case k != reader:
		k.wake <- struct{}{}
	}
}

// fail closes the connection because of err, and ends all calls. If its caller is a goroutine
// that reads for a call, reader is that call.
func (c *conn) fail(err error, reader *call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.close(err)
	timeout := errors.Is(err, os.ErrDeadlineExceeded)
	now := time.Now()
	for c.queue.len() > 0 {
		k := c.queue.pop()
		k.err, k.unsent = err, k.begin >= c.handed
		if timeout && now.Before(k.start.Add(c.server.backend.opts.Timeout)) {
			k.err = errBehind
		}
		// The goroutine that reads finds out by its Read, or by the error, and has no use
		// for a signal. If it has not begun to read, it was sent one.
		if k == c.reader && !k.abandoned {
			k.done = true
			continue
		}
		c.end(k, reader)
	}
	c.bytes = 0
}

// close closes the connection because of err, unless it is closed. The caller holds mu.
func (c *conn) close(err error) {
	if c.err != nil {
		return
	}
	c.err = err
	c.raw.Close() // not that of TLS, which may wait
	c.server.forget(c)
	if c.room != nil {
		close(c.room)
		c.room = nil
	}
}

// retire makes later calls use another connection. The connection is closed when it has no
// calls any more.
func (c *conn) retire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.retired = true
	if c.queue.len() == 0 {
		c.close(errGone)
	}
}

func (c *conn) isRetired() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.retired
}

// closeIdle closes the connection if it has been idle for too long.
func (c *conn) closeIdle(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.queue.len() == 0 && now.Sub(c.used) >= c.server.backend.opts.MaxIdleTime {
		c.close(errGone)
	}
}
