package memcachepure

import (
	"context"
	"math"
	"net/url"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
)

func init() { core.Register("memcache", driver{}) }

type driver struct{}

// Open returns a Backend for u. It does not connect to the servers.
func (driver) Open(_ context.Context, u *url.URL) (core.Backend, error) {
	p := core.NewParams(u)
	opts := Options{
		MaxIdle: p.Int("max_idle", 0, 1, math.MaxInt32),
		MaxOpen: p.Int("max_open", 0, 1, math.MaxInt32),
	}
	servers, shared, err := memcache.ParseURL(u, p)
	if err != nil {
		return nil, err
	}
	opts.Options = shared
	return New(servers, &opts)
}
