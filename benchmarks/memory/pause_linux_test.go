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
func worked() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		panic(err)
	}
	return time.Duration(t.Nano())
}

// BenchmarkPause reports the longest single call, in the processor's time, so that what else
// the machine does is no part of it, and without the collector.
func BenchmarkPause(b *testing.B) {
	n := *entries
	keys := makeKeys(n)
	var value [100]byte
	defer debug.SetGCPercent(debug.SetGCPercent(-1))

	worst := func(b *testing.B, calls int, call func(i int)) {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		longest := time.Duration(0)
		for i := range calls {
			began := worked()
			call(i)
			longest = max(longest, worked()-began)
		}
		b.ReportMetric(float64(longest.Nanoseconds())/1e3, "us-worst")
	}
	for _, r := range rivals {
		b.Run("come/"+r.name, func(b *testing.B) {
			for b.Loop() {
				runtime.GC()
				s := r.open(b, n)
				worst(b, n, func(i int) { s.set(strings.Clone(keys[i]), value[:]) })
			}
		})
	}

	ctx := context.Background()
	open := func(opts memory.Options) *core.Cache {
		c, err := core.New(memory.New(&opts), nil)
		if err != nil {
			b.Fatal(err)
		}
		return c
	}
	set := func(c *core.Cache, key string, ttl time.Duration) {
		if err := c.Set(ctx, key, value[:], ttl); err != nil {
			b.Fatal(err)
		}
	}
	held := func(c *core.Cache) int {
		s, err := c.Stats(ctx)
		if err != nil {
			b.Fatal(err)
		}
		return int(s.Items)
	}
	fill := func(c *core.Cache, ttl time.Duration) {
		for _, key := range keys {
			set(c, key, ttl)
		}
	}
	b.Run("go/cachewire", func(b *testing.B) {
		for b.Loop() {
			runtime.GC()
			c := open(memory.Options{})
			fill(c, ttl)
			worst(b, n, func(i int) { _ = c.Delete(ctx, keys[i]) })
			if left := held(c); left != 0 {
				b.Fatalf("%d are left", left)
			}
		}
	})
	b.Run("evict/cachewire", func(b *testing.B) {
		for b.Loop() {
			runtime.GC()
			c := open(memory.Options{MaxItems: n})
			fill(c, ttl)
			for range 4 { // so that none may go at once
				for _, key := range keys {
					_, _ = c.Get(ctx, key)
				}
			}
			worst(b, n, func(i int) { set(c, keys[i]+"2", ttl) })
			if left := held(c); left != n {
				b.Fatalf("%d are left", left)
			}
		}
	})
	b.Run("expire/cachewire", func(b *testing.B) {
		for b.Loop() {
			runtime.GC()
			c := open(memory.Options{BucketInterval: 10 * time.Millisecond})
			end := time.Now().Add(5 * time.Second)
			fill(c, time.Until(end))
			if left := held(c); left != n {
				b.Fatalf("%d are left before their time", left)
			}
			for time.Now().Before(end.Add(time.Second)) {
				runtime.Gosched()
			}
			worst(b, n, func(int) { set(c, "k", 0) })
			if left := held(c); left != 1 {
				b.Fatalf("%d are left", left)
			}
		}
	})
}
