package memcachemeta

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
)

// Options are the settings of a Backend. The zero value of a field is its default.
type Options struct {
	memcache.Options
}

// A Backend is a core.Backend over memcached's meta protocol. It may be used by many goroutines
// at once.
type Backend struct {
	opts *memcache.Options
	list *memcache.List[*server]

	mu     sync.Mutex         // guards what follows; conn.mu and server.mu may be held before
	closed bool               // whether Close was called
	conns  map[*conn]struct{} // all that are open
	tasks  sync.WaitGroup     // goroutines; none is added after Close
}

type node = memcache.Node[*server]

// A Backend implements these optional interfaces of core.
var _ interface {
	core.Backend
	core.ValueGetter
	core.MultiGetter
	core.MultiStorer
	core.MultiDeleter
	core.TTLReader
	core.ItemTTLReader
	core.Pinger
	core.StatsReader
	core.TraitsReporter
} = (*Backend)(nil)

// New returns a Backend over servers. It does not connect to them; the first verb does. If
// Expand is set, New resolves their names; if that fails, verbs return core.ErrUnavailable
// until it succeeds. If opts is nil, it is the zero Options. New returns core.ErrConfig if
// servers is empty, or if a server or an option is invalid.
func New(servers []memcache.Server, opts *Options) (*Backend, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	shared, err := o.Options.WithDefaults()
	if err != nil {
		return nil, err
	}
	b := &Backend{opts: &shared, conns: map[*conn]struct{}{}}
	b.list, err = memcache.NewList(servers, shared, func(s memcache.Server) *server {
		return &server{Server: s, backend: b}
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

// Servers returns the present servers, normalized, and expanded if Options.Expand is set.
func (b *Backend) Servers() []memcache.Server { return b.list.Servers() }

// SetServers replaces the servers, while verbs are running. Keys move as the Selection says. A
// server whose Addr stays keeps its connection, its tokens, and the failures that were counted.
// The connection to a server that leaves is closed once no verb uses it.
//
// SetServers returns core.ErrConfig if NormalizeServers refuses servers, and
// core.ErrUnavailable if Options.Expand is set and none of their names can be resolved. Then
// the list stays as it is.
func (b *Backend) SetServers(servers []memcache.Server) error { return b.list.SetServers(servers) }

// Traits returns the present traits of memcached; see memcache.Traits.
func (b *Backend) Traits() core.Traits { return memcache.Traits(time.Now()) }

// Stats returns the sum of the figures of the servers, and those of the connections. It opens
// another connection to each server.
func (b *Backend) Stats(ctx context.Context) (core.Stats, error) { return b.list.Stats(ctx) }

// Close closes all connections, which ends running verbs.
func (b *Backend) Close() error {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.list.Close()
	for _, c := range b.connsOf(nil) {
		c.fail(net.ErrClosed, nil)
	}
	b.tasks.Wait()
	return nil
}

// spawn runs task in a goroutine for which Close waits. It returns false after Close.
func (b *Backend) spawn(task func()) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed {
		b.tasks.Go(task)
	}
	return !b.closed
}

// remember adds c to the connections that Close closes. It returns false after Close.
func (b *Backend) remember(c *conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed {
		b.conns[c] = struct{}{}
	}
	return !b.closed
}

// forget removes c from the connections that Close closes.
func (b *Backend) forget(c *conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.conns, c)
}

// connsOf returns the open connections to s, or to all servers if s is nil.
func (b *Backend) connsOf(s *server) []*conn {
	b.mu.Lock()
	defer b.mu.Unlock()
	var conns []*conn
	for c := range b.conns {
		if s == nil || c.server == s {
			conns = append(conns, c)
		}
	}
	return conns
}
