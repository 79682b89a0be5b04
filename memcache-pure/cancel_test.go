//go:build slow

package memcachepure_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache/memcachetest"
)

// eventually waits until ok answers true.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("still not so: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// Ten thousand verbs, cancelled after anything between no time at all and more than
// they take. Each goroutine has keys of its own, so that it knows what may be read.
func TestTenThousandCancelledVerbsLeaveNothingBehind(t *testing.T) {
	server := memcachetest.Start(t, nil)
	before := runtime.NumGoroutine()
	c := openCache(t, patient, server.Addr())
	var cancelled, answered atomic.Int64
	const workers, rounds = 16, 625
	next := make(chan int, workers)
	for w := range workers {
		next <- w
	}
	close(next)
	together(workers, func() {
		w := <-next
		key := func(i int) string { return fmt.Sprintf("worker-%d-%d", w, i%7) }
		for i := range rounds {
			ctx, cancel := context.WithCancel(context.Background())
			timer := time.AfterFunc(time.Duration(i*37%400)*time.Duration(1+i%3*20)*time.Microsecond, cancel)
			value := fmt.Sprintf("%s=%d", key(i), i)
			var err error
			switch i % 5 {
			case 0:
				err = c.Set(ctx, key(i), []byte(value), 0)
			case 1, 2:
				var got []byte
				if got, err = c.Get(ctx, key(i)); err == nil && !strings.HasPrefix(string(got), key(i)+"=") {
					t.Errorf("%s is %q, another key's value", key(i), got)
				}
			case 3:
				var got map[string][]byte
				got, err = c.GetMulti(ctx, []string{key(i), key(i + 1), key(i + 2)})
				for k, v := range got {
					if !strings.HasPrefix(string(v), k+"=") {
						t.Errorf("%s is %q, another key's value", k, v)
					}
				}
				err = keyError(err, key(i))
			case 4:
				var n uint64
				if n, err = c.IncrFrom(ctx, fmt.Sprintf("count-%d", w), 1, 1000, 0); err == nil && (n < 1000 || n > 1000+rounds) {
					t.Errorf("the counter is %d", n)
				}
			}
			switch {
			case errors.Is(err, context.Canceled):
				cancelled.Add(1)
			case err == nil || err == core.ErrMiss:
				answered.Add(1)
			default:
				t.Errorf("verb %d: %v", i, err)
			}
			timer.Stop()
			cancel()
		}
	})
	if cancelled.Load() < 500 || answered.Load() < 500 {
		t.Errorf("%d cancelled and %d answered: too few of one to show anything", cancelled.Load(), answered.Load())
	}
	connections := func() int {
		n, err := strconv.Atoi(server.Stat("curr_connections"))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	eventually(t, "connections are no more than are kept idle", func() bool { return connections() <= 64+4 })
	wantErr(t, c.Close(), nil)
	eventually(t, "all connections are closed", func() bool { return connections() <= 4 })
	eventually(t, "all goroutines have ended", func() bool { return runtime.NumGoroutine() <= before })
}

// Close ends verbs that wait for a server which does not answer, and what was
// abandoned before.
func TestCloseEndsWhatIsInFlight(t *testing.T) {
	server := memcachetest.Start(t, nil)
	proxy := memcachetest.StartProxy(t, server.Addr(), nil)
	before := runtime.NumGoroutine()
	c := openCache(t, patient, proxy.Addr())
	set(t, c, "k", "v")
	server.Pause()
	defer server.Resume()
	ctx, cancel := context.WithCancel(context.Background())
	cancelled := make(chan error, 10)
	for range cap(cancelled) {
		go func() { _, err := c.Get(ctx, "k"); cancelled <- err }()
	}
	waiting := make(chan error, 10)
	for range cap(waiting) {
		go func() { waiting <- c.Set(context.Background(), "k", nil, 0) }()
	}
	eventually(t, "the verbs have connections", func() bool { return proxy.Open() >= 20 })
	cancel()
	for range cap(cancelled) {
		wantErr(t, <-cancelled, context.Canceled)
	}
	start := time.Now()
	wantErr(t, c.Close(), nil)
	for range cap(waiting) {
		wantErr(t, <-waiting, core.ErrUnavailable)
	}
	if took := time.Since(start); took > patient.Timeout/2 {
		t.Errorf("Close took %v", took)
	}
	server.Resume() // and the proxy has nothing to wait for
	eventually(t, "all goroutines have ended", func() bool { return runtime.NumGoroutine() <= before })
	wantErr(t, c.Set(context.Background(), "k", nil, 0), core.ErrClosed)
}

// A server that is killed, paused and restarted under load costs errors while it is
// gone, and never a wrong answer; and afterwards all is as before.
func TestAServerComesAndGoesUnderLoad(t *testing.T) {
	server := memcachetest.Start(t, nil)
	c := openCache(t, impatient, server.Addr())
	stop := make(chan struct{})
	done := make(chan struct{})
	var good atomic.Int64
	go func() {
		defer close(done)
		next := make(chan int, 8)
		for w := range 8 {
			next <- w
		}
		together(8, func() {
			key := fmt.Sprint("worker-", <-next)
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				if err := c.Set(ctx, key, fmt.Append(nil, key, "=", i), 0); err != nil && !errors.Is(err, core.ErrUnavailable) {
					t.Errorf("Set: %v", err)
				}
				got, err := c.Get(ctx, key)
				cancel()
				switch {
				case err == nil:
					good.Add(1)
					if !strings.HasPrefix(string(got), key+"=") {
						t.Errorf("%s is %q", key, got)
					}
				case err != core.ErrMiss && !errors.Is(err, core.ErrUnavailable):
					t.Errorf("Get: %v", err)
				}
			}
		})
	}()
	works := func() {
		t.Helper()
		from := good.Load()
		eventually(t, "verbs succeed", func() bool { return good.Load() > from+100 })
	}
	for range 3 {
		works()
		server.Kill()
		eventually(t, "a verb fails", func() bool { _, err := c.Get(context.Background(), "k"); return errors.Is(err, core.ErrUnavailable) })
		server.Restart()
		works()
		server.Pause()
		eventually(t, "a verb fails", func() bool { _, err := c.Get(context.Background(), "k"); return errors.Is(err, core.ErrUnavailable) })
		server.Resume()
		works()
		server.Restart()
	}
	works()
	close(stop)
	<-done
}
