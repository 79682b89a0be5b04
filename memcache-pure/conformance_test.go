package memcachepure_test

import (
	"flag"
	"os"
	"sync"
	"testing"

	"github.com/cachewire/cachewire/conformance"
	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache/memcachetest"
)

// Cases of the suite mostly wait for a time to live to end, many at once.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "12"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// A fleet starts n servers for each case that runs, and gives them to the next
// one when it has ended.
type fleet struct {
	t    *testing.T // the servers end with it
	n    int
	mu   sync.Mutex
	free []memcachetest.Servers // guarded by mu
}

// open answers a Backend over servers with nothing in them.
func (f *fleet) open(t testing.TB) core.Backend {
	f.mu.Lock()
	var servers memcachetest.Servers
	if last := len(f.free) - 1; last >= 0 {
		servers, f.free = f.free[last], f.free[:last]
		for _, server := range servers {
			server.Restart() // Flush would leave items in the statistics
		}
	} else {
		servers = memcachetest.StartN(f.t, f.n, nil)
	}
	f.mu.Unlock()
	t.Cleanup(func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.free = append(f.free, servers)
	})
	return open(t, patient, servers.Addrs()...)
}

func TestConformance(t *testing.T) {
	for name, n := range map[string]int{"one server": 1, "three servers": 3} {
		t.Run(name, func(t *testing.T) {
			f := &fleet{t: t, n: n}
			conformance.Run(t, conformance.Config{New: f.open, Parallel: true})
		})
	}
}
