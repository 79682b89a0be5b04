package redis_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/redis"
	"github.com/cachewire/cachewire/redis/redistest"
)

// slack is how late a verb may be on a busy machine; the contract allows 50 ms.
const slack = 50*time.Millisecond + 450*time.Millisecond

func cancelAfter(pause time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	timer := time.AfterFunc(pause, cancel)
	return ctx, func() { timer.Stop(); cancel() }
}

// takes fails if f takes longer than limit.
func takes(t testing.TB, what string, limit time.Duration, f func()) {
	t.Helper()
	start := time.Now()
	f()
	if took := time.Since(start); took > limit {
		t.Errorf("%s took %v, want at most %v", what, took, limit)
	}
}

// inParallel calls f for each number below n, some at a time.
func inParallel(n, workers int, f func(i int)) {
	var next atomic.Int64
	var running sync.WaitGroup
	for range workers {
		running.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	running.Wait()
}

// calls returns how often the server has carried out a command, including in scripts.
func calls(t testing.TB, server *redistest.Server, command string) int {
	t.Helper()
	for line := range strings.Lines(server.Do("INFO", "commandstats")) {
		if figures, ok := strings.CutPrefix(line, "cmdstat_"+command+":calls="); ok {
			figures, _, _ = strings.Cut(figures, ",")
			return must(strconv.Atoi(figures))
		}
	}
	return 0
}

// storm runs verbs from many goroutines whose contexts are done after 20 ms, until stop, and
// returns how late the latest was.
func storm(c *core.Cache, stop <-chan struct{}) (worst time.Duration, n int64) {
	var late, count atomic.Int64
	inParallel(64, 64, func(i int) {
		for round := 0; ; round++ {
			select {
			case <-stop:
				return
			default:
			}
			const pause = 20 * time.Millisecond
			ctx, cancel := context.WithTimeout(context.Background(), pause)
			if round%2 == 0 {
				cancel()
				ctx, cancel = cancelAfter(pause)
			}
			start := time.Now()
			v := verbs[(i+round)%12] // not the slow ones
			_ = v.call(ctx, c, fmt.Sprint("k", i))
			took := int64(time.Since(start) - pause)
			for old := late.Load(); took > old &&
				!late.CompareAndSwap(old, took); old = late.Load() {
			}
			count.Add(1)
			cancel()
		}
	})
	return time.Duration(late.Load()), count.Load()
}

// The server is stopped, resumed, killed and replaced by one that is silent, under load.
func TestVerbsReturnInTimeWhateverTheServerDoes(t *testing.T) {
	for name, start := range map[string]func() (*redistest.Server, *redis.Options){
		"one server": func() (*redistest.Server, *redis.Options) {
			s := redistest.Start(t, nil)
			return s, &redis.Options{Addrs: []string{s.Addr()}}
		},
		"4 connections": func() (*redistest.Server, *redis.Options) {
			s := redistest.Start(t, nil)
			return s, &redis.Options{Addrs: []string{s.Addr()}, Connections: 4}
		},
		"one of a cluster": func() (*redistest.Server, *redis.Options) {
			c := redistest.StartCluster(t, 3, nil)
			return c[1], &redis.Options{Addrs: c.Addrs()}
		},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "4 connections" && !longEnabled {
				t.Skip("it runs in make long")
			}
			server, opts := start()
			c := openCache(t, opts)
			set(t, c, "k", "v")
			stop := make(chan struct{})
			done := make(chan time.Duration)
			go func() {
				worst, n := storm(c, stop)
				t.Logf("%d verbs, the latest %v late", n, worst)
				done <- worst
			}()
			length := 300 * time.Millisecond
			if longEnabled {
				length = 10 * time.Second
			}
			stage := func(what string, length time.Duration) {
				t.Log(what)
				time.Sleep(length) // for verbs to meet it
			}
			stage("healthy", 100*time.Millisecond)
			server.Pause()
			stage("silent", length)
			server.Resume()
			stage("resumed", 100*time.Millisecond)
			server.Restart()
			server.Pause()
			stage("killed, and silent after the restart", length)
			close(stop)
			if worst := <-done; worst > slack {
				t.Errorf("a verb returned %v after its context was done", worst)
			}
			server.Resume()
			eventually(t, "verbs succeed",
				func() bool {
					return c.SetMulti(t.Context(),
						map[string][]byte{"a": nil, "b": nil, "c": nil}, 0) == nil
				})
		})
	}
}

// While one primary of a cluster is silent, the keys of the others are served.
func TestASilentPrimaryCostsItsOwnKeys(t *testing.T) {
	cluster := redistest.StartCluster(t, 3, nil)
	c := openCache(t, &redis.Options{Addrs: cluster.Addrs()})
	keys := []string{"key-a", "key-c", "key-b", "key-d", "key-e", "key-f"}
	for _, key := range keys {
		set(t, c, key, key)
	}
	cluster[2].Pause()
	var served, failed int
	for round := range 100 {
		key := keys[round%len(keys)]
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		got, err := c.Get(ctx, key)
		cancel()
		switch {
		case err == nil && string(got) == key:
			served++
		case errors.Is(err, context.DeadlineExceeded), errors.Is(err, core.ErrUnavailable):
			failed++
		default:
			t.Errorf("Get %s: %q, %v", key, got, err)
		}
	}
	if served < 20 || failed < 5 {
		t.Errorf("%d verbs were served and %d failed, want both", served, failed)
	}
	cluster[2].Resume()
}
