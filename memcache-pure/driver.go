package memcachepure

import (
	"context"
	"crypto/tls"
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
	servers, err := memcache.URLServers(u, p)
	opts := Options{
		Options: memcache.URLOptions(p),
		MaxIdle: p.Int("max_idle", 0, 1, math.MaxInt32),
		MaxOpen: p.Int("max_open", 0, 1, math.MaxInt32),
	}
	if p.Bool("tls", false) {
		opts.TLS = &tls.Config{}
	}
	if paramErr := p.Err(); paramErr != nil {
		return nil, paramErr
	}
	if err != nil {
		return nil, err
	}
	return New(servers, &opts)
}
