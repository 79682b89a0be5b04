package memcachemeta

import (
	"context"
	"net/url"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
)

func init() { core.Register("memcache+meta", driver{}) }

type driver struct{}

// Open returns a Backend for u. It does not connect to the servers.
func (driver) Open(_ context.Context, u *url.URL) (core.Backend, error) {
	servers, opts, err := memcache.ParseURL(u, core.NewParams(u))
	if err != nil {
		return nil, err
	}
	return New(servers, &Options{Options: opts})
}
