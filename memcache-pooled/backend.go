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

	// MinClients is how many clients New makes, each with a connection to each
	// server, and how many stay in the pool however long they are idle. 0 is none:
	// clients are made when there are verbs for them.
	MinClients int

	// Lazy has New connect to nobody: a server that cannot be reached is then no
	// error of New.
	Lazy bool

	// MaxClients is how many clients there may be, which is how many verbs may be
	// under way; 0 is 64. The multi verbs use up to 32.
	MaxClients int

	// MaxIdleTime is for how long a client may be idle until it is destroyed; 0 is
	// 5 minutes.
	MaxIdleTime time.Duration

	// MaxLifetime is how long a client may live. One that is older is destroyed
	// when it comes back; 0 is an hour.
	MaxLifetime time.Duration

	// AcquireTimeout is how long a verb waits for a client while all MaxClients are
	// in use, until it is core.ErrUnavailable; 0 is Timeout.
	AcquireTimeout time.Duration
}

const (
	defaultMaxClients  = 64
	defaultMaxIdleTime = 5 * time.Minute
	defaultMaxLifetime = time.Hour
)

// withDefaults answers o with each zero field set to its default, or
// core.ErrConfig if a field is out of its range.
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
		{"MaxIdleTime", o.MaxIdleTime}, {"MaxLifetime", o.MaxLifetime}, {"AcquireTimeout", o.AcquireTimeout},
	} {
		if field.value < 0 {
			return o, fmt.Errorf("%w: %s is %v, want more than 0, or 0 for the default", core.ErrConfig, field.name, field.value)
		}
	}
	if o.MaxClients < 1 || o.MaxClients > maxMaxClients {
		return o, fmt.Errorf("%w: MaxClients is %d, want 1 to %d, or 0 for %d", core.ErrConfig, o.MaxClients, maxMaxClients, defaultMaxClients)
	}
	if o.MinClients < 0 || o.MinClients > o.MaxClients {
		return o, fmt.Errorf("%w: MinClients is %d, want 0 to MaxClients, which is %d", core.ErrConfig, o.MinClients, o.MaxClients)
	}
	return o, nil
}

// maxMaxClients is more than any server takes connections.
const maxMaxClients = 1 << 20

// A Backend is a core.Backend over a pool of rainycape clients. It may be used by
// many goroutines at once.
type Backend struct {
	router  *memcache.Router
	addrs   []*rainycape.Addr // by server
	origins []int32           // by server; see token
	opts    Options

	pool      *puddle.Pool[*client]
	idle      atomic.Int64 // about how many clients are idle
	live      atomic.Int64 // how many have been made, and not been given to destroy
	destroyed atomic.Uint64

	closing context.Context
	cancel  context.CancelFunc // ends closing
	reaper  sync.WaitGroup

	shared *rainycape.Client // that As gives out
}

// These are the abilities of a Backend beyond core.Backend.
var _ interface {
	core.Backend
	core.Pinger
	core.StatsReader
	core.Unwrapper
	core.TraitsReporter
} = (*Backend)(nil)

// New answers a Backend over servers. With MinClients it connects, and the error is
// core.ErrUnavailable if a server cannot be reached; else it is core.ErrConfig. A
// nil opts is the zero Options.
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
	b.shared = rainycape.NewFromServers(routed{b})
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

// unresolved is a net.Addr whose name is looked up at each dial.
type unresolved struct{ memcache.Server }

func (u unresolved) String() string { return u.Address() }

// routed is the rainycape.Servers of the client that As gives out.
type routed struct{ *Backend }

func (r routed) PickServer(key string) (*rainycape.Addr, error) {
	server, _ := r.router.Pick(key)
	return r.addrs[server], nil
}

func (r routed) Servers() ([]*rainycape.Addr, error) { return r.addrs, nil }

// Traits answers what memcached is different in.
func (b *Backend) Traits() core.Traits {
	return core.Traits{Resolution: memcache.Resolution}
}

// As sets *target to a rainycape.Client of the same servers if target is a
// **rainycape.Client. It is none of the pool's, and has connections of its own,
// which Close closes once they are idle. What is done by it is outside the
// contract: keys are those that go to the wire, and its GetMulti hides failures.
func (b *Backend) As(target any) bool {
	client, ok := target.(**rainycape.Client)
	if ok {
		*client = b.shared
	}
	return ok
}

// Close closes all connections. It waits for the verbs that are under way, but no
// longer than Timeout: a verb may have that long to connect, and again to be
// answered.
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

// Stats answers the sum of what the servers tell of themselves, over a connection
// more to each, and how the pool does.
func (b *Backend) Stats(ctx context.Context) (core.Stats, error) {
	within, cancel := context.WithTimeout(ctx, b.opts.Timeout)
	defer cancel()
	defer context.AfterFunc(b.closing, cancel)()
	stats, err := memcache.Stats(within, b.router.Servers(), func(ctx context.Context, s memcache.Server) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, s.Network(), s.Address())
	})
	if ctx.Err() != nil {
		return core.Stats{}, ctx.Err()
	}
	stats.Pool = b.poolStats()
	return stats, err
}
