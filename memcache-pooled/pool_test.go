package memcachepooled_test

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
	memcachepooled "github.com/cachewire/cachewire/memcache-pooled"
	"github.com/cachewire/cachewire/memcache/memcachetest"
)

// eventually waits until ok returns true. The error describes that as condition.
func eventually(t *testing.T, condition string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after 30s it is still not true that %s", condition)
		}
	}
}

// concurrently calls do in n goroutines, and waits for them.
func concurrently(n int, do func()) {
	var wg sync.WaitGroup
	for range n {
		wg.Go(do)
	}
	wg.Wait()
}

func poolStats(t *testing.T, c *core.Cache) core.PoolStats {
	t.Helper()
	stats, err := c.Stats(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return stats.Pool
}

// connections returns the number of connections of server, including the one over which it is
// read.
func connections(t *testing.T, server *memcachetest.Server) int {
	t.Helper()
	return intStat(t, server, "curr_connections")
}

func intStat(t *testing.T, server *memcachetest.Server, stat string) int {
	t.Helper()
	n, err := strconv.Atoi(server.Stat(stat))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestMinClientsAreConnectedByNew(t *testing.T) {
	servers := memcachetest.StartN(t, 2, nil)
	opened := func(server *memcachetest.Server) int {
		return intStat(t, server, "total_connections")
	}
	before := []int{opened(servers[0]), opened(servers[1])}
	opts := *longTimeoutOptions
	opts.MinClients = 5
	c := openCache(t, &opts, servers.Addrs()...)
	for i, server := range servers {
		if n := opened(server) - before[i] - 1; n != 5 { // 1 is the connection of opened itself
			t.Errorf("New opened %d connections to a server, want 5", n)
		}
	}
	if p := poolStats(t, c); p.Total != 10 || p.Idle != 10 || p.Acquired != 0 || p.Destroyed != 0 {
		t.Errorf("pool after New: %+v", p)
	}

	servers[1].Kill()
	addrs := []memcache.Server{{Addr: servers[0].Addr()}, {Addr: servers[1].Addr()}}
	_, err := memcachepooled.New(addrs, &opts)
	wantErr(t, err, core.ErrUnavailable)
	if err != nil && !strings.Contains(err.Error(), servers[1].Addr()) {
		t.Errorf("error is %v, want the address of the dead server in it", err)
	}
	opts.Lazy = true
	b, err := memcachepooled.New(addrs, &opts)
	wantErr(t, err, nil)
	wantErr(t, b.Close(), nil)
}

func TestOneClientHasOneConnection(t *testing.T) {
	proxy := memcachetest.StartProxy(t, memcachetest.Start(t, nil).Addr(), nil)
	opts := *longTimeoutOptions
	opts.MaxClients = 8
	c := openCache(t, &opts, proxy.Addr())
	concurrently(32, func() {
		for range 50 {
			wantErr(t, c.Set(context.Background(), "k", []byte("v"), 0), nil)
		}
	})
	if n := proxy.Dialled(); n > 8 {
		t.Errorf("8 clients opened %d connections, want at most 8", n)
	}
	if p := poolStats(t, c); p.Total > 8 || p.Idle != p.Total || p.Acquired != 0 ||
		p.Waits < 8 || p.WaitTime <= 0 {
		t.Errorf("pool: %+v", p)
	}
}

func TestIdleAndOldClientsAreDestroyed(t *testing.T) {
	server := memcachetest.Start(t, nil)
	for name, change := range map[string]func(o *memcachepooled.Options){
		"idle": func(o *memcachepooled.Options) { o.MaxIdleTime = 20 * time.Millisecond },
		"old":  func(o *memcachepooled.Options) { o.MaxLifetime = 20 * time.Millisecond },
	} {
		proxy := memcachetest.StartProxy(t, server.Addr(), nil)
		opts := *longTimeoutOptions
		opts.MinClients = 2
		change(&opts)
		c := openCache(t, &opts, proxy.Addr())
		server.Pause()
		var verbs sync.WaitGroup
		for range 10 {
			verbs.Go(func() { wantErr(t, c.Set(context.Background(), "k", nil, 0), nil) })
		}
		eventually(t, "each of 10 verbs has a client", func() bool { return proxy.Open() >= 10 })
		server.Resume()
		verbs.Wait()
		left := 2
		if name == "old" { // MinClients does not keep old clients
			left = 0
		}
		eventually(t, name+" clients are destroyed", func() bool {
			return poolStats(t, c).Total == uint64(left)
		})
		// Fewer connections are open if a client that is left has not been used.
		eventually(t, name+" clients are closed", func() bool { return proxy.Open() <= left })
		// More than ten clients were made if the first two were held by the reaper, or
		// already old.
		if p := poolStats(t, c); p.Total != uint64(left) || p.Destroyed < uint64(10-left) {
			t.Errorf("%s: pool is %+v, want %d clients and %d or more destroyed",
				name, p, left, 10-left)
		}
		set(t, c, "k", "v")
	}
}

func TestErrorOfAnExhaustedPoolSaysSo(t *testing.T) {
	server := memcachetest.Start(t, nil)
	proxy := memcachetest.StartProxy(t, server.Addr(), nil)
	opts := *longTimeoutOptions
	opts.MaxClients, opts.AcquireTimeout = 2, 50*time.Millisecond
	c := openCache(t, &opts, proxy.Addr())
	set(t, c, "k", "v")
	server.Pause()
	var verbs sync.WaitGroup
	for range 2 {
		verbs.Go(func() { wantErr(t, c.Set(context.Background(), "k", nil, 0), nil) })
	}
	eventually(t, "both clients are in use", func() bool { return proxy.Open() == 2 })
	_, err := c.Get(context.Background(), "k")
	wantErr(t, err, core.ErrUnavailable)
	const want = "all 2 connections were in use for 50ms"
	if !strings.Contains(err.Error(), want) {
		t.Errorf("error is %v, want one with %q", err, want)
	}
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(5*time.Millisecond, cancel)
	_, err = c.Get(ctx, "k")
	wantErr(t, err, context.Canceled)
	server.Resume()
	verbs.Wait()
	wantErr(t, c.Set(context.Background(), "k", nil, 0), nil)
	if p := poolStats(t, c); p.Total != 2 || p.Idle != 2 || p.Destroyed != 0 {
		t.Errorf("pool is %+v, want 2 idle clients and none destroyed", p)
	}
}

// The server is restarted at least twice while the goroutines call verbs.
func TestTenThousandGoroutinesShareFourClients(t *testing.T) {
	const goroutines = 10_000
	limit := time.Second // for verbs to succeed again after a restart
	if raceEnabled {     // the race detector makes ten thousand goroutines slow
		limit = 10 * time.Second
	}
	server := memcachetest.Start(t, nil)
	before := connections(t, server)
	goroutinesBefore := runtime.NumGoroutine()
	opts := *longTimeoutOptions
	opts.MaxClients, opts.AcquireTimeout = 4, time.Hour
	c := openCache(t, &opts, server.Addr())
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var successes, failures atomic.Int64
	var wg sync.WaitGroup
	for w := range goroutines {
		wg.Go(func() {
			key := fmt.Sprint("worker-", w)
			for i := 0; ctx.Err() == nil; i++ {
				value := fmt.Append(nil, key, "=", i)
				if err := c.Set(context.Background(), key, value, 0); err != nil {
					wantErr(t, err, core.ErrUnavailable)
					failures.Add(1)
					continue
				}
				got, err := c.Get(context.Background(), key)
				switch {
				case err == nil && string(got) != fmt.Sprint(key, "=", i):
					t.Errorf("%s is %q, want %q", key, got, value)
				case err == nil:
					successes.Add(1)
				case err != core.ErrMiss: // a miss is right after a restart
					wantErr(t, err, core.ErrUnavailable)
					failures.Add(1)
				}
			}
		})
	}
	enough := int64(1000)
	if longEnabled {
		enough = 2 * goroutines
	}
	waitForSuccesses := func() {
		t.Helper()
		from := successes.Load()
		eventually(t, "verbs succeed", func() bool { return successes.Load() > from+enough })
	}
	// The machine may be busy. Then the server is restarted more often, until verbs have once
	// succeeded within the limit.
	shortest := time.Hour
	for restarts := 0; restarts < 2 || restarts < 10 && shortest > limit; restarts++ {
		waitForSuccesses()
		server.Restart()
		from := successes.Load()
		start := time.Now()
		eventually(t, "verbs succeed again", func() bool { return successes.Load() > from })
		shortest = min(shortest, time.Since(start))
	}
	if shortest > limit {
		t.Errorf("verbs succeeded %v after a restart, want %v or sooner", shortest, limit)
	}
	waitForSuccesses()
	cancel()
	wg.Wait()
	if p := poolStats(t, c); p.Total > 4 || p.Acquired != 0 || p.Destroyed < 1 {
		t.Errorf("pool is %+v after %d verbs that succeeded and %d that failed",
			p, successes.Load(), failures.Load())
	}
	wantErr(t, c.Close(), nil)
	eventually(t, "all connections are closed", func() bool {
		return connections(t, server) <= before
	})
	eventually(t, "all goroutines have ended", func() bool {
		return runtime.NumGoroutine() <= goroutinesBefore
	})
}

// With an AcquireTimeout of 1 ns, a verb fails if it has to wait for a client, but not if
// one is made for it.
func TestMakingAClientIsNotPartOfAcquireTimeout(t *testing.T) {
	server := memcachetest.Start(t, nil)
	opts := *longTimeoutOptions
	opts.AcquireTimeout = 1
	for range 200 {
		c := openCache(t, &opts, server.Addr())
		concurrently(20, func() { wantErr(t, c.Set(context.Background(), "k", nil, 0), nil) })
		wantErr(t, c.Close(), nil)
	}
}
