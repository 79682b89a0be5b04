package memcache

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/cachewire/cachewire/core"
)

// A Backend is the common part of drivers whose client libraries use one connection for one
// request at a time. A driver embeds it, and adds the calls of its library. It may be used by
// many goroutines at once.
type Backend struct {
	opts      Options
	limits    Limits
	newClient func(*Conn) Client
	router    *Router[*pool]

	closing context.Context    // done after Close
	cancel  context.CancelFunc // of closing
	tasks   sync.WaitGroup     // goroutines

	listMu  sync.Mutex              // guards servers, retired and known
	servers []Server                // as SetServers was called
	retired []*pool                 // of servers that left the list, while they have connections
	known   map[string][]netip.Addr // the last addresses of names, if opts.Expand is set

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
	b := &Backend{
		opts:      opts,
		limits:    limits,
		newClient: newClient,
		known:     map[string][]netip.Addr{},
	}
	b.router, err = NewRouter(opts, func(s Server) *pool { return newPool(s, b) })
	if err != nil {
		return nil, err
	}
	if b.servers, err = b.normalize(servers); err != nil {
		return nil, err
	}
	b.closing, b.cancel = context.WithCancel(context.Background())
	if err := b.update(); err != nil && !errors.Is(err, core.ErrUnavailable) {
		b.cancel()
		return nil, err
	}
	b.tasks.Go(b.keep)
	return b, nil
}

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
			errs[i] = b.result(n, err)
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

// Traits returns the traits of memcached: its Resolution, and that it counts +5 as 5. The
// others are zero.
func (b *Backend) Traits() core.Traits {
	return core.Traits{Resolution: Resolution, LooseNumbers: true}
}

// Close closes all connections, which ends running verbs.
func (b *Backend) Close() error {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.cancel() // which closes the connections
	b.tasks.Wait()
	for _, p := range b.pools() {
		p.conns.Close()
	}
	return nil
}

// pools returns the pools of the servers, and those of servers that left the list while they
// have connections.
func (b *Backend) pools() []*pool {
	b.listMu.Lock()
	defer b.listMu.Unlock()
	b.retired = slices.DeleteFunc(b.retired, func(p *pool) bool {
		return p.conns.Stat().TotalResources() == 0
	})
	pools := slices.Clone(b.retired)
	for _, n := range b.router.Nodes() {
		pools = append(pools, n.Conns)
	}
	return pools
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
