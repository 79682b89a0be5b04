package memcache_test

import (
	"fmt"
	"net/url"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
)

// The Open method of a driver reads the servers and the options of its URL.
func ExampleParseURL() {
	for _, raw := range []string{
		"memcache://cache1:11211,cache2:11212",
		"memcache://?server=::1&server=cache2&weight=3&weight=1",
		"memcache:///run/memcached.sock",
		"memcache://cache1,cache2?weight=3",
	} {
		u, err := url.Parse(raw)
		if err != nil {
			fmt.Println(err)
			continue
		}
		p := core.NewParams(u)
		servers, _, err := memcache.ParseURL(u, p)
		if err != nil {
			fmt.Println(err)
			continue
		}
		for _, s := range servers {
			fmt.Println(s.Network(), s.String(), "weight", s.Weight)
		}
	}

	// Output:
	// tcp cache1:11211 weight 1
	// tcp cache2:11212 weight 1
	// tcp [::1]:11211 weight 3
	// tcp cache2:11211 weight 1
	// unix /run/memcached.sock weight 1
	// cachewire: invalid configuration: memcache: parameter weight is given 1 times for 2 servers; want none, or one for each server in their order
}
