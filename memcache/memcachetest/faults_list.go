package memcachetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
)

// openList is open for a test that needs the Backend as well.
func (d *driverTest) openList(opts memcache.Options, addrs ...string) (*core.Cache, listBackend) {
	d.Helper()
	backend, err := d.backend(serversAt(addrs), opts)
	if err != nil {
		d.Fatal(err)
	}
	cache, err := core.New(backend, nil)
	if err != nil {
		d.Fatal(err)
	}
	d.Cleanup(func() { cache.Close() })
	var list listBackend
	if !cache.As(&list) {
		d.Fatalf("%T has no methods Servers and SetServers", backend)
	}
	return cache, list
}

// watchKeys stores a thousand keys. It returns a function that checks which of them have
// moved. These must be the keys that ketama moves from the servers then to the servers now:
// about 1/n of them if there were fewer than n servers, and none if there were n.
func (d *driverTest) watchKeys(c *core.Cache, b listBackend) (moved func(before, n int)) {
	d.Helper()
	keys, values := numberedKeys(1000)
	d.wantErr("SetMulti", c.SetMulti(d.Context(), values, 0), nil)
	homes := func() []string {
		servers := b.Servers()
		selector, err := memcache.NewSelector(memcache.Ketama, servers)
		if err != nil {
			d.Fatal(err)
		}
		homes := make([]string, len(keys))
		for i, key := range keys {
			homes[i] = servers[selector.Pick(key, nil)].Addr
		}
		return homes
	}
	old := homes()
	return func(before, n int) {
		d.Helper()
		now := homes()
		got, err := c.GetMulti(d.Context(), keys)
		d.wantErr("GetMulti", err, nil)
		lost := 0
		for i, key := range keys {
			value, present := got[key]
			if present != (old[i] == now[i]) || present && string(value) != string(values[key]) {
				d.Errorf("%s: on %s, then on %s; present is %t, with the value %q",
					key, old[i], now[i], present, value)
			}
			if !present {
				lost++
			}
		}
		if share := len(keys) / n; before == n && lost > 0 ||
			before < n && (lost < share/2 || lost > 2*share) {
			d.Errorf("%d of %d keys moved from %d to %d servers", lost, len(keys), before, n)
		}
	}
}

// SetServers moves the keys that must move, and no verb that is running fails.
func listsCanBeReplaced(d *driverTest) {
	servers := StartN(d, 4, nil)
	addrs := servers.Addrs()
	c, b := d.openList(longTimeoutOptions, addrs[:3]...)
	ctx, stop := context.WithCancel(d.Context())
	defer stop()
	var wg sync.WaitGroup
	for w := range 8 {
		key := fmt.Sprint("worker-", w)
		wg.Go(func() {
			for ctx.Err() == nil {
				d.wantErr("Set", c.Set(context.Background(), key, []byte(key), 0), nil)
				if _, err := c.Get(context.Background(), key); err != nil && err != core.ErrMiss {
					d.Errorf("Get: %v", err)
				}
				_, err := c.GetMulti(context.Background(), []string{key, "x", "y", "z"})
				d.wantErr("GetMulti", err, nil)
			}
		})
	}
	// A token stays valid if the server stays.
	selector, err := memcache.NewSelector(memcache.Ketama, serversAt(addrs))
	if err != nil {
		d.Fatal(err)
	}
	staying := ""
	for i := 0; staying == ""; i++ {
		if key := fmt.Sprint("staying-", i); selector.Pick(key, nil) == 0 {
			staying = key
		}
	}
	d.wantErr("Set", c.Set(d.Context(), staying, []byte("v"), 0), nil)
	item, err := c.GetItem(d.Context(), staying)
	d.wantErr("GetItem", err, nil)

	moved := d.watchKeys(c, b)
	reordered := []string{addrs[3], addrs[1], addrs[0], addrs[2]}
	d.wantErr("SetServers", b.SetServers(serversAt(reordered)), nil)
	moved(3, 4)
	d.wantErr("CompareAndSwap", c.CompareAndSwap(d.Context(), item), nil)

	moved = d.watchKeys(c, b)
	for _, invalid := range [][]memcache.Server{
		nil, {{Addr: "a b"}}, {{Addr: addrs[0]}, {Addr: addrs[0]}},
	} {
		d.wantErr("SetServers of an invalid list", b.SetServers(invalid), core.ErrConfig)
	}
	moved(4, 4)

	d.wantErr("SetServers", b.SetServers(serversAt(addrs[:3])), nil)
	if got := b.Servers(); len(got) != 3 || got[2].Addr != addrs[2] {
		d.Errorf("Servers = %v, want %v", got, addrs[:3])
	}
	d.eventually("no connection to the server that left is open", func() bool {
		return servers[3].Stat("curr_connections") == servers[3].idleConnections
	})
	stop()
	wg.Wait()
}

// Eject has a price: a server that was ejected comes back with its old items. With Fail, no
// read returns a value that is older than a write that has succeeded.
func ejectReturnsOldValues(d *driverTest) {
	servers := StartN(d, 2, nil)
	for _, policy := range []memcache.DeadPolicy{memcache.Fail, memcache.Eject} {
		opts := shortTimeoutOptions
		opts.Dead, opts.Failures, opts.CoolDown = policy, 1, 50*time.Millisecond
		c := d.open(opts, servers.Addrs()...)
		keys, values := numberedKeys(50)
		d.wantErr("SetMulti", c.SetMulti(d.Context(), values, 0), nil)
		servers[0].Pause()
		written := map[string]bool{}
		for _, key := range keys {
			for range 2 { // the first one may be the one that finds out
				if c.Set(d.Context(), key, []byte("new"), 0) == nil {
					written[key] = true
				}
			}
			if policy == memcache.Fail && len(written) > 5 {
				break // each Set on the other server takes the whole time-out
			}
		}
		servers[0].Resume()
		d.eventually("the server responds", func() bool { return c.Ping(d.Context()) == nil })
		old := 0
		for _, key := range keys {
			got, err := c.Get(d.Context(), key)
			if err == nil && written[key] && string(got) != "new" {
				old++
			}
		}
		if (old > 0) != (policy == memcache.Eject) {
			d.Errorf("with %v, %d of %d reads were older than a write", policy, old, len(written))
		}
	}
}

// A server whose cool-down has ended is tried by one verb. If that verb ends because of its
// context, the next one tries the server.
func abandonedTrialsAreRepeated(d *driverTest) {
	server, other := Start(d, nil), Start(d, nil)
	proxy := StartProxy(d, server.Addr(), nil)
	opts := longTimeoutOptions
	opts.Dead, opts.Failures, opts.CoolDown = memcache.Eject, 1, time.Second
	addrs := []string{proxy.Addr(), other.Addr()}
	c := d.open(opts, addrs...)
	selector, err := memcache.NewSelector(memcache.Ketama, serversAt(addrs))
	if err != nil {
		d.Fatal(err)
	}
	key := ""
	for i := 0; key == ""; i++ {
		if k := fmt.Sprint("key-", i); selector.Pick(k, nil) == 0 {
			key = k
		}
	}
	proxy.Set(&ProxyOptions{HangUp: true})
	d.wantErr("Set", c.Set(d.Context(), key, nil, 0), core.ErrUnavailable)
	ejected := time.Now()
	d.wantErr("Set while the server is ejected", c.Set(d.Context(), key, nil, 0), nil)
	proxy.Set(nil)
	server.Pause()
	d.eventually("the cool-down is over", func() bool {
		return time.Since(ejected) > opts.CoolDown
	})
	// Each of these trials ends before it knows whether the server responds. On a busy
	// machine, a verb may also end before it dials.
	for round := range 3 {
		tried := proxy.Dialled()
		for try := 0; try < 20 && proxy.Dialled() == tried; try++ {
			ctx, cancel := context.WithTimeout(d.Context(), 10*time.Millisecond)
			c.Set(ctx, key, nil, 0)
			cancel()
		}
		if proxy.Dialled() == tried {
			d.Errorf("after %d trials that were given up, there is no other", round)
		}
	}
	server.Resume()
	// The next trial finds out.
	before := server.Stat("cmd_get")
	_, err = c.Get(d.Context(), key)
	if err != nil && err != core.ErrMiss || server.Stat("cmd_get") == before {
		d.Errorf("the server is still ejected; Get: %v", err)
	}
}

// Idle connections are closed, and so are old ones, even if they are in use all the time.
func connectionsAge(d *driverTest) {
	server := Start(d, nil)
	for _, tt := range []struct {
		name string
		opts memcache.Options
	}{
		{"idle", memcache.Options{Timeout: 30 * time.Second, MaxIdleTime: 100 * time.Millisecond}},
		{"old", memcache.Options{Timeout: 30 * time.Second, MaxLifetime: 100 * time.Millisecond}},
	} {
		proxy := StartProxy(d, server.Addr(), nil)
		c := d.open(tt.opts, proxy.Addr())
		d.openConnections(c, server, proxy, 10)
		d.eventually(tt.name+" connections are closed", func() bool { return proxy.Open() == 0 })
		dialled := proxy.Dialled()
		d.eventually("a connection in use is replaced when it is old", func() bool {
			d.wantErr("Set", c.Set(d.Context(), "k", nil, 0), nil)
			return tt.name == "idle" || proxy.Dialled() > dialled+2
		})
	}
}

// A memcached with -Y requires a user and a password first. A driver without such a login
// says so.
func loginsAreSent(d *driverTest) {
	server := Start(d, &Options{User: "gopher", Password: "S3CRET:"})
	opts := longTimeoutOptions
	opts.Username, opts.Password = "gopher", "S3CRET:"
	backend, err := d.backend(serversAt([]string{server.Addr()}), opts)
	if errors.Is(err, errors.ErrUnsupported) {
		if strings.Contains(err.Error(), "S3CRET") {
			d.Errorf("the error shows the password: %v", err)
		}
		return
	}
	if err != nil {
		d.Fatal(err)
	}
	backend.Close()
	c := d.open(opts, server.Addr())
	var shown atomic.Int64
	concurrently(8, func(w int) {
		for _, verb := range slices.Concat(verbs[:4], verbs[8:]) {
			err := verb.call(d.Context(), c)
			if err != nil && !errors.Is(err, core.ErrMiss) && !errors.Is(err, core.ErrNotNumber) {
				d.Errorf("%s with a login: %v", verb.name, err)
			}
		}
		if _, err := c.Stats(d.Context()); err != nil {
			d.Errorf("Stats with a login: %v", err)
		}
	})
	server.Restart()
	d.wantErr("Set after a restart", c.Set(d.Context(), "k", []byte("v"), 0), nil)
	if got := server.Do("get k"); got != "VALUE k 0 1\r\nv\r\nEND\r\n" {
		d.Errorf("the server has %q", got)
	}

	for name, login := range map[string][2]string{
		"a wrong password": {"gopher", "S3CRET"},
		"a wrong user":     {"rabbit", "S3CRET:"},
		"no login":         {"", ""},
	} {
		opts.Username, opts.Password = login[0], login[1]
		refused := d.open(opts, server.Addr())
		for _, verb := range verbs {
			err := verb.call(d.Context(), refused)
			d.wantErr(verb.name+" with "+name, err, core.ErrUnavailable)
			if err != nil && strings.Contains(err.Error(), "S3CRET") {
				shown.Add(1)
			}
		}
		_, err := refused.Stats(d.Context())
		d.wantErr("Stats with "+name, err, core.ErrUnavailable)
	}
	if n := shown.Load(); n > 0 {
		d.Errorf("%d errors show the password", n)
	}
	// A server without -Y accepts any login.
	opts.Username, opts.Password = "gopher", "S3CRET:"
	open := Start(d, nil)
	c = d.open(opts, open.Addr())
	d.wantErr("Set without -Y", c.Set(d.Context(), "k", nil, 0), nil)
	if got := open.Do("get cachewire:login"); got != "END\r\n" {
		d.Errorf("a server without -Y returns the login: %q", got)
	}
}
