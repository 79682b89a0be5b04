package memcache

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/cachewire/cachewire/core"
)

// A session is a verb at work on one server. It has a connection from its first request on,
// until it ends.
type session struct {
	backend *Backend
	ctx     context.Context
	node    *node
	trial   bool // whether the verb tries a server that was ejected

	conn *Conn         // nil if it has none
	stop func() bool   // ends the watch that closes conn when ctx is done; nil if there is none
	took time.Duration // how long the last request took

	// unreachable is true if further requests make no sense: the server cannot be reached, or
	// no connection is free.
	unreachable bool
}

// do calls f with a client of the server, and returns its error as an error of the contract.
// If the connection is lost and f only reads, do calls f once more. A write is not sent
// again, because it may have arrived. The exception is a connection that the server has
// refused, because it has read nothing over it.
func (s *session) do(reads bool, f func(c Client) error) error {
	var refused error
	for {
		if s.conn == nil {
			if err := s.open(refused); err != nil {
				return s.notSent(err)
			}
		}
		start := time.Now()
		s.conn.Conn.SetDeadline(start.Add(s.backend.opts.Timeout))
		err := f(s.conn.client)
		s.took = time.Since(start)
		if isReply(err) {
			return s.backend.result(s.node, err)
		}
		pool, rested := s.node.Conns, s.conn.rested
		waited := s.took
		s.took = 0
		s.conn.Close()
		s.end()
		ctxErr := s.ctx.Err()
		if rested > shortPause && (ctxErr != nil || errors.Is(err, os.ErrDeadlineExceeded)) {
			pool.noteSilent(waited)
		}
		switch {
		case ctxErr != nil:
			return s.notSent(ctxErr)
		case errors.Is(err, errFull):
			refused = err
			continue
		case IsLost(err):
			pool.noteLost()
			if reads {
				reads = false
				continue
			}
		case errors.Is(err, os.ErrDeadlineExceeded):
			s.unreachable = true
		}
		return s.backend.result(s.node, err)
	}
}

// open takes a connection from the pool.
func (s *session) open(refused error) error {
	conn, err := s.node.Conns.take(s.ctx, refused)
	if err == nil {
		s.use(conn)
	}
	return err
}

// use makes conn the connection of s. It is closed when the context is done.
func (s *session) use(conn *Conn) {
	s.conn = conn
	if s.ctx.Done() != nil {
		s.stop = context.AfterFunc(s.ctx, conn.end)
	}
}

// end gives the connection back.
func (s *session) end() {
	if s.conn == nil {
		return
	}
	if s.stop != nil && !s.stop() {
		s.conn.Close() // as the watch does, or will do in a moment
	}
	s.conn.took = s.took
	s.node.Conns.put(s.conn)
	s.conn, s.stop = nil, nil
}

// notSent returns the error of a request that was not sent. It reports err to the router only
// if it is the error of dialing the server.
func (s *session) notSent(err error) error {
	s.unreachable = true
	var busy *busyError
	if errors.As(err, &busy) || err == core.ErrClosed || err == s.ctx.Err() {
		s.notTried()
		return err
	}
	return s.backend.result(s.node, err)
}

// notTried ends the trial of a server if the verb does not find out whether it responds.
func (s *session) notTried() {
	if s.trial {
		s.backend.router.Untried(s.node)
	}
}

// isReply reports whether err, which may be nil, is the result of a reply of the server.
func isReply(err error) bool {
	switch err {
	case nil, core.ErrMiss, core.ErrExists, core.ErrConflict:
		return true
	}
	var reply *ReplyError
	return errors.As(err, &reply)
}

// result reports the result of a request to the router, and returns it as an error of the
// contract.
func (b *Backend) result(n *node, err error) error {
	if !isReply(err) {
		b.router.Report(n, false)
		return Unavailable(n.Server, err)
	}
	b.router.Report(n, true)
	var reply *ReplyError
	if errors.As(err, &reply) {
		return fmt.Errorf("%w: %s: %s", reply.Sentinel, n.Server, reply.Text)
	}
	return err
}
