package memcache_test

import (
	"fmt"

	"github.com/cachewire/cachewire/memcache"
)

// A key has a server, and another one while that server cannot be reached.
func ExampleSelector() {
	servers := []memcache.Server{{Addr: "10.0.0.1"}, {Addr: "10.0.0.2"}, {Addr: "10.0.0.3"}}
	s, err := memcache.NewSelector(memcache.Ketama, servers)
	if err != nil {
		fmt.Println(err)
		return
	}
	home := s.Pick("user:1", nil)
	fmt.Println(servers[home].Addr)
	next := s.Pick("user:1", func(server int) bool { return server == home })
	fmt.Println(servers[next].Addr)

	// Output:
	// 10.0.0.1
	// 10.0.0.2
}
