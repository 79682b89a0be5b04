package memcachemeta

import (
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
	"github.com/cachewire/cachewire/memcache/memcachetest"
)

// A recorder keeps what is written.
type recorder struct {
	net.Conn
	mu     sync.Mutex // guards writes
	writes []string
}

func (r *recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	r.writes = append(r.writes, string(p))
	r.mu.Unlock()
	return r.Conn.Write(p)
}

// memcached before 1.6.39 waits forever for the rest of a Write over TLS in which something follows
// an ms, until another Write arrives.
func TestWritesOverTLSWakeTheServer(t *testing.T) {
	addr := memcachetest.Start(t, nil).Addr()
	b, err := New([]memcache.Server{{Addr: addr}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	c, err := b.list.Nodes()[0].Conns.take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{Conn: c.Conn}
	c.Conn, c.isTLS = r, true
	last := func() string {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.writes[len(r.writes)-1]
	}
	item := func(key string) core.Item { return core.Item{Key: key, Value: []byte("v")} }
	items := []core.Item{item("a"), item("b"), item("c")}
	for range 3 {
		if err := b.StoreMulti(t.Context(), core.Set, items); err != nil {
			t.Fatal(err)
		}
		if got := last(); got != "mn\r\n" {
			t.Errorf("after three stores, the last Write is %q, want mn", got)
		}
		if err := b.Store(t.Context(), core.Set, items[0]); err != nil {
			t.Fatal(err)
		}
		if got := last(); !strings.HasPrefix(got, "ms a 1 ") {
			t.Errorf("a single store is the Write %q, want that mn does not follow", got)
		}
		got, err := b.GetItems(t.Context(), []string{"a", "b", "c"})
		if len(got) != 3 || err != nil {
			t.Errorf("GetItems = %v, %v", got, err)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.writes); slices.Contains(r.writes, "") || n != 3*4 {
		t.Errorf("%d Writes, want 12: %q", n, r.writes)
	}
}
