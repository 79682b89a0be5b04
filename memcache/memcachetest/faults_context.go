package memcachetest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
)

// contextEndsVerbs cancels verbs that wait for a server which stands still, or
// drips, or does not take what is sent.
func contextEndsVerbs(v *victim) {
	server := Start(v, nil)
	proxy := StartProxy(v, server.Addr(), nil)
	opts := memcache.Options{Timeout: 5 * time.Second} // for which Close may wait for what was given up
	c := v.open(opts, proxy.Addr())
	over := make(chan struct{})
	defer close(over) // or Close would wait for the time-out of verbs that were given up
	deaf := v.open(opts, StartHostile(v, func(c *Conn) {
		if tcp, ok := c.Conn.(*net.TCPConn); ok {
			tcp.SetReadBuffer(4096) // so that the system takes no more for it
		}
		select {
		case <-over:
		case <-c.hostile.done:
		}
	}).Addr())
	v.wantErr("Set", c.Set(v.Context(), "k", make([]byte, 1000), 0), nil)

	ends := func(what string, verb func(ctx context.Context) error) {
		const limit = 50 * time.Millisecond // the contract's
		for _, pause := range []time.Duration{0, time.Millisecond, 20 * time.Millisecond} {
			v.takes(what, pause+limit, func() {
				ctx, cancel := context.WithCancel(context.Background())
				defer time.AfterFunc(pause, cancel).Stop()
				v.wantErr(what, verb(ctx), context.Canceled)
			})
			v.takes(what, pause+limit, func() {
				ctx, cancel := context.WithTimeout(context.Background(), pause)
				defer cancel()
				v.wantErr(what, verb(ctx), context.DeadlineExceeded)
			})
		}
	}
	proxy.Set(&ProxyOptions{Drip: 50 * time.Millisecond})
	ends("Get of a reply that drips", func(ctx context.Context) error { _, err := c.Get(ctx, "k"); return err })
	proxy.Set(nil)
	large := make([]byte, 6<<20) // more than the system keeps of what is to be sent
	ends("Set that nobody takes", func(ctx context.Context) error { return deaf.Set(ctx, "k", large, 0) })
	server.Pause()
	for _, verb := range verbs {
		ends(verb.name, func(ctx context.Context) error { return verb.call(ctx, c) })
	}
	server.Resume()
	v.eventually("all is as before", func() bool { // a Flush that was cancelled may still land
		v.wantErr("Set after that", c.Set(v.Context(), "k", []byte("v"), 0), nil)
		got, err := c.Get(v.Context(), "k")
		return string(got) == "v" && err == nil
	})
}

// cancelledVerbsLeaveNothing cancels verbs after anything between no time at all
// and more than they take. Each worker has keys of its own, so that it knows what
// it must read: a reply to another verb would not be that.
func cancelledVerbsLeaveNothing(v *victim) {
	server := Start(v, nil)
	connections := func() int {
		n, err := strconv.Atoi(server.Stat("curr_connections"))
		if err != nil {
			v.Fatal(err)
		}
		return n
	}
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	goroutinesBefore, connectionsBefore, heapBefore := runtime.NumGoroutine(), connections(), heap()

	c := v.open(patient, server.Addr())
	var cancelled, answered atomic.Int64
	together(16, func(w int) {
		worker := &canceller{victim: v, cache: c, name: fmt.Sprint("worker-", w)}
		for i := range 625 {
			ctx, cancel := context.WithCancel(context.Background())
			timer := time.AfterFunc(time.Duration(i*37%400)*time.Duration(1+i%3*20)*time.Microsecond, cancel)
			switch err := worker.verb(ctx, i); {
			case errors.Is(err, context.Canceled):
				cancelled.Add(1)
			case err == nil || err == core.ErrMiss:
				answered.Add(1)
			default:
				v.Errorf("verb %d: %v", i, err)
			}
			timer.Stop()
			cancel()
		}
	})
	if cancelled.Load() < 500 || answered.Load() < 500 {
		v.Errorf("%d cancelled and %d answered: too few of one to show anything", cancelled.Load(), answered.Load())
	}
	if grown := heap() - heapBefore; grown > 2<<20 {
		v.Errorf("%d KiB of memory are left behind", grown>>10)
	}
	v.wantErr("Close", c.Close(), nil)
	v.eventually("all connections are closed", func() bool { return connections() <= connectionsBefore })
	v.eventually("all goroutines have ended", func() bool { return runtime.NumGoroutine() <= goroutinesBefore })
}

// A canceller is one worker of cancelledVerbsLeaveNothing.
type canceller struct {
	*victim
	cache *core.Cache
	name  string
	slots [7]struct {
		generation int    // a key that a cancelled write may still reach is not used again
		value      string // what is stored; "" is nothing
	}
	count uint64
}

func (c *canceller) key(i int) string {
	slot := i % len(c.slots)
	return fmt.Sprintf("%s-%d-%d", c.name, slot, c.slots[slot].generation)
}

func (c *canceller) verb(ctx context.Context, i int) error {
	slot := &c.slots[i%len(c.slots)]
	switch i % 5 {
	case 0:
		value := fmt.Sprintf("%s=%d", c.key(i), i)
		err := c.cache.Set(ctx, c.key(i), []byte(value), 0)
		if slot.value = value; err != nil {
			slot.generation, slot.value = slot.generation+1, ""
		}
		return err
	case 3:
		keys := []string{c.key(i), c.key(i + 1), c.key(i + 2)}
		got, err := c.cache.GetMulti(ctx, keys)
		for j, key := range keys {
			if keyError(err, key) == nil && string(got[key]) != c.slots[(i+j)%len(c.slots)].value {
				c.Errorf("%s is %q, want %q", key, got[key], c.slots[(i+j)%len(c.slots)].value)
			}
		}
		return keyError(err, keys[0])
	case 4:
		n, err := c.cache.IncrFrom(ctx, c.name+" count", 1, 0, 0)
		if err == nil {
			if n <= c.count {
				c.Errorf("the counter is %d after %d", n, c.count)
			}
			c.count = n
		}
		return err
	default:
		got, err := c.cache.Get(ctx, c.key(i))
		if (err == nil || err == core.ErrMiss) && string(got) != slot.value {
			c.Errorf("%s is %q, %v, want %q", c.key(i), got, err, slot.value)
		}
		return err
	}
}
