package memcachepure

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	gomemcache "github.com/bradfitz/gomemcache/memcache"
	"golang.org/x/sync/semaphore"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
)

// Options are the settings of a Backend. The zero value of a field is its default.
type Options struct {
	memcache.Options

	// MaxIdle is the number of idle connections to each server that are kept for later
	// verbs. If 0, it is 64. They are kept until Close, without a limit of time.
	MaxIdle int

	// MaxOpen is the largest number of connections to each server. If 0, it is MaxIdle.
	// After a verb, connections above MaxIdle are closed. A verb that waits for a connection
	// for longer than Timeout returns core.ErrUnavailable. A multi verb that stores or
	// deletes uses up to 32 connections; if MaxOpen is less, its keys wait for each other.
	MaxOpen int

	// TLS is the configuration for connections with TLS. If nil, the driver does not use
	// TLS. If its ServerName is "", it is the host of each server.
	TLS *tls.Config
}

const defaultMaxIdle = 64

// A Backend is a core.Backend over gomemcache. It may be used by many goroutines at once.
type Backend struct {
	client  *gomemcache.Client // for As
	router  *memcache.Router
	timeout time.Duration
	tls     *tls.Config
	addrs   []*addr // by server

	pools   []*pool // by server
	maxIdle int
	maxOpen int
	closing context.Context    // done after Close
	cancel  context.CancelFunc // of closing
}

// A Backend implements these optional interfaces of core.
var _ interface {
	core.Backend
	core.MultiGetter
	core.Pinger
	core.StatsReader
	core.Unwrapper
	core.TraitsReporter
} = (*Backend)(nil)

// New returns a Backend over servers. It does not connect to them; the first verb does. If
// opts is nil, it is the zero Options. New returns core.ErrConfig if servers is empty, or
// if a server or an option is invalid.
func New(servers []memcache.Server, opts *Options) (*Backend, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.MaxIdle < 0 {
		return nil, fmt.Errorf("%w: MaxIdle is %d; want 1 or more, or 0 for %d",
			core.ErrConfig, o.MaxIdle, defaultMaxIdle)
	}
	o.MaxIdle = cmp.Or(o.MaxIdle, defaultMaxIdle)
	if o.MaxOpen < 0 {
		return nil, fmt.Errorf("%w: MaxOpen is %d; want 1 or more, or 0 for MaxIdle",
			core.ErrConfig, o.MaxOpen)
	}
	o.MaxOpen = cmp.Or(o.MaxOpen, o.MaxIdle)
	shared, err := o.Options.WithDefaults()
	if err != nil {
		return nil, err
	}
	router, err := memcache.NewRouter(servers, shared)
	if err != nil {
		return nil, err
	}
	for _, server := range router.Servers() {
		if o.TLS != nil && server.Network() == "unix" {
			return nil, fmt.Errorf("%w: TLS with the server %s, but memcached has no TLS on "+
				"a unix socket; want host:port", core.ErrConfig, server.Addr)
		}
	}
	b := &Backend{
		router:  router,
		timeout: shared.Timeout,
		maxOpen: o.MaxOpen,
		maxIdle: o.MaxIdle,
		tls:     o.TLS.Clone(),
	}
	for i, server := range router.Servers() {
		b.addrs = append(b.addrs, &addr{Server: server, origin: lastOrigin.Add(1)})
		b.pools = append(b.pools, &pool{
			addr:    b.addrs[i],
			backend: b,
			room:    semaphore.NewWeighted(int64(o.MaxOpen)),
			all:     map[*pooledConn]struct{}{},
		})
	}
	b.closing, b.cancel = context.WithCancel(context.Background())
	b.client = gomemcache.NewFromSelector(selector{b})
	b.client.Timeout = shared.Timeout
	b.client.MaxIdleConns = o.MaxIdle
	b.client.DialContext = b.connect
	return b, nil
}

// An addr is a server as a net.Addr, for gomemcache.
type addr struct {
	memcache.Server
	origin int32 // the number of the server in its tokens
}

func (a *addr) String() string { return a.Addr }

// selector is the gomemcache.ServerSelector of the client that As returns.
type selector struct{ *Backend }

func (s selector) PickServer(key string) (net.Addr, error) {
	server, _ := s.router.Pick(key)
	return s.addrs[server], nil
}

func (s selector) Each(do func(net.Addr) error) error {
	var errs []error
	for _, a := range s.addrs {
		errs = append(errs, do(a))
	}
	return errors.Join(errs...)
}

func (b *Backend) connect(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(b.closing, cancel)()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil || b.tls == nil {
		return conn, err
	}
	config := b.tls
	if config.ServerName == "" {
		config = config.Clone()
		config.ServerName, _, _ = net.SplitHostPort(address)
	}
	tlsConn := tls.Client(conn, config)
	if err := tlsConn.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return tlsConn, nil
}

// Traits returns the Resolution of memcached; its other traits are zero.
func (b *Backend) Traits() core.Traits {
	return core.Traits{Resolution: memcache.Resolution, LooseNumbers: true}
}

// As sets *target to a gomemcache.Client of the same servers if target is a
// **gomemcache.Client. The client has its own connections; Close closes those that are
// idle. Its calls are outside the contract: keys are encoded keys, contexts have no effect,
// and replies are not checked, not even the length of a value, which may be 4 GiB.
func (b *Backend) As(target any) bool {
	client, ok := target.(**gomemcache.Client)
	if ok {
		*client = b.client
	}
	return ok
}

// Close closes all connections, which ends running verbs.
func (b *Backend) Close() error {
	b.cancel()
	for _, p := range b.pools {
		p.close()
	}
	return b.client.Close()
}
