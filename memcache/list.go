package memcache

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"
)

// Servers returns the present servers, normalized, and expanded if Options.Expand is set.
func (b *Backend) Servers() []Server {
	nodes := b.router.Nodes()
	servers := make([]Server, len(nodes))
	for i, n := range nodes {
		servers[i] = n.Server
	}
	return servers
}

// ServerOf returns the server to use for a key that is encoded. It returns
// core.ErrUnavailable if there are no servers.
func (b *Backend) ServerOf(key string) (Server, error) {
	n, trial := b.router.Pick(key)
	if n == nil {
		return Server{}, errNoServers
	}
	if trial {
		b.router.Untried(n)
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
func (b *Backend) SetServers(servers []Server) error {
	servers, err := b.normalize(servers)
	if err != nil {
		return err
	}
	b.listMu.Lock()
	defer b.listMu.Unlock()
	before := b.servers
	b.servers = servers
	if err := b.update(); err != nil {
		b.servers = before
		return err
	}
	return nil
}

// normalize returns servers as NormalizeServers does, and checks that they fit the options.
func (b *Backend) normalize(servers []Server) ([]Server, error) {
	servers, err := NormalizeServers(servers)
	if err != nil {
		return nil, err
	}
	for i, server := range servers {
		if b.opts.TLS != nil && server.Network() == "unix" {
			return nil, configError(fmt.Sprintf("server %d of %d is a unix socket, on which "+
				"memcached has no TLS; want host:port", i+1, len(servers)))
		}
	}
	return servers, nil
}

// update gives b.servers to the router, expanded if Options.Expand is set. The caller holds
// listMu, or is NewBackend.
func (b *Backend) update() error {
	servers := b.servers
	if b.opts.Expand {
		var err error
		if servers, err = b.expand(servers); err != nil {
			return err
		}
	}
	if slices.Equal(servers, b.Servers()) {
		return nil
	}
	removed, err := b.router.SetServers(servers)
	for _, n := range removed {
		n.Conns.retire()
		b.retired = append(b.retired, n.Conns)
	}
	return err
}

// expand returns servers with each name replaced by its addresses. It keeps the last addresses
// of a name that cannot be resolved. If two names have the same address, the first one counts.
func (b *Backend) expand(servers []Server) ([]Server, error) {
	ctx, cancel := context.WithTimeout(b.closing, b.opts.Timeout)
	defer cancel()
	var expanded []Server
	var errs []error
	present := map[string]bool{}
	for _, server := range servers {
		addrs := []string{server.Addr}
		if host, isName := server.host(); isName {
			found, err := lookup(ctx, host)
			if err == nil {
				b.known[host] = found
			} else {
				errs = append(errs, Unavailable(server, err))
			}
			_, port, _ := net.SplitHostPort(server.Addr)
			addrs = nil
			for _, addr := range b.known[host] {
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
func (b *Backend) keep() {
	const least = time.Millisecond
	reap := time.NewTicker(max(least, min(b.opts.MaxIdleTime, b.opts.MaxLifetime)/4))
	defer reap.Stop()
	resolve := time.NewTicker(max(least, b.opts.Resolve))
	defer resolve.Stop()
	for {
		select {
		case <-b.closing.Done():
			return
		case now := <-reap.C:
			for _, p := range b.pools() {
				p.reap(now)
			}
		case <-resolve.C:
			b.resolve()
		}
	}
}

// resolve resolves the names of servers.
func (b *Backend) resolve() {
	if b.opts.Expand {
		b.listMu.Lock()
		b.update() // if it fails, the list stays as it is
		b.listMu.Unlock()
		return
	}
	ctx, cancel := context.WithTimeout(b.closing, b.opts.Timeout)
	defer cancel()
	var lookups sync.WaitGroup
	for _, n := range b.router.Nodes() {
		lookups.Go(func() { n.Conns.follow(ctx) })
	}
	lookups.Wait()
}
