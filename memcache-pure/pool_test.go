package memcachepure_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
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

func TestConnectionsAreKept(t *testing.T) {
	proxy := memcachetest.StartProxy(t, memcachetest.Start(t, nil).Addr(), nil)
	c := openCache(t, longTimeoutOptions, proxy.Addr())
	concurrently(32, func() {
		for range 50 {
			if err := c.Set(context.Background(), "k", []byte("v"), 0); err != nil {
				t.Error(err)
			}
		}
	})
	if n := proxy.Dialled(); n > 32 {
		t.Errorf("32 goroutines opened %d connections, want at most 32", n)
	}
}

func TestConnectionsAboveMaxIdleAreClosed(t *testing.T) {
	server := memcachetest.Start(t, nil)
	proxy := memcachetest.StartProxy(t, server.Addr(), nil)
	opts := *longTimeoutOptions
	opts.MaxIdle, opts.MaxOpen = 2, 16
	c := openCache(t, &opts, proxy.Addr())
	server.Pause()
	var verbs sync.WaitGroup
	for range 16 {
		verbs.Go(func() { wantErr(t, c.Set(context.Background(), "k", nil, 0), nil) })
	}
	eventually(t, "each of 16 verbs has a connection", func() bool { return proxy.Open() == 16 })
	server.Resume()
	verbs.Wait()
	eventually(t, "2 connections are open", func() bool { return proxy.Open() == 2 })
	set(t, c, "k", "v")
	if n := proxy.Dialled(); n != 16 {
		t.Errorf("%d connections were opened, want 16", n)
	}
}

// MaxOpen limits the connections of all kinds of verbs together.
func TestConnectionsAreLimitedByMaxOpen(t *testing.T) {
	server := memcachetest.Start(t, nil)
	proxy := memcachetest.StartProxy(t, server.Addr(), nil)
	opts := *longTimeoutOptions
	opts.MaxOpen = 2
	c := openCache(t, &opts, proxy.Addr())
	server.Pause()
	var verbs sync.WaitGroup
	for range 10 {
		for _, verb := range []func(context.Context) error{
			c.Ping,
			c.Flush,
			func(ctx context.Context) error {
				_, err := c.GetMulti(ctx, []string{"k"})
				return err
			},
		} {
			verbs.Go(func() {
				for range 3 {
					wantErr(t, verb(context.Background()), nil)
				}
			})
		}
	}
	eventually(t, "2 connections are open", func() bool { return proxy.Open() == 2 })
	server.Resume()
	verbs.Wait()
	if n := proxy.Dialled(); n != 2 {
		t.Errorf("%d connections were opened, want 2", n)
	}
}

// If MaxOpen connections are in use, a verb waits until one is free, its context is done, or
// the time-out has passed.
func TestVerbWaitsForAConnection(t *testing.T) {
	t.Parallel()
	server := memcachetest.Start(t, nil)
	proxy := memcachetest.StartProxy(t, server.Addr(), nil)
	opts := *longTimeoutOptions
	opts.MaxOpen = 1
	c := openCache(t, &opts, proxy.Addr())
	set(t, c, "k", "v")
	server.Pause()
	errs := make(chan error, 3)
	for range cap(errs) {
		go func() { _, err := c.Get(context.Background(), "k"); errs <- err }()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err := c.Get(ctx, "k")
	wantErr(t, err, context.DeadlineExceeded)
	server.Resume()
	for range cap(errs) {
		wantErr(t, <-errs, nil)
	}
	if n := proxy.Dialled(); n > 2 { // two if the Get with a deadline used the connection
		t.Errorf("%d connections were opened, want 1 or 2 with a MaxOpen of 1", n)
	}

	opts = *shortTimeoutOptions
	opts.MaxOpen, opts.Timeout = 1, 2*time.Second // long enough for all three to begin
	c = openCache(t, &opts, proxy.Addr())
	server.Pause()
	defer server.Resume()
	for range cap(errs) {
		go func() { _, err := c.Get(context.Background(), "k"); errs <- err }()
	}
	waitErrs := 0
	for range cap(errs) {
		err := <-errs
		wantErr(t, err, core.ErrUnavailable)
		if strings.Contains(err.Error(), "all 1 connections were in use for 2s") {
			waitErrs++
		}
	}
	if waitErrs == 0 {
		t.Error("no error mentions the connections")
	}
}
