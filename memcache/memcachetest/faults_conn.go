package memcachetest

import (
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
)

// openConnections makes c, whose server is behind proxy, open n connections. It returns when
// they are idle.
func (d *driverTest) openConnections(c *core.Cache, server *Server, proxy *Proxy, n int) {
	d.Helper()
	server.Pause()
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			d.wantErr("Set", c.Set(context.Background(), fmt.Sprint("k", i), []byte("v"), 0), nil)
		})
	}
	condition := fmt.Sprintf("%d connections are open", n)
	d.eventually(condition, func() bool { return proxy.Open() == n })
	server.Resume()
	wg.Wait()
}

// checkVerbs calls verbs one after another, with and without a context that can be done. None
// of them may fail.
func (d *driverTest) checkVerbs(c *core.Cache, when string, rounds int) {
	d.Helper()
	cancellable, cancel := context.WithCancel(context.Background())
	defer cancel()
	verbs := []struct {
		name string
		call func(ctx context.Context) error
	}{
		{"Get", func(ctx context.Context) error { _, err := c.Get(ctx, "k0"); return err }},
		{"Set", func(ctx context.Context) error { return c.Set(ctx, "k1", []byte("v"), 0) }},
		{"IncrFrom", func(ctx context.Context) error {
			_, err := c.IncrFrom(ctx, "n", 1, 0, 0)
			return err
		}},
		{"GetMulti", func(ctx context.Context) error {
			values, err := c.GetMulti(ctx, []string{"k0", "k1"})
			if err == nil && len(values) != 2 {
				err = fmt.Errorf("%d values, want 2", len(values))
			}
			return err
		}},
	}
	for _, verb := range verbs {
		var failed int
		var last error
		for _, ctx := range []context.Context{context.Background(), cancellable} {
			for range rounds {
				if err := verb.call(ctx); err != nil {
					failed, last = failed+1, err
				}
			}
		}
		if failed > 0 {
			d.Errorf("%s: %d of %d calls of %s failed: %v", when, failed, 2*rounds, verb.name, last)
		}
	}
}

// pauseBeforeCheck waits until drivers look at a connection again before they use it: they
// need not do so if its last verb began less than two milliseconds ago.
func (d *driverTest) pauseBeforeCheck() {
	until := time.Now().Add(10 * time.Millisecond)
	d.eventually("the connections were idle for a moment", func() bool {
		return time.Now().After(until)
	})
}

// Some of twenty connections are closed, and new ones are refused. No verb fails as long as
// one connection is left.
func liveConnectionsAreUsed(d *driverTest) {
	const n = 20
	server := Start(d, nil)
	for closed := 1; closed < n; closed += 6 {
		proxy := StartProxy(d, server.Addr(), nil)
		c := d.open(longTimeoutOptions, proxy.Addr())
		d.openConnections(c, server, proxy, n)
		proxy.Set(&ProxyOptions{Refuse: true})
		proxy.CutSome(closed)
		d.pauseBeforeCheck()
		when := fmt.Sprintf("with %d of %d connections", n-closed, n)
		d.checkVerbs(c, when, 25)
		// More verbs than connections: they wait for each other.
		concurrently(64, func(int) { d.checkVerbs(c, when+" and 64 goroutines", 1) })
		if open := proxy.Open(); open != n-closed {
			d.Errorf("%d connections are open, want %d", open, n-closed)
		}
	}
}

// The server accepts no more connections: it closes them, after a line that says so.
func fullServerIsUsed(d *driverTest) {
	const limit = 40
	server := Start(d, &Options{Args: []string{"-c", strconv.Itoa(limit)}})
	proxy := StartProxy(d, server.Addr(), nil)
	c := d.open(longTimeoutOptions, proxy.Addr())
	d.openConnections(c, server, proxy, 10)
	d.eventually("the server has no room", func() bool {
		conn, err := net.Dial("tcp", server.Addr())
		if err != nil {
			d.Fatal(err)
		}
		d.Cleanup(func() { conn.Close() })
		reply := make([]byte, len("ERROR Too many"))
		conn.Write([]byte("version\r\n"))
		io.ReadFull(conn, reply)
		return string(reply) == "ERROR Too many"
	})
	d.pauseBeforeCheck()
	d.checkVerbs(c, "on a full server", 25)
	large := make([]byte, 1<<19) // the system does not accept it at once
	concurrently(64, func(int) {
		d.checkVerbs(c, "on a full server, with 64 goroutines", 1)
		d.wantErr("Set of a large value", c.Set(d.Context(), "large", large, 0), nil)
	})
}

// A firewall has forgotten twenty connections. One verb times out, and the others succeed.
func silentConnectionsAreTried(d *driverTest) {
	server := Start(d, nil)
	proxy := StartProxy(d, server.Addr(), nil)
	opts := memcache.Options{Timeout: time.Second} // enough to open them on a busy machine
	c := d.open(opts, proxy.Addr())
	d.openConnections(c, server, proxy, 20)
	proxy.Forget()
	d.pauseBeforeCheck()
	_, err := c.Get(d.Context(), "k0")
	d.wantErr("the first Get", err, core.ErrUnavailable)
	concurrently(10, func(int) { d.checkVerbs(c, "after the first time-out", 3) })
	d.eventually("the silent connections are closed", func() bool { return proxy.Open() <= 10 })

	// The deadline of a context also shows that a connection is silent.
	d.openConnections(c, server, proxy, 20)
	proxy.Forget()
	d.pauseBeforeCheck()
	ctx, cancel := context.WithTimeout(d.Context(), opts.Timeout/2)
	defer cancel()
	_, err = c.Get(ctx, "k0")
	d.wantErr("Get with a deadline", err, context.DeadlineExceeded)
	concurrently(10, func(int) { d.checkVerbs(c, "after the deadline", 3) })
}
