package memcache

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/cachewire/cachewire/core"
)

// Conns are the connections to one server of a List. Its methods are called one at a time, except
// Figures.
type Conns interface {
	// Remote returns the address to which the connections lead, as net.Addr.String does. It
	// returns "" if there are none.
	Remote() string

	// Move makes verbs use new connections instead of those that lead to the address from,
	// because the name of the server does not have it any more.
	Move(from string)

	// Reap closes the idle connections that have reached a limit of the Options.
	Reap(now time.Time)

	// Retire is called when the server has left the list. It closes the idle connections,
	// and the others once no verb uses them.
	Retire()

	// IsEmpty reports whether no connection is left.
	IsEmpty() bool

	// Figures returns the figures of the connections since the first one. It may be called
	// at any time.
	Figures() core.PoolStats
}

// ErrNoServers is the core.ErrUnavailable of verbs while a List is empty, because Options.Expand is
// set and no name could be resolved.
var ErrNoServers = fmt.Errorf("%w: the names of the servers could not be resolved to any "+
	"address", core.ErrUnavailable)

// A List is the servers of a driver, which may change while verbs run: by SetServers, or because
// their names get other addresses. It may be used by many goroutines at once.
type List[T Conns] struct {
	*Router[T]
	opts    Options
	closing context.Context    // done after Close
	cancel  context.CancelFunc // of closing
	keeper  sync.WaitGroup     // the goroutine of keep

	mu      sync.Mutex              // guards servers, retired and known
	servers []Server                // as SetServers was called
	retired []T                     // of servers that left the list, while they have connections
	known   map[string][]netip.Addr // the last addresses of names, if opts.Expand is set
}

// NewList returns a List of servers. Open is called once for each server that is new in the
// list, and must not connect to it. If opts.Expand is set, NewList resolves the names; if that
// fails, the list is empty until it succeeds. NewList returns core.ErrConfig if servers is empty,
// or if a server or an option is invalid.
func NewList[T Conns](
	servers []Server, opts Options, open func(Server) T,
) (*List[T], error) {
	opts, err := opts.WithDefaults()
	if err != nil {
		return nil, err
	}
	opts.TLS = opts.TLS.Clone()
	l := &List[T]{opts: opts, known: map[string][]netip.Addr{}}
	if l.Router, err = NewRouter(opts, open); err != nil {
		return nil, err
	}
	if l.servers, err = l.normalize(servers); err != nil {
		return nil, err
	}
	l.closing, l.cancel = context.WithCancel(context.Background())
	if err := l.update(); err != nil && !errors.Is(err, core.ErrUnavailable) {
		l.cancel()
		return nil, err
	}
	l.keeper.Go(l.keep)
	return l, nil
}

// Options returns the options, with their defaults.
func (l *List[T]) Options() *Options { return &l.opts }

// Closing returns a context that is done when Close is called.
func (l *List[T]) Closing() context.Context { return l.closing }

// All returns the connections of the servers, and those of servers that left the list while they
// have any.
func (l *List[T]) All() []T {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.retired = slices.DeleteFunc(l.retired, func(c T) bool { return c.IsEmpty() })
	all := slices.Clone(l.retired)
	for _, n := range l.Nodes() {
		all = append(all, n.Conns)
	}
	return all
}

// Close ends the goroutine of the list, and waits for it. It does not close connections.
func (l *List[T]) Close() {
	l.cancel()
	l.keeper.Wait()
}

// Servers returns the present servers, normalized, and expanded if Options.Expand is set.
func (l *List[T]) Servers() []Server {
	nodes := l.Nodes()
	servers := make([]Server, len(nodes))
	for i, n := range nodes {
		servers[i] = n.Server
	}
	return servers
}

// ServerOf returns the server to use for a key that is encoded. It returns
// core.ErrUnavailable if there are no servers.
func (l *List[T]) ServerOf(key string) (Server, error) {
	n, trial := l.Pick(key)
	if n == nil {
		return Server{}, ErrNoServers
	}
	if trial {
		l.Untried(n)
	}
	return n.Server, nil
}

// SetServers replaces the servers, while verbs are running. Keys move as the Selection says:
// with a ketama rule, these are the keys of a server that leaves, and the share of a server
// that comes. A server whose Addr stays keeps its connections, its tokens, and the failures
// that were counted. The connections to a server that leaves are closed once no verb uses
// them.
//
// SetServers returns core.ErrConfig if NormalizeServers refuses servers, and
// core.ErrUnavailable if Options.Expand is set and none of their names can be resolved. Then
// the list stays as it is.
func (l *List[T]) SetServers(servers []Server) error {
	servers, err := l.normalize(servers)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.servers
	l.servers = servers
	if err := l.update(); err != nil {
		l.servers = before
		return err
	}
	return nil
}

// normalize returns servers as NormalizeServers does, and checks that they fit the options.
func (l *List[T]) normalize(servers []Server) ([]Server, error) {
	servers, err := NormalizeServers(servers)
	if err != nil {
		return nil, err
	}
	for i, server := range servers {
		if l.opts.TLS != nil && server.Network() == "unix" {
			return nil, configError(fmt.Sprintf("server %d of %d is a unix socket, on which "+
				"memcached has no TLS; want host:port", i+1, len(servers)))
		}
	}
	return servers, nil
}

// update gives l.servers to the router, expanded if Options.Expand is set. The caller holds
// mu, or is NewList.
func (l *List[T]) update() error {
	servers := l.servers
	if l.opts.Expand {
		var err error
		if servers, err = l.expand(servers); err != nil {
			return err
		}
	}
	if slices.Equal(servers, l.Servers()) {
		return nil
	}
	removed, err := l.Router.SetServers(servers)
	for _, n := range removed {
		n.Conns.Retire()
		l.retired = append(l.retired, n.Conns)
	}
	return err
}

// expand returns servers with each name replaced by its addresses. It keeps the last addresses
// of a name that cannot be resolved. If two names have the same address, the first one counts.
func (l *List[T]) expand(servers []Server) ([]Server, error) {
	ctx, cancel := context.WithTimeout(l.closing, l.opts.Timeout)
	defer cancel()
	var expanded []Server
	var errs []error
	present := map[string]bool{}
	for _, server := range servers {
		addrs := []string{server.Addr}
		if host, isName := server.host(); isName {
			found, err := lookup(ctx, host)
			if err == nil {
				l.known[host] = found
			} else {
				errs = append(errs, Unavailable(server, err))
			}
			_, port, _ := net.SplitHostPort(server.Addr)
			addrs = nil
			for _, addr := range l.known[host] {
				addrs = append(addrs, net.JoinHostPort(addr.String(), port))
			}
		}
		for _, addr := range addrs {
			if !present[addr] {
				present[addr] = true
				expanded = append(expanded, Server{Addr: addr, Weight: server.Weight})
			}
		}
	}
	if len(expanded) == 0 {
		return nil, errors.Join(errs...)
	}
	return expanded, nil
}

// keep closes old connections and resolves the names of servers repeatedly, until Close.
func (l *List[T]) keep() {
	const least = time.Millisecond
	reap := time.NewTicker(max(least, min(l.opts.MaxIdleTime, l.opts.MaxLifetime)/4))
	defer reap.Stop()
	resolve := time.NewTicker(max(least, l.opts.Resolve))
	defer resolve.Stop()
	for {
		select {
		case <-l.closing.Done():
			return
		case now := <-reap.C:
			for _, c := range l.All() {
				c.Reap(now)
			}
		case <-resolve.C:
			l.resolve()
		}
	}
}

// resolve resolves the names of servers.
func (l *List[T]) resolve() {
	if l.opts.Expand {
		l.mu.Lock()
		l.update() // if it fails, the list stays as it is
		l.mu.Unlock()
		return
	}
	ctx, cancel := context.WithTimeout(l.closing, l.opts.Timeout)
	defer cancel()
	var lookups sync.WaitGroup
	for _, n := range l.Nodes() {
		lookups.Go(func() { follow(ctx, n) })
	}
	lookups.Wait()
}

// follow resolves the name of n. If it does not have the address any more to which the
// connections lead, they are not used again.
func follow[T Conns](ctx context.Context, n *Node[T]) {
	host, isName := n.Server.host()
	if !isName {
		return
	}
	remote := n.Conns.Remote()
	present, err := netip.ParseAddrPort(remote)
	if err != nil {
		return
	}
	addrs, err := lookup(ctx, host)
	if err == nil && !slices.Contains(addrs, present.Addr().Unmap()) {
		n.Conns.Move(remote)
	}
}
