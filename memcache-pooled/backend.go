package memcachepooled

import (
	"cmp"
	"errors"
	"fmt"
	"sync"
	"time"

	rainycape "github.com/rainycape/memcache"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
)

// Options are the settings of a Backend. The zero value of a field is its default.
type Options struct {
	// Username must be "", because the binary protocol does not have this kind of login.
	memcache.Options

	// MinClients is the number of clients for each server that New makes. That many stay
	// connected even if they are idle for longer than MaxIdleTime: a ping keeps them alive.
	// If 0, clients are made only when verbs need them.
	MinClients int

	// Lazy makes New return without connecting. New does not then fail if a server cannot be
	// reached.
	Lazy bool

	// MaxClients is the largest number of clients for each server, and so of verbs that it
	// carries out at once. If 0, it is 64, or MinClients if that is larger. A multi verb uses
	// up to 33 clients, if the server is so far away that they make it faster.
	MaxClients int

	// AcquireTimeout is how long a verb waits for a client while MaxClients clients are in
	// use. Then it returns core.ErrUnavailable. If 0, it is Timeout.
	AcquireTimeout time.Duration
}

const (
	defaultMaxClients = 64

	// maxMaxClients is the largest MaxClients. No server accepts as many connections.
	maxMaxClients = 1 << 20

	// getsLen is the largest number of keys in one request. The library writes all of it
	// before it reads, so that it must fit in the buffers of the system.
	getsLen = 100
)

// limits returns the limits that o sets. It returns core.ErrConfig if a field is out of its
// range.
func (o *Options) limits() (memcache.Limits, error) {
	maxClients := cmp.Or(o.MaxClients, max(defaultMaxClients, o.MinClients))
	var problem string
	switch {
	case maxClients < 1 || maxClients > maxMaxClients:
		problem = fmt.Sprintf("MaxClients is %d; want 1 to %d, or 0 for %d",
			maxClients, maxMaxClients, defaultMaxClients)
	case o.MinClients < 0 || o.MinClients > maxClients:
		problem = fmt.Sprintf("MinClients is %d; want 0 to MaxClients, which is %d",
			o.MinClients, maxClients)
	case o.AcquireTimeout < 0:
		problem = fmt.Sprintf("AcquireTimeout is %v; want more than 0, or 0 for Timeout",
			o.AcquireTimeout)
	}
	if problem != "" {
		return memcache.Limits{}, fmt.Errorf("%w: memcachepooled: %s", core.ErrConfig, problem)
	}
	return memcache.Limits{
		Keep:    o.MinClients,
		MaxIdle: maxClients,
		MaxOpen: maxClients,
		Wait:    cmp.Or(o.AcquireTimeout, o.Timeout),
		Gets:    getsLen,
	}, nil
}

// A Backend is a core.Backend over rainycape clients. It may be used by many goroutines at
// once.
type Backend struct {
	*memcache.Backend
	client *rainycape.Client // for As; nil with TLS
}

// New returns a Backend over servers. If opts is nil, it is the zero Options. New returns
// core.ErrConfig if servers is empty, or if a server or an option is invalid, and
// errors.ErrUnsupported if Username is set. If MinClients is more than 0 and Lazy is false,
// New connects to the servers, and returns core.ErrUnavailable if one cannot be reached.
func New(servers []memcache.Server, opts *Options) (*Backend, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if err := checkLibrary(); err != nil {
		return nil, err
	}
	var err error
	if o.Options, err = o.Options.WithDefaults(); err != nil {
		return nil, err
	}
	limits, err := o.limits()
	if err != nil {
		return nil, err
	}
	if o.Username != "" {
		return nil, fmt.Errorf("%w: memcachepooled: Username is set, but memcached has this "+
			"login only in the text protocol; want memcachepure, with memcache: in the URL",
			errors.ErrUnsupported)
	}
	b := &Backend{}
	if b.Backend, err = memcache.NewBackend(servers, o.Options, limits, newClient); err != nil {
		return nil, err
	}
	if o.TLS == nil {
		b.client = rainycape.NewFromServers(&presentServers{backend: b})
		b.client.SetTimeout(o.Timeout)
	}
	if !o.Lazy {
		if err := b.Connect(); err != nil {
			b.Close()
			return nil, err
		}
	}
	return b, nil
}

// presentServers is the rainycape.Servers of the client that As returns.
type presentServers struct {
	backend *Backend
	addrs   sync.Map // *rainycape.Addr, by memcache.Server; the library compares pointers
}

func (p *presentServers) addrOf(server memcache.Server) *rainycape.Addr {
	addr, ok := p.addrs.Load(server)
	if !ok {
		addr, _ = p.addrs.LoadOrStore(server, rainycape.NewAddr(server))
	}
	return addr.(*rainycape.Addr)
}

func (p *presentServers) PickServer(key string) (*rainycape.Addr, error) {
	server, err := p.backend.ServerOf(key)
	if err != nil {
		return nil, err
	}
	return p.addrOf(server), nil
}

func (p *presentServers) Servers() ([]*rainycape.Addr, error) {
	var addrs []*rainycape.Addr
	for _, server := range p.backend.Servers() {
		addrs = append(addrs, p.addrOf(server))
	}
	return addrs, nil
}

// As sets *target to a rainycape.Client of the same servers if target is a **rainycape.Client
// and TLS is nil. The client has its own connections, which Close closes once they are idle.
// The contract does not cover its calls: keys are encoded keys, replies are not checked, and
// GetMulti hides failures.
func (b *Backend) As(target any) bool {
	client, ok := target.(**rainycape.Client)
	if ok && b.client != nil {
		*client = b.client
	}
	return ok && b.client != nil
}

// Close closes all connections, which ends running verbs.
func (b *Backend) Close() error {
	err := b.Backend.Close()
	if b.client != nil {
		err = errors.Join(err, b.client.Close())
	}
	return err
}
