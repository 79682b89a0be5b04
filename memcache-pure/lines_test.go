package memcachepure_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
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

func TestConnectionsAreKept(t *testing.T) {
	proxy := memcachetest.StartProxy(t, memcachetest.Start(t, nil).Addr(), nil)
	c := openCache(t, patient, proxy.Addr())
	together(32, func() {
		for range 50 {
			if err := c.Set(context.Background(), "k", []byte("v"), 0); err != nil {
				t.Error(err)
			}
		}
	})
	if n := proxy.Dialled(); n > 32 {
		t.Errorf("32 goroutines took %d connections", n)
	}
}

// More connections than MaxIdle are there only while verbs use them.
func TestConnectionsAboveMaxIdleAreClosed(t *testing.T) {
	server := memcachetest.Start(t, nil)
	proxy := memcachetest.StartProxy(t, server.Addr(), nil)
	opts := *patient
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
	eventually(t, "2 connections are left", func() bool { return proxy.Open() == 2 })
	set(t, c, "k", "v")
	if n := proxy.Dialled(); n != 16 {
		t.Errorf("%d connections were made, want 16", n)
	}
}

// MaxOpen holds for verbs of every kind.
func TestThereAreNoMoreConnectionsThanMaxOpen(t *testing.T) {
	server := memcachetest.Start(t, nil)
	proxy := memcachetest.StartProxy(t, server.Addr(), nil)
	opts := *patient
	opts.MaxOpen = 2
	c := openCache(t, &opts, proxy.Addr())
	server.Pause()
	var verbs sync.WaitGroup
	for range 10 {
		for _, verb := range []func(context.Context) error{
			c.Ping, c.Flush, func(ctx context.Context) error { _, err := c.GetMulti(ctx, []string{"k"}); return err },
		} {
			verbs.Go(func() {
				for range 3 {
					wantErr(t, verb(context.Background()), nil)
				}
			})
		}
	}
	eventually(t, "there are 2 connections", func() bool { return proxy.Open() == 2 })
	server.Resume()
	verbs.Wait()
	if n := proxy.Dialled(); n != 2 {
		t.Errorf("%d connections were made, want 2", n)
	}
}

// A verb waits for one of MaxOpen connections until one is free, its context is
// done, or the time-out is over.
func TestAVerbWaitsForAConnection(t *testing.T) {
	t.Parallel()
	server := memcachetest.Start(t, nil)
	proxy := memcachetest.StartProxy(t, server.Addr(), nil)
	opts := *patient
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
	if n := proxy.Dialled(); n > 2 { // one more if it was the Get with a deadline that had it
		t.Errorf("%d connections were made with a MaxOpen of 1", n)
	}

	opts = *impatient
	opts.MaxOpen, opts.Timeout = 1, 2*time.Second // within which all three begin
	c = openCache(t, &opts, proxy.Addr())
	server.Pause()
	defer server.Resume()
	for range cap(errs) {
		go func() { _, err := c.Get(context.Background(), "k"); errs <- err }()
	}
	waited := 0
	for range cap(errs) {
		err := <-errs
		wantErr(t, err, core.ErrUnavailable)
		if strings.Contains(err.Error(), "all 1 connections (MaxOpen) were in use for 2s") {
			waited++
		}
	}
	if waited == 0 {
		t.Error("no error tells of MaxOpen")
	}
}

// A verb whose context is done in the midst of connecting ends, and so do all
// that are in flight when the Cache is closed.
func TestContextAndCloseEndAHandshake(t *testing.T) {
	var connected sync.WaitGroup
	server := memcachetest.StartHostile(t, func(c *memcachetest.Conn) { // takes the first bytes, and says nothing
		var b [1]byte
		if _, err := c.Read(b[:]); err == nil {
			connected.Done()
		}
		for {
			if _, err := c.Read(b[:]); err != nil {
				return
			}
		}
	})
	opts := *patient
	_, opts.TLS = terminate(t, "")
	c := openCache(t, &opts, server.Addr())
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	errs := make(chan error)
	verbs := []func(ctx context.Context) error{
		func(ctx context.Context) error { _, err := c.Get(ctx, "k"); return err },
		func(ctx context.Context) error { return c.Set(ctx, "k", nil, 0) },
		func(ctx context.Context) error { _, err := c.Stats(ctx); return err },
	}
	start := func(ctx context.Context) {
		connected.Add(len(verbs))
		for _, verb := range verbs {
			go func() { errs <- verb(ctx) }()
		}
		connected.Wait()
	}
	began := time.Now()
	start(ctx)
	cancel()
	for range verbs {
		wantErr(t, <-errs, context.Canceled)
	}
	start(context.Background())
	wantErr(t, c.Close(), nil)
	for range verbs {
		if err := <-errs; !errors.Is(err, core.ErrUnavailable) && !errors.Is(err, core.ErrClosed) {
			t.Errorf("error is %v, want %v", err, core.ErrUnavailable)
		}
	}
	if took := time.Since(began); took > patient.Timeout/2 {
		t.Errorf("it took %v", took)
	}
}

// Close ends verbs that wait for a server which does not answer.
func TestCloseEndsWhatIsInFlight(t *testing.T) {
	server := memcachetest.Start(t, nil)
	proxy := memcachetest.StartProxy(t, server.Addr(), nil)
	c := openCache(t, patient, proxy.Addr())
	set(t, c, "k", "v")
	server.Pause()
	defer server.Resume()
	waiting := make(chan error, 10)
	go func() { _, err := c.Stats(context.Background()); waiting <- err }()
	for range cap(waiting) - 1 {
		go func() { waiting <- c.Set(context.Background(), "k", nil, 0) }()
	}
	eventually(t, "the verbs have connections", func() bool { return proxy.Open() == 10 })
	start := time.Now()
	wantErr(t, c.Close(), nil)
	for range cap(waiting) {
		wantErr(t, <-waiting, core.ErrUnavailable)
	}
	if took := time.Since(start); took > patient.Timeout/2 {
		t.Errorf("Close took %v", took)
	}
	wantErr(t, c.Set(context.Background(), "k", nil, 0), core.ErrClosed)
}
