package memcachepooled

import (
	"context"
	"net/url"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
)

func init() { core.Register("memcache+pooled", driver{}) }

type driver struct{}

// Open returns a Backend for u. It connects to the servers only if the URL has a size and
// is not lazy.
func (driver) Open(_ context.Context, u *url.URL) (core.Backend, error) {
	p := core.NewParams(u)
	opts := Options{
		MinClients:     p.Int("size", 0, 0, maxMaxClients),
		Lazy:           p.Bool("lazy", false),
		MaxClients:     p.Int("max", 0, 1, maxMaxClients),
		AcquireTimeout: p.Duration("acquire_timeout", 0, 1),
	}
	servers, shared, err := memcache.ParseURL(u, p)
	if err != nil {
		return nil, err
	}
	opts.Options = shared
	return New(servers, &opts)
}
