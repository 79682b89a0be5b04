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

// contextEndsVerbs cancels verbs while they wait for a server that drips, or does not read the
// request. Package conformance cancels them while the server is paused.
func contextEndsVerbs(d *driverTest) {
	server := Start(d, nil)
	proxy := StartProxy(d, server.Addr(), nil)
	opts := memcache.Options{Timeout: 5 * time.Second} // Close may wait as long for ended verbs
	c := d.open(opts, proxy.Addr())
	testDone := make(chan struct{})
	defer close(testDone) // without it, Close would wait for the time-out of verbs that were ended
	notReading := d.open(opts, StartHostile(d, func(c *Conn) {
		if tcp, ok := c.Conn.(*net.TCPConn); ok {
			tcp.SetReadBuffer(4096) // so that the system buffers little for the server
		}
		select {
		case <-testDone:
		case <-c.hostile.done:
		}
	}).Addr())
	d.wantErr("Set", c.Set(d.Context(), "k", make([]byte, 1000), 0), nil)

	checkEnds := func(call string, verb func(ctx context.Context) error) {
		const limit = 50 * time.Millisecond // from the contract
		for _, pause := range []time.Duration{0, time.Millisecond, 20 * time.Millisecond} {
			d.checkWithin(call, pause+limit, func() {
				ctx, cancel := context.WithCancel(context.Background())
				defer time.AfterFunc(pause, cancel).Stop()
				d.wantErr(call, verb(ctx), context.Canceled)
			})
			d.checkWithin(call, pause+limit, func() {
				ctx, cancel := context.WithTimeout(context.Background(), pause)
				defer cancel()
				d.wantErr(call, verb(ctx), context.DeadlineExceeded)
			})
		}
	}
	proxy.Set(&ProxyOptions{Drip: 50 * time.Millisecond})
	checkEnds("Get of a reply that drips", func(ctx context.Context) error {
		_, err := c.Get(ctx, "k")
		return err
	})
	proxy.Set(nil)
	large := make([]byte, 6<<20) // more than the send buffer of the system
	checkEnds("Set to a server that does not read", func(ctx context.Context) error {
		return notReading.Set(ctx, "k", large, 0)
	})
}

// cancelledVerbsLeaveNothing cancels verbs after times from 0 to longer than they take. Each
// worker has its own keys, so that it knows what it must read and would notice a reply to
// another verb.
func cancelledVerbsLeaveNothing(d *driverTest) {
	// A busy server may see late that a connection was closed, while more are opened.
	server := Start(d, &Options{Args: []string{"-c", "8192"}})
	connections := func() int {
		n, err := strconv.Atoi(server.Stat("curr_connections"))
		if err != nil {
			d.Fatal(err)
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

	c := d.open(longTimeoutOptions, server.Addr())
	var cancelled, finished atomic.Int64
	concurrently(16, func(w int) {
		worker := &canceller{driverTest: d, cache: c, name: fmt.Sprint("worker-", w)}
		for i := range 625 {
			ctx, cancel := context.WithCancel(context.Background())
			delay := time.Duration(i*37%400) * time.Duration(1+i%3*20) * time.Microsecond
			timer := time.AfterFunc(delay, cancel)
			switch err := worker.verb(ctx, i); {
			case errors.Is(err, context.Canceled):
				cancelled.Add(1)
			case err == nil || err == core.ErrMiss:
				finished.Add(1)
			default:
				d.Errorf("verb %d: %v", i, err)
			}
			timer.Stop()
			cancel()
		}
	})
	if cancelled.Load() < 500 || finished.Load() < 500 {
		d.Errorf("%d verbs were cancelled and %d finished, want 500 or more of both",
			cancelled.Load(), finished.Load())
	}
	if grown := heap() - heapBefore; grown > 2<<20 {
		d.Errorf("the heap has grown by %d KiB", grown>>10)
	}
	d.wantErr("Close", c.Close(), nil)
	d.eventually("all connections are closed", func() bool {
		return connections() <= connectionsBefore
	})
	d.eventually("all goroutines have ended", func() bool {
		return runtime.NumGoroutine() <= goroutinesBefore
	})
}

// A canceller is one worker of cancelledVerbsLeaveNothing.
type canceller struct {
	*driverTest
	cache *core.Cache
	name  string
	slots [7]struct {
		// generation is part of the key. It changes when a write fails, because the write may
		// still reach the old key.
		generation int

		value string // the stored value, "" if there is none
	}
	count uint64 // the last result of IncrFrom
}

// key returns the key of the slot of i.
func (c *canceller) key(i int) string {
	slot := i % len(c.slots)
	return fmt.Sprintf("%s-%d-%d", c.name, slot, c.slots[slot].generation)
}

// verb calls one of four verbs with the key of i, and checks what it reads.
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
			want := c.slots[(i+j)%len(c.slots)].value
			if keyError(err, key) == nil && string(got[key]) != want {
				c.Errorf("%s is %q, want %q", key, got[key], want)
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
