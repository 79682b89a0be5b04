package memcachemeta_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memcache"
	"github.com/cachewire/cachewire/memcache/memcachetest"
)

// Three servers are killed, paused and restarted while 32 goroutines write and read. No read is of
// another key, or older than a write that has succeeded, and nothing is left afterwards.
func TestChaosReturnsNoWrongValue(t *testing.T) {
	rounds := 6
	if longEnabled {
		rounds = 60
	}
	servers := memcachetest.StartN(t, 3, nil)
	before := runtime.NumGoroutine()
	opts := *longTimeoutOptions
	opts.Timeout, opts.Dead = 200*time.Millisecond, memcache.Fail
	c, err := core.New(openBackend(t, &opts, servers.Addrs()...), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var good, failed atomic.Int64
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		concurrently(32, func(w int) { (&chaosWorker{T: t, cache: c}).run(ctx, w, &good, &failed) })
	}()
	waitForReads := func() {
		from := good.Load()
		eventually(t, "values are read", func() bool { return good.Load() > from+200 })
	}
	for round := range rounds {
		waitForReads()
		server := servers[round%3]
		fails := failed.Load()
		if round%2 == 0 {
			server.Kill()
		} else {
			server.Pause()
		}
		eventually(t, "verbs fail", func() bool { return failed.Load() > fails })
		if round%2 == 0 {
			server.Restart()
		} else {
			server.Resume()
		}
	}
	waitForReads()
	stop()
	<-finished
	wantErr(t, c.Close(), nil)
	eventually(t, "all goroutines have ended", func() bool {
		return runtime.NumGoroutine() <= before
	})
}

// A chaosWorker writes and reads keys of its own.
type chaosWorker struct {
	*testing.T
	cache *core.Cache
}

func (w *chaosWorker) run(ctx context.Context, id int, good, failed *atomic.Int64) {
	// least is the number of the last write that has succeeded. After a write that has failed,
	// which may still arrive, another generation of the key is used.
	var least, generation [8]int
	for n := 1; ctx.Err() == nil; n++ {
		slot := n % len(least)
		key := fmt.Sprintf("worker-%d-%d-%d", id, slot, generation[slot])
		verbCtx, cancel := context.WithTimeout(context.Background(), time.Second)
		if w.cache.Set(verbCtx, key, fmt.Appendf(nil, "%s=%d", key, n), 0) == nil {
			least[slot] = n
		} else {
			failed.Add(1)
			generation[slot]++
		}
		values, err := w.cache.GetMulti(verbCtx, []string{key, "absent"})
		var multi *core.MultiError
		if err != nil && !errors.As(err, &multi) {
			w.Errorf("GetMulti: error is %v", err)
		}
		value, found := values[key]
		if !found {
			one, err := w.cache.Get(verbCtx, key)
			if found = err == nil; found {
				value = one
			} else if !errors.Is(err, core.ErrMiss) && !errors.Is(err, core.ErrUnavailable) &&
				!errors.Is(err, context.DeadlineExceeded) {
				w.Errorf("Get: error is %v", err)
			}
		}
		cancel()
		if !found {
			continue // the server was restarted, or does not respond
		}
		var got int
		if _, err := fmt.Sscanf(string(value), key+"=%d", &got); err != nil ||
			got != n && got != least[slot] {
			w.Errorf("%s is %q, want number %d or %d", key, value, least[slot], n)
			return
		}
		good.Add(1)
	}
}
