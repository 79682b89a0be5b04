package memcachepure

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"

	gomemcache "github.com/bradfitz/gomemcache/memcache"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
)

// Options are the settings of a Backend. The zero value of a field is its default.
type Options struct {
	memcache.Options

	// MaxIdle is the number of idle connections to each server that are kept for later
	// verbs. If 0, it is 64.
	MaxIdle int

	// MaxOpen is the largest number of connections to each server. If 0, it is MaxIdle. After
	// a verb, connections above MaxIdle are closed. A verb that waits for a connection for
	// longer than Timeout returns core.ErrUnavailable. A multi verb uses up to 33
	// connections, if the server is so far away that they make it faster.
	MaxOpen int
}

const (
	defaultMaxIdle = 64

	// getsLen is the largest number of keys in one request. More keys would not be faster,
	// but all their values would have one deadline.
	getsLen = 250
)

// A Backend is a core.Backend over gomemcache. It may be used by many goroutines at once.
type Backend struct {
	*memcache.Backend
	client *gomemcache.Client // for As
}

// New returns a Backend over servers. It does not connect to them; the first verb does. If
// Expand is set, New resolves their names; if that fails, verbs return core.ErrUnavailable
// until it succeeds. If opts is nil, it is the zero Options. New returns core.ErrConfig if
// servers is empty, or if a server or an option is invalid.
func New(servers []memcache.Server, opts *Options) (*Backend, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.MaxIdle < 0 {
		return nil, fmt.Errorf("%w: memcachepure: MaxIdle is %d; want 1 or more, or 0 for %d",
			core.ErrConfig, o.MaxIdle, defaultMaxIdle)
	}
	if o.MaxOpen < 0 {
		return nil, fmt.Errorf("%w: memcachepure: MaxOpen is %d; want 1 or more, or 0 for MaxIdle",
			core.ErrConfig, o.MaxOpen)
	}
	maxIdle := cmp.Or(o.MaxIdle, defaultMaxIdle)
	shared, err := o.Options.WithDefaults()
	if err != nil {
		return nil, err
	}
	limits := memcache.Limits{
		MaxIdle: maxIdle,
		MaxOpen: cmp.Or(o.MaxOpen, maxIdle),
		Wait:    shared.Timeout,
		Gets:    getsLen,
	}
	b := &Backend{}
	b.Backend, err = memcache.NewBackend(servers, shared, limits, newClient)
	if err != nil {
		return nil, err
	}
	b.client = gomemcache.NewFromSelector(selector{b})
	b.client.Timeout = shared.Timeout
	b.client.MaxIdleConns = maxIdle
	b.client.DialContext = func(ctx context.Context, _, address string) (net.Conn, error) {
		return b.Dial(ctx, memcache.Server{Addr: address})
	}
	return b, nil
}

// selector is the gomemcache.ServerSelector of the client that As returns.
type selector struct{ *Backend }

func (s selector) PickServer(key string) (net.Addr, error) { return s.ServerOf(key) }

func (s selector) Each(do func(net.Addr) error) error {
	var errs []error
	for _, server := range s.Servers() {
		errs = append(errs, do(server))
	}
	return errors.Join(errs...)
}

// As sets *target to a gomemcache.Client of the same servers if target is a
// **gomemcache.Client. The client has its own connections; Close closes those that are idle.
// The contract does not cover its calls: keys are encoded keys, contexts have no effect, and
// replies are not checked, not even the length of a value, which may be 4 GiB.
func (b *Backend) As(target any) bool {
	client, ok := target.(**gomemcache.Client)
	if ok {
		*client = b.client
	}
	return ok
}

// Close closes all connections, which ends running verbs.
func (b *Backend) Close() error { return errors.Join(b.Backend.Close(), b.client.Close()) }
