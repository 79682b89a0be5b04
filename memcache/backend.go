package memcache

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/cachewire/cachewire/core"
)

// A Backend is the common part of drivers whose client libraries use one connection for one
// request at a time. A driver embeds it, and adds the calls of its library. It may be used by
// many goroutines at once.
type Backend struct {
	opts      *Options
	limits    Limits
	newClient func(*Conn) Client
	router    *List[*pool]
	closing   context.Context // done after Close
	tasks     sync.WaitGroup  // goroutines

	mu     sync.Mutex // guards closed
	closed bool       // whether Close was called
}

type node = Node[*pool]

// A Backend implements these optional interfaces of core.
var _ interface {
	core.Backend
	core.ValueGetter
	core.MultiGetter
	core.MultiStorer
	core.MultiDeleter
	core.Pinger
	core.StatsReader
	core.TraitsReporter
} = (*Backend)(nil)

// NewBackend returns a Backend over servers. It calls newClient for each connection. It does
// not connect to the servers. If opts.Expand is set, it resolves their names; if that fails,
// verbs return core.ErrUnavailable until it succeeds. NewBackend returns core.ErrConfig if
// servers is empty, or if a server or an option is invalid.
func NewBackend(
	servers []Server, opts Options, limits Limits, newClient func(*Conn) Client,
) (*Backend, error) {
	opts, err := opts.WithDefaults()
	if err != nil {
		return nil, err
	}
	opts.TLS = opts.TLS.Clone()
	b := &Backend{opts: &opts, limits: limits, newClient: newClient}
	b.router, err = NewList(servers, opts, func(s Server) *pool { return newPool(s, b) })
	if err != nil {
		return nil, err
	}
	b.closing = b.router.Closing()
	return b, nil
}

// Servers returns the present servers; see List.Servers.
func (b *Backend) Servers() []Server { return b.router.Servers() }

// ServerOf returns the server to use for a key that is encoded; see List.ServerOf.
func (b *Backend) ServerOf(key string) (Server, error) { return b.router.ServerOf(key) }

// SetServers replaces the servers, while verbs are running; see List.SetServers.
func (b *Backend) SetServers(servers []Server) error { return b.router.SetServers(servers) }

// Dial opens another connection to server; see Options.Dial.
func (b *Backend) Dial(ctx context.Context, server Server) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(b.closing, cancel)()
	return b.opts.Dial(ctx, server)
}

// Connect opens as many connections to each server as Limits.Keep says, and returns
// core.ErrUnavailable if one cannot be opened.
func (b *Backend) Connect() error {
	var tasks sync.WaitGroup
	nodes := b.router.Nodes()
	errs := make([]error, len(nodes)*b.limits.Keep)
	conns := make([]*Conn, len(errs))
	for i := range errs {
		n := nodes[i/b.limits.Keep]
		tasks.Go(func() {
			var err error
			if conns[i], err = n.Conns.take(context.Background(), nil); err == nil {
				conns[i].Conn.SetDeadline(time.Now().Add(b.opts.Timeout))
				err = conns[i].client.Ping()
			}
			errs[i] = b.router.Result(n, err)
		})
	}
	tasks.Wait()
	for i, c := range conns { // not before all are open, so that none is used twice
		if c != nil {
			nodes[i/b.limits.Keep].Conns.put(c)
		}
	}
	for _, err := range errs {
		if err != nil {
			return err // without the others, which are nearly the same
		}
	}
	return nil
}

// Traits returns the present traits of memcached; see the function Traits.
func (b *Backend) Traits() core.Traits { return Traits(time.Now()) }

// Close closes all connections, which ends running verbs.
func (b *Backend) Close() error {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.router.Close() // which closes the connections, as closing is done
	b.tasks.Wait()
	for _, p := range b.router.All() {
		p.conns.Close()
	}
	return nil
}

// spawn runs task in a goroutine for which Close waits. After Close, it runs task itself.
func (b *Backend) spawn(task func()) {
	b.mu.Lock()
	closed := b.closed
	if !closed {
		b.tasks.Go(task)
	}
	b.mu.Unlock()
	if closed {
		task()
	}
}
