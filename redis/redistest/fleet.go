package redistest

import (
	"sync"
	"testing"
)

// A Fleet lends servers to tests that run in parallel. It starts them when they are needed.
type Fleet struct {
	start func() []*Server

	mu   sync.Mutex
	free [][]*Server // guarded by mu
}

// NewFleet returns a Fleet that calls start for more servers. Start returns one server, or the
// primaries of a cluster. It must start them with a t that outlives the tests.
func NewFleet(start func() []*Server) *Fleet { return &Fleet{start: start} }

// Take lends the servers of one call of start to t until t ends. They have no items, and their
// statistics are 0.
func (f *Fleet) Take(t testing.TB) []*Server {
	t.Helper()
	f.mu.Lock()
	var servers []*Server
	if last := len(f.free) - 1; last >= 0 {
		servers, f.free = f.free[last], f.free[:last]
	}
	f.mu.Unlock()
	if servers == nil {
		servers = f.start()
	}
	for _, s := range servers { // a sentinel has no FLUSHALL, which does no harm
		s.Do("FLUSHALL")
		s.Do("CONFIG", "RESETSTAT")
	}
	t.Cleanup(func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.free = append(f.free, servers)
	})
	return servers
}
