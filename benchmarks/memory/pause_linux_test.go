package memory_test

import (
	"context"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memory"
	"golang.org/x/sys/unix"
)

// worked answers how long the processor has worked for this thread.
func worked(b *testing.B) time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		b.Fatal(err)
	}
	return time.Duration(t.Nano())
}

// BenchmarkPause reports the longest single call, in the time that the processor worked for
// it: what else the machine does is no part of it, nor is the collector, which is off, nor
// what a cache leaves to goroutines of its own. Rivals that can be told how many entries come
// have been.
func BenchmarkPause(b *testing.B) {
	n := *entries
	keys := makeKeys(n)
	var value [100]byte
	defer debug.SetGCPercent(debug.SetGCPercent(-1))

	// run runs do, which tells how long each call took, for as long as the benchmark is.
	run := func(name string, do func(b *testing.B, time func(call func()))) {
		b.Run(name, func(b *testing.B) {
			longest := time.Duration(0)
			for b.Loop() {
				runtime.GC()
				runtime.LockOSThread()
				do(b, func(call func()) {
					began := worked(b)
					call()
					longest = max(longest, worked(b)-began)
				})
				runtime.UnlockOSThread()
			}
			b.ReportMetric(float64(longest.Nanoseconds())/1e3, "us-worst")
		})
	}
	for _, r := range rivals {
		run("come/"+r.name, func(b *testing.B, time func(func())) {
			life := scope{TB: b}
			defer life.end()
			s := r.open(&life, n)
			for _, key := range keys {
				time(func() { s.set(strings.Clone(key), value[:]) })
			}
		})
	}

	ctx := context.Background()
	// with runs do with a cache that all keys are in, and says how many it is to leave.
	with := func(name string, opts memory.Options, left int, do func(c *core.Cache, time func(func()))) {
		run(name+"/cachewire", func(b *testing.B, time func(func())) {
			c, err := core.New(must(memory.New(&opts)), nil)
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			for _, key := range keys {
				_ = c.Set(ctx, key, value[:], ttl)
			}
			do(c, time)
			if s, err := c.Stats(ctx); err != nil || int(s.Items) != left {
				b.Fatalf("%d are left, error %v, want %d", s.Items, err, left)
			}
		})
	}
	with("go", memory.Options{}, 0, func(c *core.Cache, time func(func())) {
		for _, key := range keys {
			time(func() { _ = c.Delete(ctx, key) })
		}
	})
	with("evict", memory.Options{MaxItems: n}, n, func(c *core.Cache, time func(func())) {
		for range 4 { // so that none may go at once
			for _, key := range keys {
				_, _ = c.Get(ctx, key)
			}
		}
		for _, key := range keys {
			time(func() { _ = c.Set(ctx, key+"2", value[:], ttl) })
		}
	})
	with("expire", memory.Options{BucketInterval: 10 * time.Millisecond}, 1, func(c *core.Cache, timed func(func())) {
		for _, key := range keys {
			_ = c.Touch(ctx, key, time.Nanosecond)
		}
		for end := time.Now().Add(time.Second); time.Now().Before(end); {
			runtime.Gosched()
		}
		for range n {
			timed(func() { _ = c.Set(ctx, "k", value[:], 0) })
		}
	})
}
