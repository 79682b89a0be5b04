package memcachemeta_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache/memcachetest"
)

// concurrently calls do(0) to do(n-1) in goroutines, and waits for them.
func concurrently(n int, do func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { do(i) })
	}
	wg.Wait()
}

func TestAThousandGoroutinesShareOneConnection(t *testing.T) {
	proxy := memcachetest.StartProxy(t, memcachetest.Start(t, nil).Addr(), nil)
	c := openCache(t, longTimeoutOptions, proxy.Addr())
	var mu sync.Mutex
	var longest time.Duration
	start := time.Now()
	concurrently(1000, func(i int) {
		key := fmt.Sprint("key-", i)
		for n := range 10 {
			value := fmt.Sprint(key, "=", n)
			begin := time.Now()
			if err := c.Set(context.Background(), key, []byte(value), 0); err != nil {
				t.Error(err)
			}
			wantValue(t, c, key, value)
			mu.Lock()
			longest = max(longest, time.Since(begin))
			mu.Unlock()
		}
	})
	if n := proxy.Dialled(); n != 1 {
		t.Errorf("1000 goroutines opened %d connections, want 1", n)
	}
	// With a fair queue, a pair of verbs takes a tenth of all, or less.
	if all := time.Since(start); longest > all/2 && all > 100*time.Millisecond {
		t.Errorf("one Set and Get took %v of %v", longest, all)
	}
}

// The requests of goroutines that wait are written together, so that many need few round trips.
func TestRequestsAreCombined(t *testing.T) {
	const roundTrip = 50 * time.Millisecond
	server := memcachetest.Start(t, nil)
	proxy := memcachetest.StartProxy(t, server.Addr(), nil)
	c := openCache(t, longTimeoutOptions, proxy.Addr())
	set(t, c, "k", "v")
	proxy.Set(&memcachetest.ProxyOptions{RoundTrip: roundTrip})
	start := time.Now()
	concurrently(500, func(int) { wantValue(t, c, "k", "v") })
	if took := time.Since(start); took > 100*roundTrip {
		t.Errorf("500 Gets at once took %v; a round trip takes %v", took, roundTrip)
	}
}

// A call whose context is done returns at once. Its reply is dropped, the connection stays, and
// the calls behind it get their own replies.
func TestCancelledCallDelaysNobody(t *testing.T) {
	server := memcachetest.Start(t, nil)
	proxy := memcachetest.StartProxy(t, server.Addr(), nil)
	c := openCache(t, longTimeoutOptions, proxy.Addr())
	for i := range 20 {
		set(t, c, fmt.Sprint("key-", i), fmt.Sprint("value-", i))
	}
	for round := range 20 {
		server.Pause()
		var started, ended sync.WaitGroup
		ctx, cancel := context.WithCancel(context.Background())
		for i := range 20 {
			started.Add(1)
			ended.Go(func() {
				started.Done()
				if i%2 == round%2 {
					_, err := c.Get(ctx, fmt.Sprint("key-", i))
					if err != nil && !errors.Is(err, context.Canceled) {
						t.Error(err)
					}
					return
				}
				wantValue(t, c, fmt.Sprint("key-", i), fmt.Sprint("value-", i))
			})
		}
		started.Wait()
		cancel()
		server.Resume()
		ended.Wait()
	}
	if n := proxy.Dialled(); n != 1 {
		t.Errorf("%d connections, want that cancelled calls end none", n)
	}
}

// Large values and small ones share the connection, in both directions, and get their own replies.
func TestSmallRequestsPassBetweenLargeOnes(t *testing.T) {
	c := openCache(t, longTimeoutOptions, memcachetest.Start(t, nil).Addr())
	large := make([]byte, 1<<20-1000)
	ctx, stop := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	for i := range 4 {
		writers.Go(func() {
			for ctx.Err() == nil {
				wantErr(t, c.Set(context.Background(), fmt.Sprint("large-", i), large, 0), nil)
				_, err := c.Get(context.Background(), fmt.Sprint("large-", i))
				if err != nil && !errors.Is(err, core.ErrMiss) {
					t.Error(err)
				}
			}
		})
	}
	for i := range 200 {
		set(t, c, "small", fmt.Sprint(i))
		wantValue(t, c, "small", fmt.Sprint(i))
	}
	stop()
	writers.Wait()
}

// A request that gets no reply in time closes the connection. A read behind it is sent again over
// another one; a write behind it has failed, and is not.
func TestRequestsBehindOneWithoutReply(t *testing.T) {
	var mu sync.Mutex
	silent := true
	server := memcachetest.StartHostile(t, func(c *memcachetest.Conn) {
		mu.Lock()
		mute := silent
		silent = false
		mu.Unlock()
		for {
			request, err := c.Request()
			if err != nil {
				return
			}
			if !hello(c, request) && !mute {
				reply("VA 5 f0 c7 %O\r\nhello\r\n")(c, request)
			}
		}
	})
	opts := *shortTimeoutOptions
	opts.Timeout = time.Second
	c := openCache(t, &opts, server.Addr())
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := c.Get(ctx, "first")
	wantErr(t, err, context.DeadlineExceeded)
	var behind sync.WaitGroup
	behind.Go(func() { wantErr(t, setOne(c), core.ErrUnavailable) })
	behind.Go(func() { wantValue(t, c, "k", "hello") })
	behind.Wait()
	sets := 0
	for _, request := range server.Requests() {
		if strings.HasPrefix(request, "ms ") {
			sets++
		}
	}
	if sets != 1 || server.Dialled() != 2 {
		t.Errorf("%d stores over %d connections, want one, and two", sets, server.Dialled())
	}
}
