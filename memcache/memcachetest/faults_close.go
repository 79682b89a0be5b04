package memcachetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cachewire/cachewire/core"
)

// All idle connections are dead after a restart, but no verb fails because of that.
func verbsSucceedAfterRestart(d *driverTest) {
	server := Start(d, nil)
	c := d.open(longTimeoutOptions, server.Addr())
	for _, verb := range verbs {
		d.wantErr("Flush", c.Flush(context.Background()), nil)
		concurrently(16, func(int) {
			d.wantErr("Set", c.Set(context.Background(), "k", []byte("1"), 0), nil)
		})
		d.pauseBeforeCheck()
		server.Restart()
		concurrently(16, func(int) {
			err := verb.call(context.Background(), c)
			if err != nil && !errors.Is(err, core.ErrMiss) && !errors.Is(err, core.ErrExists) &&
				!errors.Is(err, core.ErrNotNumber) {
				d.Errorf("%s after a restart: error is %v", verb.name, err)
			}
		})
	}
}

// The verbs wait for a server that does not respond, or for a connection.
func closeEndsRunningVerbs(d *driverTest) {
	server := Start(d, nil)
	proxy := StartProxy(d, server.Addr(), nil)
	c := d.open(longTimeoutOptions, proxy.Addr())
	d.wantErr("Set", c.Set(d.Context(), "k", nil, 0), nil)
	server.Pause()
	defer server.Resume()
	const most = 64 // connections, by default
	waiting := make(chan error, most+10)
	for range cap(waiting) {
		go func() { waiting <- c.Set(context.Background(), "k", nil, 0) }()
	}
	d.eventually("the verbs have connections", func() bool { return proxy.Open() == most })
	go func() { _, err := c.Stats(context.Background()); waiting <- err }()
	d.eventually("Stats has a connection", func() bool { return proxy.Open() == most+1 })
	start := time.Now()
	d.wantErr("Close", c.Close(), nil)
	for range cap(waiting) + 1 {
		err := <-waiting
		if !errors.Is(err, core.ErrUnavailable) && !errors.Is(err, core.ErrClosed) {
			d.Errorf("error is %v, want %v or %v", err, core.ErrUnavailable, core.ErrClosed)
		}
	}
	if took := time.Since(start); took > longTimeoutOptions.Timeout/2 {
		d.Errorf("the verbs ended after %v, want less than their time-out", took)
	}
	d.wantErr("Set after Close", c.Set(d.Context(), "k", nil, 0), core.ErrClosed)
}

func verbsWorkOverTLS(d *driverTest) {
	server := Start(d, nil)
	addr, config := StartTLS(d, server.Addr())
	opts := longTimeoutOptions
	opts.TLS = config // without a ServerName, so that it is the host of the server, 127.0.0.1
	c := d.open(opts, addr)
	for range 3 {
		keys, values := numberedKeys(100)
		d.wantErr("SetMulti", c.SetMulti(d.Context(), values, 0), nil)
		got, err := c.GetMulti(d.Context(), keys)
		if len(got) != len(keys) || err != nil {
			d.Errorf("GetMulti returned %d items, %v", len(got), err)
		}
		server.Restart() // idle connections are checked beneath TLS
		d.pauseBeforeCheck()
		d.wantErr("Set after a restart", c.Set(d.Context(), "k", []byte("v"), 0), nil)
		if got, want := server.Do("get k"), "VALUE k 0 1\r\nv\r\nEND\r\n"; got != want {
			d.Errorf("get: %q, want %q", got, want)
		}
	}
	if _, err := c.Stats(d.Context()); err != nil {
		d.Errorf("Stats: %v", err)
	}
	opts = shortTimeoutOptions
	_, opts.TLS = StartTLS(d, server.Addr())
	opts.TLS.RootCAs = nil
	untrusting := d.open(opts, addr)
	d.wantErr("Set of a client that does not trust the server",
		untrusting.Set(d.Context(), "k", nil, 0), core.ErrUnavailable)
	plain := d.open(shortTimeoutOptions, addr)
	d.wantErr("Set without TLS", plain.Set(d.Context(), "k", nil, 0), core.ErrUnavailable)
}

// A verb that is connecting ends when its context is done, and when the Cache is closed. The
// server reads, but sends nothing: no handshake, and no reply to a login.
func contextAndCloseEndADial(d *driverTest) {
	for _, kind := range []string{"TLS", "login"} {
		var connected sync.WaitGroup
		server := StartHostile(d, func(c *Conn) {
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
		opts := longTimeoutOptions
		if kind == "TLS" {
			_, opts.TLS = StartTLS(d, "")
		} else {
			opts.Username, opts.Password = "user", "password"
		}
		backend, err := d.backend(serversAt([]string{server.Addr()}), opts)
		if errors.Is(err, errors.ErrUnsupported) {
			continue
		}
		d.wantErr("New", err, nil)
		c, err := core.New(backend, nil)
		d.wantErr("New", err, nil)
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
		begin := time.Now()
		start(ctx)
		cancel()
		for range verbs {
			d.wantErr(fmt.Sprint("a verb during ", kind), <-errs, context.Canceled)
		}
		start(context.Background())
		d.wantErr("Close", c.Close(), nil)
		for range verbs {
			err := <-errs
			if !errors.Is(err, core.ErrUnavailable) && !errors.Is(err, core.ErrClosed) {
				d.Errorf("error is %v, want %v", err, core.ErrUnavailable)
			}
		}
		if took := time.Since(begin); took > longTimeoutOptions.Timeout/2 {
			d.Errorf("the verbs took %v, want less than their time-out", took)
		}
	}
}
