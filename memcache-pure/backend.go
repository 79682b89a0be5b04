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

	// MaxIdle is how many connections to each server are kept for the next verbs;
	// 0 is 64. They are kept until Close, however long they are idle.
	MaxIdle int

	// MaxOpen is how many connections to each server verbs may have; 0 is MaxIdle.
	// Those above MaxIdle are closed after each verb. A verb that has to wait for
	// one longer than Timeout is core.ErrUnavailable. A multi verb that stores or
	// deletes uses up to 32; with fewer than that, its keys wait for each other.
	MaxOpen int

	// TLS, if not nil, is how to speak TLS with the servers. A ServerName that is
	// empty is that of each server.
	TLS *tls.Config
}

const defaultMaxIdle = 64

// A Backend is a core.Backend over gomemcache. It may be used by many goroutines
// at once.
type Backend struct {
	client  *gomemcache.Client
	router  *memcache.Router
	timeout time.Duration
	tls     *tls.Config
	addrs   []*addr // by server

	lines   []*lines // by server
	maxIdle int
	maxOpen int
	closing context.Context
	cancel  context.CancelFunc // ends closing
}

// These are the abilities of a Backend beyond core.Backend.
var _ interface {
	core.Backend
	core.MultiGetter
	core.Pinger
	core.StatsReader
	core.Unwrapper
	core.TraitsReporter
} = (*Backend)(nil)

// New answers a Backend over servers. It connects to none of them: that is for the
// first verb. A nil opts is the zero Options. The error is core.ErrConfig.
func New(servers []memcache.Server, opts *Options) (*Backend, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.MaxIdle < 0 {
		return nil, fmt.Errorf("%w: MaxIdle is %d, want 1 or more, or 0 for %d", core.ErrConfig, o.MaxIdle, defaultMaxIdle)
	}
	o.MaxIdle = cmp.Or(o.MaxIdle, defaultMaxIdle)
	if o.MaxOpen < 0 {
		return nil, fmt.Errorf("%w: MaxOpen is %d, want 1 or more, or 0 for MaxIdle", core.ErrConfig, o.MaxOpen)
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
			return nil, fmt.Errorf("%w: TLS with the server %s: memcached has none on a socket, want host:port", core.ErrConfig, server.Addr)
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
		b.lines = append(b.lines, &lines{
			addr: b.addrs[i], backend: b, room: semaphore.NewWeighted(int64(o.MaxOpen)), all: map[*line]struct{}{},
		})
	}
	b.closing, b.cancel = context.WithCancel(context.Background())
	b.client = gomemcache.NewFromSelector(selector{b})
	b.client.Timeout = shared.Timeout
	b.client.MaxIdleConns = o.MaxIdle
	b.client.DialContext = b.connect
	return b, nil
}

// An addr is a server as gomemcache knows it.
type addr struct {
	memcache.Server
	origin int32 // see token
}

func (a *addr) String() string { return a.Addr }

// selector is the gomemcache.ServerSelector of the client that As hands out.
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
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secure, nil
}

// Traits answers what memcached is different in.
func (b *Backend) Traits() core.Traits {
	return core.Traits{Resolution: memcache.Resolution}
}

// As sets *target to a gomemcache.Client of the same servers if target is a
// **gomemcache.Client. It has connections of its own, which Close closes once they
// are idle. What is done by it is outside the contract: keys are those that go to
// the wire, contexts count for nothing, and what a server answers is believed, were
// it a length of 4 GiB.
func (b *Backend) As(target any) bool {
	client, ok := target.(**gomemcache.Client)
	if ok {
		*client = b.client
	}
	return ok
}

// Close closes all connections, and so ends the verbs in flight.
func (b *Backend) Close() error {
	b.cancel()
	for _, ls := range b.lines {
		ls.close()
	}
	return b.client.Close()
}
