package memcachetest

import (
	"sync"
	"testing"
)

// A Fleet has servers for tests that run side by side, so many for each, and gives
// them to the next test when one has ended. They are started when they are needed.
type Fleet struct {
	t    testing.TB // with which the servers end
	n    int
	opts *Options

	mu   sync.Mutex
	free []Servers // guarded by mu
}

// NewFleet answers a Fleet of n servers for each test, started with opts. They end with t.
func NewFleet(t testing.TB, n int, opts *Options) *Fleet { return &Fleet{t: t, n: n, opts: opts} }

// Take answers servers that have nothing in them, until t ends.
func (f *Fleet) Take(t testing.TB) Servers {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	var servers Servers
	if last := len(f.free) - 1; last >= 0 {
		servers, f.free = f.free[last], f.free[:last]
		for _, server := range servers {
			server.Restart() // a flush would leave items in the statistics
		}
	} else {
		servers = StartN(f.t, f.n, f.opts)
	}
	t.Cleanup(func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.free = append(f.free, servers)
	})
	return servers
}
