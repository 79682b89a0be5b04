package memcachetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
)

// Of three servers one dies: exactly its keys fail, in every multi verb.
func deadServerCostsItsOwnKeys(v *victim) {
	servers := StartN(v, 3, nil)
	c := v.open(patient, servers.Addrs()...)
	ctx := v.Context()
	keys, values := numbered(300)
	v.wantErr("SetMulti", c.SetMulti(ctx, values, 0), nil)
	selector, err := memcache.NewSelector(memcache.Ketama, serversAt(servers.Addrs()))
	if err != nil {
		v.Fatal(err)
	}
	lost := map[string]bool{}
	for _, key := range keys {
		lost[key] = selector.Pick(key, nil) == 1
	}
	servers[1].Kill()
	check := func(what string, err error) {
		var multi *core.MultiError
		if !errors.As(err, &multi) {
			v.Fatalf("%s: error is %v", what, err)
		}
		for _, key := range keys {
			if got := multi.Errors[key]; lost[key] != errors.Is(got, core.ErrUnavailable) || !lost[key] && got != nil {
				v.Errorf("%s: %q on the dead server: %t, error %v", what, key, lost[key], got)
			}
		}
	}
	got, err := c.GetMulti(ctx, keys)
	check("GetMulti", err)
	for _, key := range keys {
		if value, there := got[key]; there == lost[key] || there && string(value) != string(values[key]) {
			v.Errorf("GetMulti: %q is %q, there: %t", key, value, there)
		}
	}
	check("SetMulti", c.SetMulti(ctx, values, 0))
	check("ReplaceMulti", c.ReplaceMulti(ctx, values, 0))
	check("DeleteMulti", c.DeleteMulti(ctx, keys))
	check("AddMulti", c.AddMulti(ctx, values, 0))
	v.wantErr("Ping", c.Ping(ctx), core.ErrUnavailable)
	err = c.Flush(ctx)
	v.wantErr("Flush", err, core.ErrUnavailable)
	if err != nil && !strings.Contains(err.Error(), servers[1].Addr()) {
		v.Errorf("Flush does not say which server: %v", err)
	}
	if got, _ := c.GetMulti(ctx, keys); len(got) != 0 {
		v.Errorf("after Flush %d items are there", len(got))
	}
	servers[1].Restart()
	v.wantErr("Ping after its restart", c.Ping(ctx), nil)
	v.wantErr("SetMulti after its restart", c.SetMulti(ctx, values, 0), nil)
}

func ejectMovesKeys(v *victim) {
	servers := StartN(v, 3, nil)
	opts := patient
	opts.Dead, opts.Failures, opts.CoolDown = memcache.Eject, 2, 100*time.Millisecond
	c := v.open(opts, servers.Addrs()...)
	ctx := v.Context()
	keys, values := numbered(200)
	v.wantErr("SetMulti", c.SetMulti(ctx, values, 0), nil)
	had := servers[1].Stat("curr_items")
	servers[1].Kill()
	v.eventually("all keys are on the other servers", func() bool { return c.SetMulti(ctx, values, 0) == nil })
	if got, err := c.GetMulti(ctx, keys); len(got) < 199 || failures(err) > 1 { // one may be on trial
		v.Errorf("GetMulti answers %d of 200, %v", len(got), err)
	}
	servers[1].Restart()
	v.eventually("the server has its keys again", func() bool {
		c.SetMulti(ctx, values, 0)
		return servers[1].Stat("curr_items") == had
	})
}

// A server that is dead takes every connection, and closes it.
func ejectedServerIsLeftAlone(v *victim) {
	alive := Start(v, nil)
	proxy := StartProxy(v, alive.Addr(), &ProxyOptions{HangUp: true})
	opts := patient
	opts.Dead, opts.Failures, opts.CoolDown = memcache.Eject, 2, time.Hour
	c := v.open(opts, proxy.Addr(), alive.Addr())
	ctx := v.Context()
	keys, values := numbered(100)
	v.eventually("the dead server is ejected", func() bool { return c.SetMulti(ctx, values, 0) == nil })
	tries := proxy.Dialled()
	for _, key := range keys {
		_, err := c.Get(ctx, key)
		v.wantErr("Get", err, nil)
		v.wantErr("Set", c.Set(ctx, key, nil, 0), nil)
	}
	got, err := c.GetMulti(ctx, keys)
	if len(got) != len(keys) || err != nil {
		v.Errorf("GetMulti answers %d items, %v", len(got), err)
	}
	if n := proxy.Dialled(); n != tries {
		v.Errorf("the ejected server was tried %d times within its cool-down", n-tries)
	}

	// Now the cool-down passes again and again. Each time one verb tries the
	// server, or two in a row where the driver sends a read again.
	opts.CoolDown = 20 * time.Millisecond
	c = v.open(opts, proxy.Addr(), alive.Addr())
	v.eventually("the dead server is ejected", func() bool { return c.SetMulti(ctx, values, 0) == nil })
	start, tries := time.Now(), proxy.Dialled()
	var failed atomic.Int64
	together(8, func(int) {
		for time.Since(start) < 300*time.Millisecond {
			for _, key := range keys {
				if c.Set(ctx, key, nil, 0) != nil {
					failed.Add(1)
				}
			}
			_, err := c.GetMulti(ctx, keys)
			failed.Add(int64(failures(err)))
		}
	})
	most := int64(time.Since(start)/opts.CoolDown) + 1
	if n := failed.Load(); n < 1 || n > most {
		v.Errorf("%d verbs failed, want from 1 to %d", n, most)
	}
	if n := int64(proxy.Dialled() - tries); n > 2*most {
		v.Errorf("the server was tried %d times in %d cool-downs", n, most)
	}
}

// together calls do(0) to do(n-1) at once, and waits.
func together(n int, do func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { do(i) })
	}
	all.Wait()
}

// That costs errors while it is gone, and never a wrong answer; and afterwards all
// is as before.
func serverComesAndGoes(v *victim) {
	server := Start(v, nil)
	c := v.open(impatient, server.Addr())
	ctx, stop := context.WithCancel(v.Context())
	defer stop()
	var good atomic.Int64
	var all sync.WaitGroup
	for w := range 8 {
		key := fmt.Sprint("worker-", w)
		all.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				within, cancel := context.WithTimeout(context.Background(), time.Minute)
				if err := c.Set(within, key, fmt.Append(nil, key, "=", i), 0); err != nil {
					v.wantErr("Set", err, core.ErrUnavailable)
				}
				got, err := c.Get(within, key)
				cancel()
				switch {
				case err == nil:
					good.Add(1)
					if !strings.HasPrefix(string(got), key+"=") {
						v.Errorf("%s is %q", key, got)
					}
				case err != core.ErrMiss:
					v.wantErr("Get", err, core.ErrUnavailable)
				}
			}
		})
	}
	works := func() {
		from := good.Load()
		v.eventually("verbs succeed", func() bool { return good.Load() > from+100 })
	}
	fails := func() {
		v.eventually("a verb fails", func() bool {
			_, err := c.Get(context.Background(), "k")
			return errors.Is(err, core.ErrUnavailable)
		})
	}
	for range 3 {
		works()
		server.Kill()
		fails()
		server.Restart()
		works()
		server.Pause()
		fails()
		server.Resume()
		works()
		server.Restart()
	}
	works()
	stop()
	all.Wait()
}

func nonsenseIsNotBelieved(v *victim) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, length := range []int{0, 1, 23, 24, 25, 1000, 100_000} {
		nonsense := make([]byte, length)
		for i := range nonsense {
			nonsense[i] = byte(random.Uint32())
		}
		server := StartHostile(v, func(c *Conn) {
			buf := make([]byte, 1<<16)
			if _, err := c.Read(buf); err == nil {
				c.Write(nonsense)
			}
		})
		c := v.open(impatient, server.Addr())
		for _, verb := range verbs {
			if err := verb.call(v.Context(), c); !errors.Is(err, core.ErrUnavailable) {
				v.Errorf("%s, answered with %d bytes of nonsense: error is %v, want %v", verb.name, length, err, core.ErrUnavailable)
			}
		}
	}
}

func halfAReplyIsNone(v *victim) {
	server := Start(v, nil)
	value := strings.Repeat("0123456789", 50)
	direct := v.open(patient, server.Addr())
	proxy := StartProxy(v, server.Addr(), nil)
	for _, cut := range []int{1, 10, 24, 28, 100, 500} {
		v.wantErr("Set", direct.Set(v.Context(), "k", []byte(value), 0), nil)
		c := v.open(impatient, proxy.Addr())
		if got, err := c.Get(v.Context(), "k"); string(got) != value || err != nil {
			v.Errorf("before that Get answers %q, %v", got, err)
		}
		proxy.Set(&ProxyOptions{CutAfter: cut})
		got, err := c.Get(v.Context(), "k")
		if v.wantErr("Get", err, core.ErrUnavailable); got != nil {
			v.Errorf("Get answers %d bytes of a reply that was cut after %d", len(got), cut)
		}
		items, err := c.GetMulti(v.Context(), []string{"absent", "k"})
		if v.wantErr("GetMulti", keyError(err, "k"), core.ErrUnavailable); len(items) != 0 {
			v.Errorf("GetMulti answers %d items of a reply that was cut after %d bytes", len(items), cut)
		}
		proxy.Set(nil)
		if got, err := c.Get(v.Context(), "k"); string(got) != value || err != nil {
			v.Errorf("after that Get answers %q, %v", got, err)
		}
	}
}

// With a byte each 50 ms the reply would take 25 seconds.
func replyThatDripsTimesOut(v *victim) {
	server := Start(v, nil)
	proxy := StartProxy(v, server.Addr(), nil)
	c := v.open(impatient, proxy.Addr())
	v.wantErr("Set", c.Set(v.Context(), "k", make([]byte, 500), 0), nil)
	proxy.Set(&ProxyOptions{Drip: 50 * time.Millisecond})
	for _, verb := range verbs[:2] { // the reads
		v.takes(verb.name, 4*impatient.Timeout, func() {
			v.wantErr(verb.name, verb.call(v.Context(), c), core.ErrUnavailable)
		})
	}
	server.Pause()
	defer server.Resume()
	for _, verb := range verbs {
		v.takes(verb.name, 4*impatient.Timeout, func() {
			v.wantErr(verb.name, verb.call(v.Context(), c), core.ErrUnavailable)
		})
	}
}
