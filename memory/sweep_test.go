package memory

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
)

func TestStoresSweepManyItemsABoundedPartEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 20000
		b := New(nil)
		for i := range n {
			set(t, b, key(i), nil, time.Second)
		}
		time.Sleep(time.Minute)
		stores, before := 0, uint64(n)
		for stats(b).Items > 1 {
			set(t, b, "k", nil, 0)
			after := stats(b).Items
			// What one store may do: its budget, and the rest of a shard's bucket.
			if gone := before - min(before, after); gone > sweepBudget+n/16 {
				t.Fatalf("one store swept %d items", gone)
			}
			before = after
			if stores++; stores > n {
				t.Fatalf("after %d stores %d items are left", stores, after)
			}
		}
		if stores < 2 {
			t.Errorf("one store swept all %d items", n)
		}
		if got := stats(b).Expirations; got != n {
			t.Errorf("%d expirations, want %d", got, n)
		}
		audit(t, b)
	})
}

func TestSweepLeavesItemsOfLaterRounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(&Options{Buckets: 4, BucketInterval: time.Second})
		for i := range 100 {
			set(t, b, key(i), nil, time.Duration(i+1)*time.Second)
		}
		for second := range 120 {
			time.Sleep(time.Second)
			set(t, b, "k", nil, 0)
			// An item of this second is swept when the second is over.
			want := max(100-second, 0) + 1
			if got := int(stats(b).Items); got != want && got != want-1 {
				t.Errorf("after %d s there are %d items, want %d or one less", second+1, got, want)
			}
		}
		audit(t, b)
	})
}

func TestSweepCatchesUpAfterALongSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(&Options{Buckets: 10, BucketInterval: time.Second})
		for i := range 500 {
			set(t, b, key(i), nil, time.Duration(i+1)*time.Second)
		}
		time.Sleep(240 * time.Hour)
		for range 10 * maxShards {
			set(t, b, "k", nil, 0)
		}
		if got := stats(b).Items; got != 1 {
			t.Errorf("%d items are left, want 1", got)
		}
		audit(t, b)
	})
}

func TestTouchAndCountersMoveBetweenBuckets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(&Options{Buckets: 4, BucketInterval: time.Second})
		ctx := context.Background()
		for i, ttl := range []time.Duration{0, time.Second, time.Hour} {
			set(t, b, key(i), []byte("1"), time.Minute)
			if err := b.Touch(ctx, key(i), ttl); err != nil {
				t.Fatal(err)
			}
			if _, err := b.Incr(ctx, key(i), 1); err != nil {
				t.Fatal(err)
			}
			audit(t, b)
		}
		time.Sleep(2 * time.Minute)
		set(t, b, "k", nil, 0)
		if got := stats(b).Items; got != 3 {
			t.Errorf("%d items, want those for ever and for an hour, and the new one", got)
		}
		audit(t, b)
	})
}

func TestSweepsRunBesideEverythingElse(t *testing.T) {
	b := New(&Options{Buckets: 3, BucketInterval: 1}) // the shortest that there is
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 20000 {
			set(t, b, key(i%500), nil, time.Duration(i%20)*time.Millisecond)
		}
	}()
	for i := 0; ; i++ {
		select {
		case <-done:
			audit(t, b)
			if stats(b).Expirations == 0 {
				t.Error("nothing expired: this proves nothing")
			}
			return
		default:
			has(b, key(i%500))
			b.Touch(context.Background(), key(i%500), time.Millisecond)
			set(t, b, key(500+i%500), []byte("v"), time.Millisecond)
		}
	}
}

func TestBytesTellTheHeapInUse(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("measures the heap of a build as users have it")
	}
	for _, size := range []int{0, 10, 100, 1000, 10000} {
		const n = 100000
		count := n / (1 + size/1000)
		before := heap()
		b := New(nil)
		for i := range count {
			set(t, b, key(i)+key(i)+key(i), make([]byte, size), time.Hour)
		}
		used, told := float64(heap()-before), float64(stats(b).Bytes)
		if used < told*0.85 || used > told*1.15 {
			t.Errorf("values of %d bytes: %.0f bytes of heap an item, %.0f are told", size, used/float64(count), told/float64(count))
		}
		runtime.KeepAlive(b)
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	b := New(nil)
	cache, err := core.New(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	value := make([]byte, 100)
	set(t, b, "n", []byte("1"), 0)
	set(t, b, "k", value, 0)
	for what, c := range map[string]struct {
		want float64
		verb func()
	}{
		"Get":           {0, func() { cache.Get(ctx, "k") }},
		"Get of a miss": {0, func() { cache.Get(ctx, "absent") }},
		"GetItem":       {0, func() { cache.GetItem(ctx, "k") }},
		"Set":           {1, func() { cache.Set(ctx, "k", value, time.Hour) }}, // the copy of the value
		"Incr":          {0, func() { cache.Incr(ctx, "n", 1) }},
		"Decr":          {0, func() { cache.Decr(ctx, "n", 1) }},
		"Touch":         {0, func() { cache.Touch(ctx, "k", time.Hour) }},
		"TTL":           {0, func() { cache.TTL(ctx, "k") }},
		"Delete, Set":   {3, func() { cache.Delete(ctx, "k"); cache.Set(ctx, "k", value, 0) }}, // key, value, entry
	} {
		if got := testing.AllocsPerRun(100, c.verb); got > c.want {
			t.Errorf("%s: %v allocations, want %v", what, got, c.want)
		}
	}
}
