package memcachepure

import (
	"context"
	"net"
	"sync"
	"time"
)

// A wire is what gomemcache takes for a connection. It sees each request go out
// and each reply come in, and does what gomemcache does not:
//
//   - Before the first byte of a request it looks whether the server has closed
//     the connection meanwhile, and connects anew. Nothing of the request has
//     left yet, so that even a write is sent once.
//   - One deadline holds for a request and the whole of its reply, and end ends it
//     early.
//   - It lets no reply through that cannot be one to this request. gomemcache
//     believes a length of 4 GiB, another key's value, and a line that is cut short.
//   - What the server says of an error is a value, and not a text.
//
// As any net.Conn that gomemcache has, it is used by one goroutine at a time, but
// for end.
type wire struct {
	net.Conn // the present one, or nil; written by the goroutine that uses the wire, under mu

	dial  func(ctx context.Context) (net.Conn, error)
	idle  idleCheck
	reply reply
	held  []byte    // of a reply, not given out yet
	until time.Time // the deadline
	last  time.Time // the deadline of the request before

	mu      sync.Mutex
	ended   bool               // guarded by mu
	dialing context.CancelFunc // guarded by mu; nil unless connect is at it
}

// connect connects, in the place of the connection that there is.
func (w *wire) connect(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w.mu.Lock()
	if w.ended {
		w.mu.Unlock()
		return net.ErrClosed
	}
	if w.Conn != nil {
		w.Conn.Close()
		w.Conn = nil
	}
	w.dialing = cancel
	w.mu.Unlock()
	conn, err := w.dial(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dialing = nil
	switch {
	case err != nil:
		return err
	case w.ended:
		conn.Close()
		return net.ErrClosed
	}
	w.Conn = conn
	w.reply, w.held = reply{}, nil
	w.idle.of(conn)
	return conn.SetDeadline(w.until)
}

// SetDeadline sets the deadline of the next request. gomemcache also calls it
// before each item of a reply, which would let a server that drips hold a verb
// for as long as it likes.
func (w *wire) SetDeadline(t time.Time) error {
	if w.reply.open {
		return nil
	}
	w.until = t
	return w.Conn.SetDeadline(t)
}

// shortPause is how soon after a request another one goes out unchecked: no server
// can have been restarted in the meantime. (Bytes that nobody asked for go unseen
// then, too; those that come a little later would in any case.)
const shortPause = 2 * time.Millisecond

func (w *wire) Write(p []byte) (int, error) {
	if !w.reply.open {
		pause := w.until.Sub(w.last) // each deadline is as far from its request
		w.last = w.until
		if pause > shortPause && w.idle.isOver() {
			ctx, cancel := context.WithDeadline(context.Background(), w.until)
			err := w.connect(ctx)
			cancel()
			if err != nil {
				return 0, err
			}
		}
		if err := w.reply.begin(p); err != nil {
			return 0, err
		}
	}
	return w.Conn.Write(p)
}

func (w *wire) Read(p []byte) (int, error) {
	if len(w.held) == 0 {
		n, err := w.Conn.Read(p)
		if n == 0 {
			return 0, err
		}
		long, err := w.reply.feed(p[:n])
		if err != nil {
			return 0, err
		}
		if long == n {
			if !w.reply.open {
				w.idle.begin()
			}
			return n, nil
		}
		// gomemcache makes room for a value as soon as it has the line before it, so
		// that line waits until the value has come.
		if w.held, err = w.readLong(p[long:n]); err != nil {
			return 0, err
		}
		if long > 0 {
			return long, nil
		}
	}
	n := copy(p, w.held)
	if w.held = w.held[n:]; len(w.held) == 0 {
		w.held = nil
		if !w.reply.open {
			w.idle.begin()
		}
	}
	return n, nil
}

// readLong answers a copy of p, which ends in the midst of a long value, and the
// rest of it, in room that grows no faster than the value comes.
func (w *wire) readLong(p []byte) ([]byte, error) {
	held := append(make([]byte, 0, min(smallValue, len(p)+w.reply.data)), p...)
	for w.reply.data > 0 {
		if len(held) == cap(held) {
			held = append(make([]byte, 0, min(2*len(held), len(held)+w.reply.data)), held...)
		}
		free := held[len(held):cap(held)]
		n, err := w.Conn.Read(free[:min(len(free), w.reply.data)])
		if _, feedErr := w.reply.feed(free[:n]); feedErr != nil {
			return nil, feedErr
		}
		held = held[:len(held)+n]
		if err != nil && w.reply.data > 0 {
			return nil, err
		}
	}
	return held, nil
}

// Close closes the connection; connect makes another one.
func (w *wire) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.Conn == nil || w.ended {
		return nil
	}
	return w.Conn.Close()
}

// end closes the connection for good, and so ends the request that is under way.
func (w *wire) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	if w.dialing != nil {
		w.dialing()
	}
	if w.Conn != nil {
		w.Conn.Close()
	}
}
