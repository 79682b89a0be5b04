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

// threadTime returns how long the processor has worked for this thread.
func threadTime(b *testing.B) time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		b.Fatal(err)
	}
	return time.Duration(t.Nano())
}

// BenchmarkPause reports the longest single call, as the time that the processor worked for
// it. That excludes other work of the machine, the garbage collector, which is off, and
// work that a cache does in its own goroutines. Rivals that accept the expected number of
// entries get it.
func BenchmarkPause(b *testing.B) {
	n := entryCount()
	keys := makeKeys(n)
	var value [100]byte
	defer debug.SetGCPercent(debug.SetGCPercent(-1))

	// run calls do for the length of the benchmark. do passes each call to measure.
	run := func(name string, do func(b *testing.B, measure func(call func()))) {
		b.Run(name, func(b *testing.B) {
			longest := time.Duration(0)
			for b.Loop() {
				runtime.GC()
				runtime.LockOSThread()
				do(b, func(call func()) {
					start := threadTime(b)
					call()
					longest = max(longest, threadTime(b)-start)
				})
				runtime.UnlockOSThread()
			}
			b.ReportMetric(float64(longest.Nanoseconds())/1e3, "us-worst")
		})
	}
	for _, r := range rivals {
		run("insert/"+r.name, func(b *testing.B, measure func(func())) {
			sc := scope{TB: b}
			defer sc.end()
			s := r.open(&sc, n)
			for _, key := range keys {
				measure(func() { s.set(strings.Clone(key), value[:]) })
			}
		})
	}

	ctx := context.Background()
	// runFull runs do with a cache that has all keys. do must leave the given number of items.
	runFull := func(
		name string, opts memory.Options, left int,
		do func(c *core.Cache, measure func(func())),
	) {
		run(name+"/cachewire", func(b *testing.B, measure func(func())) {
			c, err := core.New(must(memory.New(&opts)), nil)
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			for _, key := range keys {
				_ = c.Set(ctx, key, value[:], ttl)
			}
			do(c, measure)
			if s, err := c.Stats(ctx); err != nil || int(s.Items) != left {
				b.Fatalf("%d items are left, error %v; want %d", s.Items, err, left)
			}
		})
	}
	runFull("delete", memory.Options{}, 0, func(c *core.Cache, measure func(func())) {
		for _, key := range keys {
			measure(func() { _ = c.Delete(ctx, key) })
		}
	})
	evict := memory.Options{MaxItems: n}
	runFull("evict", evict, n, func(c *core.Cache, measure func(func())) {
		for range 4 { // so that every item was read often, and none can be evicted at once
			for _, key := range keys {
				_, _ = c.Get(ctx, key)
			}
		}
		for _, key := range keys {
			measure(func() { _ = c.Set(ctx, key+"2", value[:], ttl) })
		}
	})
	expire := memory.Options{BucketInterval: 10 * time.Millisecond}
	runFull("expire", expire, 1, func(c *core.Cache, measure func(func())) {
		for _, key := range keys {
			_ = c.Touch(ctx, key, time.Nanosecond)
		}
		for end := time.Now().Add(time.Second); time.Now().Before(end); {
			runtime.Gosched()
		}
		for range n {
			measure(func() { _ = c.Set(ctx, "k", value[:], 0) })
		}
	})
}
