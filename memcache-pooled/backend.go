package memcachepooled

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/puddle/v2"
	rainycape "github.com/rainycape/memcache"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
)

// Options are the settings of a Backend. The zero value of a field is its default.
type Options struct {
	memcache.Options

	// MinClients is the number of clients that New makes, each with a connection to each
	// server. As many stay in the pool even if they are idle for longer than MaxIdleTime. If
	// 0, clients are made only when verbs need them.
	MinClients int

	// Lazy makes New return without connecting. New does not then fail if a server cannot be
	// reached.
	Lazy bool

	// MaxClients is the largest number of clients, and so of verbs that run at once. If 0, it
	// is 64, or MinClients if that is larger. A multi verb uses up to 32 clients.
	MaxClients int

	// MaxIdleTime is how long a client may be idle before it is destroyed. If 0, it is
	// 5 minutes.
	MaxIdleTime time.Duration

	// MaxLifetime is how long a client may live. An older client is destroyed once no verb
	// uses it. If 0, it is an hour.
	MaxLifetime time.Duration

	// AcquireTimeout is how long a verb waits for a client while MaxClients clients are in
	// use. Then it returns core.ErrUnavailable. If 0, it is Timeout.
	AcquireTimeout time.Duration
}

const (
	defaultMaxClients  = 64
	defaultMaxIdleTime = 5 * time.Minute
	defaultMaxLifetime = time.Hour
)

// withDefaults returns o with its default in each zero field. It returns core.ErrConfig if
// a field is out of its range.
func (o Options) withDefaults() (Options, error) {
	var err error
	if o.Options, err = o.Options.WithDefaults(); err != nil {
		return o, err
	}
	o.MaxClients = cmp.Or(o.MaxClients, max(defaultMaxClients, o.MinClients))
	o.MaxIdleTime = cmp.Or(o.MaxIdleTime, defaultMaxIdleTime)
	o.MaxLifetime = cmp.Or(o.MaxLifetime, defaultMaxLifetime)
	o.AcquireTimeout = cmp.Or(o.AcquireTimeout, o.Timeout)
	for _, field := range []struct {
		name  string
		value time.Duration
	}{
		{"MaxIdleTime", o.MaxIdleTime},
		{"MaxLifetime", o.MaxLifetime},
		{"AcquireTimeout", o.AcquireTimeout},
	} {
		if field.value < 0 {
			return o, fmt.Errorf("%w: %s is %v; want more than 0, or 0 for the default",
				core.ErrConfig, field.name, field.value)
		}
	}
	if o.MaxClients < 1 || o.MaxClients > maxMaxClients {
		return o, fmt.Errorf("%w: MaxClients is %d; want 1 to %d, or 0 for %d",
			core.ErrConfig, o.MaxClients, maxMaxClients, defaultMaxClients)
	}
	if o.MinClients < 0 || o.MinClients > o.MaxClients {
		return o, fmt.Errorf("%w: MinClients is %d; want 0 to MaxClients, which is %d",
			core.ErrConfig, o.MinClients, o.MaxClients)
	}
	return o, nil
}

// maxMaxClients is the largest MaxClients. No server accepts as many connections.
const maxMaxClients = 1 << 20

// A Backend is a core.Backend over a pool of rainycape clients. It may be used by many
// goroutines at once.
type Backend struct {
	router  *memcache.Router
	addrs   []*rainycape.Addr // by server
	origins []int32           // the numbers of the servers in their tokens, by server
	opts    Options

	pool      *puddle.Pool[*client]
	idle      atomic.Int64 // the number of idle clients, approximately
	live      atomic.Int64 // the number of clients made, without those passed to destroy
	destroyed atomic.Uint64

	closing context.Context    // done after Close
	cancel  context.CancelFunc // of closing
	reaper  sync.WaitGroup

	shared *rainycape.Client // for As
}

// A Backend implements these optional interfaces of core.
var _ interface {
	core.Backend
	core.Pinger
	core.StatsReader
	core.Unwrapper
	core.TraitsReporter
} = (*Backend)(nil)

// New returns a Backend over servers. If opts is nil, it is the zero Options. New returns
// core.ErrConfig if servers is empty, or if a server or an option is invalid. If MinClients
// is more than 0 and Lazy is false, New connects to the servers, and returns
// core.ErrUnavailable if one cannot be reached.
func New(servers []memcache.Server, opts *Options) (*Backend, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	router, err := memcache.NewRouter(servers, o.Options)
	if err != nil {
		return nil, err
	}
	b := &Backend{router: router, opts: o}
	for _, server := range router.Servers() {
		b.addrs = append(b.addrs, rainycape.NewAddr(unresolved{server}))
		b.origins = append(b.origins, lastOrigin.Add(1))
	}
	b.closing, b.cancel = context.WithCancel(context.Background())
	b.shared = rainycape.NewFromServers(routedServers{b})
	b.shared.SetTimeout(o.Timeout)
	b.pool, err = puddle.NewPool(&puddle.Config[*client]{
		Constructor: func(context.Context) (*client, error) {
			b.live.Add(1)
			return newClient(b), nil
		},
		Destructor: func(c *client) {
			c.Close()
			b.destroyed.Add(1)
		},
		MaxSize: int32(o.MaxClients),
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", core.ErrConfig, err)
	}
	if err := b.fill(); err != nil {
		b.Close()
		return nil, err
	}
	b.reaper.Go(b.reap)
	return b, nil
}

// unresolved is a net.Addr whose name is resolved by each dial.
type unresolved struct{ memcache.Server }

func (u unresolved) String() string { return u.Address() }

// routedServers is the rainycape.Servers of the client that As returns.
type routedServers struct{ *Backend }

func (r routedServers) PickServer(key string) (*rainycape.Addr, error) {
	server, _ := r.router.Pick(key)
	return r.addrs[server], nil
}

func (r routedServers) Servers() ([]*rainycape.Addr, error) { return r.addrs, nil }

// Traits returns the Resolution of memcached; its other traits are zero.
func (b *Backend) Traits() core.Traits {
	return core.Traits{Resolution: memcache.Resolution, LooseNumbers: true}
}

// As sets *target to a rainycape.Client of the same servers if target is a
// **rainycape.Client. The client is not from the pool and has its own connections, which
// Close closes once they are idle. Its calls are outside the contract: keys are encoded
// keys, and GetMulti hides failures.
func (b *Backend) As(target any) bool {
	client, ok := target.(**rainycape.Client)
	if ok {
		*client = b.shared
	}
	return ok
}

// Close closes all connections. It waits for running verbs, but no longer than Timeout. A
// verb may run for longer, because it has Timeout to connect, and again to read the reply.
func (b *Backend) Close() error {
	b.cancel()
	b.reaper.Wait()
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		b.pool.Close()
	}()
	timer := time.NewTimer(b.opts.Timeout)
	defer timer.Stop()
	select {
	case <-closed:
	case <-timer.C:
	}
	return b.shared.Close()
}

// Stats returns the sum of the figures of the servers, and those of the pool. It opens
// another connection to each server. The figures of the pool are returned even if a server
// fails.
func (b *Backend) Stats(ctx context.Context) (core.Stats, error) {
	limited, cancel := context.WithTimeout(ctx, b.opts.Timeout)
	defer cancel()
	defer context.AfterFunc(b.closing, cancel)()
	dial := func(ctx context.Context, s memcache.Server) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, s.Network(), s.Address())
	}
	stats, err := memcache.Stats(limited, b.router.Servers(), dial)
	if ctx.Err() != nil {
		return core.Stats{}, ctx.Err()
	}
	stats.Pool = b.poolStats()
	return stats, err
}
