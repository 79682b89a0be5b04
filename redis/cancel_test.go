package redis_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/redis/redistest"
)

// Verbs are cancelled at many times, from at once to twice the time that the verb before took. Each
// worker has its own keys, so that it knows what it must read, and notices the reply to another
// verb.
func TestTenThousandCancelledVerbsLeaveNothing(t *testing.T) {
	server := redistest.Start(t, nil)
	goroutines := runtime.NumGoroutine()
	c := cacheOf(t, open(t, patient(server.Addr())))
	set(t, c, "warm", "v")
	var cancelled, replied atomic.Int64
	inParallel(16, 16, func(worker int) {
		count := uint64(0)
		for i := range 625 {
			key, value := fmt.Sprintf("k%d-%d", worker, i), fmt.Sprintf("v%d-%d", worker, i)
			start := time.Now()
			set(t, c, key, value)
			ctx, cancel := cancelAfter(time.Since(start) * time.Duration(i*37%200) / 100)
			var err error
			switch i % 4 {
			case 0:
				var got []byte
				if got, err = c.Get(ctx, key); err == nil && string(got) != value {
					t.Errorf("Get %s: %q", key, got)
				}
			case 1:
				var got map[string][]byte
				got, err = c.GetMulti(ctx, []string{key, key + " absent"})
				if err = keyError(err, key); err == nil &&
					(string(got[key]) != value || len(got) != 1) {
					t.Errorf("GetMulti %s: %q", key, got)
				}
			case 2:
				var n uint64
				if n, err = c.IncrFrom(ctx, fmt.Sprint("n", worker), 1, 0, 0); err == nil {
					if n <= count {
						t.Errorf("the counter is %d after %d", n, count)
					}
					count = n
				}
			case 3:
				err = c.Set(ctx, key+" other", []byte("x"), 0)
			}
			switch {
			case err == nil:
				replied.Add(1)
			case errors.Is(err, context.Canceled):
				cancelled.Add(1)
			default:
				t.Errorf("verb %d: %v", i, err)
			}
			cancel()
		}
	})
	if cancelled.Load() < 500 || replied.Load() < 500 {
		t.Errorf("%d cancelled and %d replied: too few of one to show anything", cancelled.Load(),
			replied.Load())
	}
	wantErr(t, "Close", c.Close(), nil)
	eventually(t, "all goroutines have ended",
		func() bool { return runtime.NumGoroutine() <= goroutines })
	eventually(t, "all connections but that of Do are closed",
		func() bool { return len(lines(server.Do("CLIENT", "LIST"))) == 1 })
}

func TestCloseEndsVerbsThatWaitAndLeavesNoGoroutine(t *testing.T) {
	start := map[string]func() ([]string, []*redistest.Server, string){
		"one server": func() ([]string, []*redistest.Server, string) {
			s := redistest.Start(t, nil)
			return []string{s.Addr()}, []*redistest.Server{s}, ""
		},
		"cluster": func() ([]string, []*redistest.Server, string) {
			c := redistest.StartCluster(t, 3, nil)
			return c.Addrs(), c, ""
		},
		"sentinel": func() ([]string, []*redistest.Server, string) {
			g := redistest.StartSentinel(t, nil)
			return []string{g.Sentinel.Addr()}, []*redistest.Server{g.Primary, g.Sentinel},
				redistest.MasterName
		},
	}
	for name, start := range start {
		t.Run(name, func(t *testing.T) {
			addrs, servers, master := start()
			before := runtime.NumGoroutine()
			opts := patient(addrs...)
			opts.Master = master
			c := cacheOf(t, open(t, opts))
			set(t, c, "k", "v")
			for _, s := range servers {
				s.Pause()
			}
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			ended := make(chan error)
			const waiting = 20
			for i := range waiting {
				go func() {
					use := ctx
					if i%2 == 0 {
						use = context.Background()
					}
					ended <- verbs[i%len(verbs)].call(use, c, "k")
				}()
			}
			eventually(t, "the verbs wait",
				func() bool { return runtime.NumGoroutine() >= before+waiting })
			takes(t, "Close", 5*time.Second, func() { wantErr(t, "Close", c.Close(), nil) })
			for range waiting {
				if err := <-ended; !errors.Is(err, core.ErrUnavailable) &&
					!errors.Is(err, core.ErrClosed) {
					t.Errorf("a verb that Close has ended: %v", err)
				}
			}
			for _, s := range servers {
				s.Resume()
			}
			if name == "cluster" && !longEnabled {
				return // rueidis may keep a connection that it does not need for 5 seconds
			}
			eventually(t, "all goroutines have ended",
				func() bool { return runtime.NumGoroutine() <= before })
		})
	}
}
