package memcachetest

import (
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
)

// If one of three servers dies, exactly its keys fail in every multi verb.
func onlyKeysOfDeadServerFail(d *driverTest) {
	servers := StartN(d, 3, nil)
	c := d.open(longTimeoutOptions, servers.Addrs()...)
	ctx := d.Context()
	keys, values := numberedKeys(300)
	d.wantErr("SetMulti", c.SetMulti(ctx, values, 0), nil)
	selector, err := memcache.NewSelector(memcache.Ketama, serversAt(servers.Addrs()))
	if err != nil {
		d.Fatal(err)
	}
	onDead := map[string]bool{} // whether the server of a key is dead
	for _, key := range keys {
		onDead[key] = selector.Pick(key, nil) == 1
	}
	servers[1].Kill()
	check := func(call string, err error) {
		var multi *core.MultiError
		if !errors.As(err, &multi) {
			d.Fatalf("%s: error is %v, want a *MultiError", call, err)
		}
		for _, key := range keys {
			got := multi.Errors[key]
			if onDead[key] != errors.Is(got, core.ErrUnavailable) || !onDead[key] && got != nil {
				d.Errorf("%s: %q on the dead server: %t, error is %v", call, key, onDead[key], got)
			}
		}
	}
	got, err := c.GetMulti(ctx, keys)
	check("GetMulti", err)
	for _, key := range keys {
		value, found := got[key]
		if found == onDead[key] || found && string(value) != string(values[key]) {
			d.Errorf("GetMulti: %q on the dead server: %t, found: %t, value %q",
				key, onDead[key], found, value)
		}
	}
	check("SetMulti", c.SetMulti(ctx, values, 0))
	check("ReplaceMulti", c.ReplaceMulti(ctx, values, 0))
	check("DeleteMulti", c.DeleteMulti(ctx, keys))
	check("AddMulti", c.AddMulti(ctx, values, 0))
	d.wantErr("Ping", c.Ping(ctx), core.ErrUnavailable)
	err = c.Flush(ctx)
	d.wantErr("Flush", err, core.ErrUnavailable)
	if err != nil && !strings.Contains(err.Error(), servers[1].Addr()) {
		d.Errorf("Flush: error is %v, want the address of the dead server in it", err)
	}
	if got, _ := c.GetMulti(ctx, keys); len(got) != 0 {
		d.Errorf("after Flush, GetMulti returned %d items, want none", len(got))
	}
	servers[1].Restart()
	d.wantErr("Ping after the restart", c.Ping(ctx), nil)
	d.wantErr("SetMulti after the restart", c.SetMulti(ctx, values, 0), nil)
}

func ejectMovesKeys(d *driverTest) {
	servers := StartN(d, 3, nil)
	opts := longTimeoutOptions
	opts.Dead, opts.Failures, opts.CoolDown = memcache.Eject, 2, 100*time.Millisecond
	c := d.open(opts, servers.Addrs()...)
	ctx := d.Context()
	keys, values := numberedKeys(200)
	d.wantErr("SetMulti", c.SetMulti(ctx, values, 0), nil)
	itemCount := servers[1].Stat("curr_items")
	servers[1].Kill()
	d.eventually("all keys are on the other servers", func() bool {
		return c.SetMulti(ctx, values, 0) == nil
	})
	// One key may fail, because the driver tries the dead server with it.
	if got, err := c.GetMulti(ctx, keys); len(got) < 199 || failedKeys(err) > 1 {
		d.Errorf("GetMulti returned %d items of 200, %v", len(got), err)
	}
	servers[1].Restart()
	d.eventually("the server has its keys again", func() bool {
		c.SetMulti(ctx, values, 0)
		return servers[1].Stat("curr_items") == itemCount
	})
}

// The dead server of this test accepts every connection and closes it.
func ejectedServerGetsOneVerb(d *driverTest) {
	live := Start(d, nil)
	proxy := StartProxy(d, live.Addr(), &ProxyOptions{HangUp: true})
	opts := longTimeoutOptions
	opts.Dead, opts.Failures, opts.CoolDown = memcache.Eject, 2, time.Hour
	c := d.open(opts, proxy.Addr(), live.Addr())
	ctx := d.Context()
	keys, values := numberedKeys(100)
	setAllSucceeds := func() bool { return c.SetMulti(ctx, values, 0) == nil }
	d.eventually("the dead server is ejected", setAllSucceeds)
	tries := proxy.Dialled()
	for _, key := range keys {
		_, err := c.Get(ctx, key)
		d.wantErr("Get", err, nil)
		d.wantErr("Set", c.Set(ctx, key, nil, 0), nil)
	}
	got, err := c.GetMulti(ctx, keys)
	if len(got) != len(keys) || err != nil {
		d.Errorf("GetMulti returned %d items, %v; want %d", len(got), err, len(keys))
	}
	if n := proxy.Dialled(); n != tries {
		d.Errorf("the ejected server was tried %d times during its cool-down, want 0", n-tries)
	}

	// Now the cool-down ends again and again. Each time, one verb tries the server. If it
	// is a read, the driver may send it twice.
	opts.CoolDown = 20 * time.Millisecond
	c = d.open(opts, proxy.Addr(), live.Addr())
	d.eventually("the dead server is ejected", setAllSucceeds)
	start, tries := time.Now(), proxy.Dialled()
	var failed atomic.Int64
	concurrently(8, func(int) {
		for time.Since(start) < 300*time.Millisecond {
			for _, key := range keys {
				if c.Set(ctx, key, nil, 0) != nil {
					failed.Add(1)
				}
			}
			_, err := c.GetMulti(ctx, keys)
			failed.Add(int64(failedKeys(err)))
		}
	})
	cooldowns := int64(time.Since(start)/opts.CoolDown) + 1
	if n := failed.Load(); n < 1 || n > cooldowns {
		d.Errorf("%d verbs failed, want 1 to %d", n, cooldowns)
	}
	if n := int64(proxy.Dialled() - tries); n > 2*cooldowns {
		d.Errorf("the server was tried %d times in %d cool-downs", n, cooldowns)
	}
}

// concurrently calls do(0) to do(n-1) in goroutines, and waits for them.
func concurrently(n int, do func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { do(i) })
	}
	wg.Wait()
}

func garbageIsAnError(d *driverTest) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, length := range []int{0, 1, 23, 24, 25, 1000, 100_000} {
		garbage := make([]byte, length)
		for i := range garbage {
			garbage[i] = byte(random.Uint32())
		}
		server := StartHostile(d, func(c *Conn) {
			buf := make([]byte, 1<<16)
			if _, err := c.Read(buf); err == nil {
				c.Write(garbage)
			}
		})
		c := d.open(shortTimeoutOptions, server.Addr())
		for _, verb := range verbs {
			if err := verb.call(d.Context(), c); !errors.Is(err, core.ErrUnavailable) {
				d.Errorf("%s with a reply of %d random bytes: error is %v, want %v",
					verb.name, length, err, core.ErrUnavailable)
			}
		}
	}
}

func truncatedReplyIsAnError(d *driverTest) {
	server := Start(d, nil)
	value := strings.Repeat("0123456789", 50)
	direct := d.open(longTimeoutOptions, server.Addr())
	proxy := StartProxy(d, server.Addr(), nil)
	for _, cut := range []int{1, 10, 24, 28, 100, 500} {
		d.wantErr("Set", direct.Set(d.Context(), "k", []byte(value), 0), nil)
		c := d.open(shortTimeoutOptions, proxy.Addr())
		if got, err := c.Get(d.Context(), "k"); string(got) != value || err != nil {
			d.Errorf("before the cut, Get returned %q, %v", got, err)
		}
		proxy.Set(&ProxyOptions{CutAfter: cut})
		got, err := c.Get(d.Context(), "k")
		if d.wantErr("Get", err, core.ErrUnavailable); got != nil {
			d.Errorf("Get returned %d bytes of a reply that was cut after %d", len(got), cut)
		}
		items, err := c.GetMulti(d.Context(), []string{"absent", "k"})
		if d.wantErr("GetMulti", keyError(err, "k"), core.ErrUnavailable); len(items) != 0 {
			d.Errorf("GetMulti returned %d items of a reply that was cut after %d bytes",
				len(items), cut)
		}
		proxy.Set(nil)
		if got, err := c.Get(d.Context(), "k"); string(got) != value || err != nil {
			d.Errorf("after the cut, Get returned %q, %v", got, err)
		}
	}
}

// At one byte each 50 ms, the reply would take 25 seconds.
func drippingReplyTimesOut(d *driverTest) {
	server := Start(d, nil)
	proxy := StartProxy(d, server.Addr(), nil)
	c := d.open(shortTimeoutOptions, proxy.Addr())
	d.wantErr("Set", c.Set(d.Context(), "k", make([]byte, 500), 0), nil)
	proxy.Set(&ProxyOptions{Drip: 50 * time.Millisecond})
	for _, verb := range verbs[:2] { // the reads
		d.checkWithin(verb.name, 4*shortTimeoutOptions.Timeout, func() {
			d.wantErr(verb.name, verb.call(d.Context(), c), core.ErrUnavailable)
		})
	}
	server.Pause()
	defer server.Resume()
	for _, verb := range verbs {
		d.checkWithin(verb.name, 4*shortTimeoutOptions.Timeout, func() {
			d.wantErr(verb.name, verb.call(d.Context(), c), core.ErrUnavailable)
		})
	}
}
