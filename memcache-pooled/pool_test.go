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

// eventually waits until ok answers true.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not so: %s", what)
		}
	}
}

// together calls do in n goroutines at once, and waits.
func together(n int, do func()) {
	var wg sync.WaitGroup
	for range n {
		wg.Go(do)
	}
	wg.Wait()
}

func poolOf(t *testing.T, c *core.Cache) core.PoolStats {
	t.Helper()
	stats, err := c.Stats(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return stats.Pool
}

// connections answers how many there are, but for the one that asks.
func connections(t *testing.T, server *memcachetest.Server) int {
	t.Helper()
	return number(t, server, "curr_connections")
}

func number(t *testing.T, server *memcachetest.Server, stat string) int {
	t.Helper()
	n, err := strconv.Atoi(server.Stat(stat))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestMinClientsAreConnectedByNew(t *testing.T) {
	servers := memcachetest.StartN(t, 2, nil)
	opened := func(server *memcachetest.Server) int { return number(t, server, "total_connections") }
	before := []int{opened(servers[0]), opened(servers[1])}
	opts := *patient
	opts.MinClients = 5
	c := openCache(t, &opts, servers.Addrs()...)
	for i, server := range servers {
		if n := opened(server) - before[i] - 1; n != 5 { // 1 is that which asks
			t.Errorf("New made %d connections to a server, want 5", n)
		}
	}
	if p := poolOf(t, c); p.Total != 5 || p.Idle != 5 || p.Acquired != 0 || p.Destroyed != 0 {
		t.Errorf("%+v", p)
	}

	servers[1].Kill()
	addrs := []memcache.Server{{Addr: servers[0].Addr()}, {Addr: servers[1].Addr()}}
	_, err := memcachepooled.New(addrs, &opts)
	wantErr(t, err, core.ErrUnavailable)
	if err != nil && !strings.Contains(err.Error(), servers[1].Addr()) {
		t.Errorf("the error is %v", err)
	}
	opts.Lazy = true
	b, err := memcachepooled.New(addrs, &opts)
	wantErr(t, err, nil)
	wantErr(t, b.Close(), nil)
}

func TestOneClientHasOneConnection(t *testing.T) {
	proxy := memcachetest.StartProxy(t, memcachetest.Start(t, nil).Addr(), nil)
	opts := *patient
	opts.MaxClients = 8
	c := openCache(t, &opts, proxy.Addr())
	together(32, func() {
		for range 50 {
			wantErr(t, c.Set(context.Background(), "k", []byte("v"), 0), nil)
		}
	})
	if n := proxy.Dialled(); n > 8 {
		t.Errorf("8 clients took %d connections", n)
	}
	if p := poolOf(t, c); p.Total > 8 || p.Idle != p.Total || p.Acquired != 0 || p.Waits < 8 || p.WaitTime <= 0 {
		t.Errorf("%+v", p)
	}
}

func TestIdleAndOldClientsAreDestroyed(t *testing.T) {
	server := memcachetest.Start(t, nil)
	for name, change := range map[string]func(o *memcachepooled.Options){
		"idle": func(o *memcachepooled.Options) { o.MaxIdleTime = 20 * time.Millisecond },
		"old":  func(o *memcachepooled.Options) { o.MaxLifetime = 20 * time.Millisecond },
	} {
		proxy := memcachetest.StartProxy(t, server.Addr(), nil)
		opts := *patient
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
		if name == "old" { // also the first two
			left = 0
		}
		eventually(t, name+" clients are destroyed", func() bool { return poolOf(t, c).Total == uint64(left) })
		// Fewer connections, where a client that stays has not been used.
		eventually(t, name+" clients are closed", func() bool { return proxy.Open() <= left })
		// More than ten, where the first two were busy with being looked at, or old already.
		if p := poolOf(t, c); p.Total != uint64(left) || p.Destroyed < uint64(10-left) {
			t.Errorf("%s: %+v", name, p)
		}
		set(t, c, "k", "v")
	}
}

func TestAnExhaustedPoolSaysSo(t *testing.T) {
	server := memcachetest.Start(t, nil)
	proxy := memcachetest.StartProxy(t, server.Addr(), nil)
	opts := *patient
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
	if !strings.Contains(err.Error(), "pool exhausted: 2 of 2 clients (MaxClients) were in use for 50ms (AcquireTimeout)") {
		t.Errorf("error is %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(5*time.Millisecond, cancel)
	_, err = c.Get(ctx, "k")
	wantErr(t, err, context.Canceled)
	server.Resume()
	verbs.Wait()
	wantErr(t, c.Set(context.Background(), "k", nil, 0), nil)
	if p := poolOf(t, c); p.Total != 2 || p.Idle != 2 || p.Destroyed != 0 {
		t.Errorf("%+v", p)
	}
}

// Close waits for verbs, but not for ever, and verbs that wait for a client end.
func TestCloseWaitsForBorrowersNoLongerThanTheTimeOut(t *testing.T) {
	server := memcachetest.Start(t, nil)
	proxy := memcachetest.StartProxy(t, server.Addr(), nil)
	before := runtime.NumGoroutine()
	for _, resumes := range []bool{true, false} {
		opts := *patient
		if !resumes {
			opts.Timeout = 500 * time.Millisecond
		}
		opts.MaxClients, opts.AcquireTimeout = 2, time.Hour
		c := openCache(t, &opts, proxy.Addr())
		set(t, c, "k", "v")
		server.Pause()
		open := proxy.Open()
		results := make(chan error, 4)
		for range cap(results) {
			go func() { results <- c.Set(context.Background(), "k", nil, 0) }()
		}
		eventually(t, "two verbs have clients", func() bool { return proxy.Open() == open+1 })
		closed := make(chan error)
		go func() { closed <- c.Close() }()
		for range 2 { // those that wait
			wantErr(t, <-results, core.ErrClosed)
		}
		if resumes {
			server.Resume()
		}
		wantErr(t, <-closed, nil)
		for range 2 {
			if err := <-results; resumes == (err != nil) {
				t.Errorf("the server goes on: %t, and the error is %v", resumes, err)
			}
		}
		server.Resume()
		eventually(t, "all connections are closed", func() bool { return proxy.Open() == 0 })
	}
	eventually(t, "all goroutines have ended", func() bool { return runtime.NumGoroutine() <= before })
}

// Ten thousand borrowers share four clients while the server is restarted twice.
func TestTenThousandBorrowersOfFourClients(t *testing.T) {
	const borrowers = 10_000
	recovers := time.Second
	if raceEnabled { // which makes ten thousand goroutines slow
		recovers = 10 * time.Second
	}
	server := memcachetest.Start(t, nil)
	before := connections(t, server)
	goroutines := runtime.NumGoroutine()
	opts := *patient
	opts.MaxClients, opts.AcquireTimeout = 4, time.Hour
	c := openCache(t, &opts, server.Addr())
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var good, bad atomic.Int64
	var all sync.WaitGroup
	for w := range borrowers {
		all.Go(func() {
			key := fmt.Sprint("borrower-", w)
			for i := 0; ctx.Err() == nil; i++ {
				if err := c.Set(context.Background(), key, fmt.Append(nil, key, "=", i), 0); err != nil {
					wantErr(t, err, core.ErrUnavailable)
					bad.Add(1)
					continue
				}
				got, err := c.Get(context.Background(), key)
				switch {
				case err == nil && string(got) != fmt.Sprint(key, "=", i):
					t.Errorf("%s is %q, want that of %d", key, got, i)
				case err == nil:
					good.Add(1)
				case err != core.ErrMiss: // which is right after a restart
					wantErr(t, err, core.ErrUnavailable)
					bad.Add(1)
				}
			}
		})
	}
	enough := int64(1000)
	if longEnabled {
		enough = 2 * borrowers
	}
	succeed := func() {
		t.Helper()
		from := good.Load()
		eventually(t, "verbs succeed", func() bool { return good.Load() > from+enough })
	}
	// The machine may have other things to do. Then the server is restarted more often, until it
	// is seen once how soon verbs succeed.
	recovered := time.Hour
	for restarts := 0; restarts < 2 || restarts < 10 && recovered > recovers; restarts++ {
		succeed()
		server.Restart()
		from := good.Load()
		start := time.Now()
		eventually(t, "verbs succeed again", func() bool { return good.Load() > from })
		recovered = min(recovered, time.Since(start))
	}
	if recovered > recovers {
		t.Errorf("it took %v to recover", recovered)
	}
	succeed()
	cancel()
	all.Wait()
	if p := poolOf(t, c); p.Total > 4 || p.Acquired != 0 || p.Destroyed < 1 {
		t.Errorf("%+v after %d good and %d bad verbs", p, good.Load(), bad.Load())
	}
	wantErr(t, c.Close(), nil)
	eventually(t, "all connections are closed", func() bool { return connections(t, server) <= before })
	eventually(t, "all goroutines have ended", func() bool { return runtime.NumGoroutine() <= goroutines })
}

// To make a client takes no part of the time that a verb waits for one.
func TestThereIsRoomForAVerbThatDoesNotWait(t *testing.T) {
	server := memcachetest.Start(t, nil)
	opts := *patient
	opts.AcquireTimeout = 1
	for range 200 {
		c := openCache(t, &opts, server.Addr())
		together(20, func() { wantErr(t, c.Set(context.Background(), "k", nil, 0), nil) })
		wantErr(t, c.Close(), nil)
	}
}
