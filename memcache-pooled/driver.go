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
	servers, err := memcache.URLServers(u, p)
	opts := Options{
		Options:        memcache.URLOptions(p),
		MinClients:     p.Int("size", 0, 0, maxMaxClients),
		Lazy:           p.Bool("lazy", false),
		MaxClients:     p.Int("max", 0, 1, maxMaxClients),
		MaxIdleTime:    p.Duration("max_idle_time", 0, 1),
		MaxLifetime:    p.Duration("max_lifetime", 0, 1),
		AcquireTimeout: p.Duration("acquire_timeout", 0, 1),
	}
	if paramErr := p.Err(); paramErr != nil {
		return nil, paramErr
	}
	if err != nil {
		return nil, err
	}
	return New(servers, &opts)
}
