package memory

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
)

func TestEachStoreSweepsABoundedPartOfManyItems(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 20000
		b := must(New(nil))
		for i := range n {
			set(t, b, key(i), nil, time.Second)
		}
		b.closeTimer()
		time.Sleep(time.Minute)
		stores, before := 0, uint64(n)
		for stats(b).Items > 1 {
			set(t, b, "k", nil, 0)
			after := stats(b).Items
			if dropped := before - min(before, after); dropped > sweepBudget/sweptItem+1 {
				t.Fatalf("one store swept %d items", dropped)
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

// With few stores and long times to live, the number of items in memory stays close to that
// of the live items, whatever shard and bucket they are in.
func TestSweepKeepsUpWithFewStores(t *testing.T) {
	for name, c := range map[string]struct {
		opts       Options
		ttl, every time.Duration // of each item, and between two stores
	}{
		"defaults, a month": {Options{}, 30 * 24 * time.Hour, 20 * time.Minute},
		"defaults, a day":   {Options{}, 24 * time.Hour, 30 * time.Second},
		"short rounds":      {Options{BucketInterval: time.Second}, 24 * time.Hour, time.Minute},
		"few long buckets": {
			Options{Buckets: 2, BucketInterval: time.Hour}, 24 * time.Hour, time.Minute,
		},
		"within a round": {Options{}, 10 * time.Minute, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := must(New(&c.opts))
				b.closeTimer() // stores alone keep up
				live := int(c.ttl / c.every)
				for i := range 4 * live {
					set(t, b, key(i), nil, c.ttl)
					time.Sleep(c.every)
				}
				if held := int(stats(b).Items); held > live+live/4+sweepBudget/sweptItem {
					t.Errorf("%d items are held, but only %d are live", held, live)
				}
				audit(t, b)
			})
		})
	}
}

func TestFewStoresSweepABurstOfItems(t *testing.T) {
	skipWithRace(t)
	synctest.Test(t, func(t *testing.T) {
		b := must(New(&Options{BucketInterval: minInterval}))
		b.closeTimer()
		for i := range 50000 {
			set(t, b, key(i), nil, time.Hour)
		}
		// There are five rounds between two stores, so that each store finds the sweeper at
		// the same bucket, which is not the first.
		time.Sleep(300 * time.Millisecond)
		for range 1200 {
			time.Sleep(3 * time.Second)
			set(t, b, "k", nil, 0)
		}
		time.Sleep(time.Minute)
		for range 1000 {
			time.Sleep(3 * time.Second)
			set(t, b, "k", nil, 0)
		}
		if held := stats(b).Items; held != 1 {
			t.Errorf("%d items are held, want 1", held)
		}
	})
}

// Items of the second row cost little, because the sweeps of the first row do not look at
// them.
func TestLongLivedItemsAreInTheSecondRow(t *testing.T) {
	b := must(New(nil))
	round := time.Duration(b.buckets * b.interval)
	for ttl, far := range map[time.Duration]bool{
		time.Second:         false,
		round - time.Minute: false,
		round + time.Minute: true,
		1000 * round:        true,
	} {
		set(t, b, "k", nil, ttl)
		hash := b.hash("k")
		table := b.shardOf(hash).table.Load()
		_, s := table.find(hash, "k")
		if bucket := table.due[s] - 1; (int64(bucket) >= b.buckets) != far {
			t.Errorf("an item for %v is in bucket %d; want it at %d or above: %v",
				ttl, bucket, b.buckets, far)
		}
		audit(t, b)
	}
}

// For a week, or two days of it, items are stored for a second, an hour, a day or without
// expiry. Expired items are gone within a round of buckets. At the end the heap is as small
// as before.
func TestAWeekOfStoresLeavesNoExpiredItems(t *testing.T) {
	skipWithRace(t)
	days := 2
	if longEnabled {
		days = 7
	}
	floor := heap()
	synctest.Test(t, func(t *testing.T) {
		b := must(New(nil))
		b.closeTimer() // stores alone keep up
		round := b.buckets * b.interval
		r := rand.New(rand.NewPCG(1, 2))
		ttls := []time.Duration{
			time.Second, time.Minute, 10 * time.Minute, time.Hour, 24 * time.Hour, 0,
		}
		largest := uint64(0)
		for minute := range days * 24 * 60 {
			for range 100 {
				i := r.IntN(len(ttls) * 20_000)
				set(t, b, key(i), make([]byte, 100), ttls[i%len(ttls)])
			}
			time.Sleep(time.Minute)
			if minute%(6*60) != 0 {
				continue
			}
			largest = max(largest, stats(b).Items)
			for i := range b.shards {
				for e := range b.shards[i].table.Load().all {
					if e.expired(b.now() - round) {
						t.Fatalf("after %d minutes %q is held, which expired more than a round ago",
							minute, e.key())
					}
				}
			}
			audit(t, b)
		}
		for i := range 20_000 { // the items that never expire
			b.Delete(context.Background(), key(i*len(ttls)+len(ttls)-1))
		}
		for range 2 * 24 * 60 {
			time.Sleep(time.Minute)
			set(t, b, "k", nil, 0)
		}
		if items := stats(b).Items; items != 1 || largest < 30_000 {
			t.Errorf("%d items are left of up to %d; want 1 of 30000 or more", items, largest)
		}
		if left := int64(heap()) - int64(floor); left > 1<<20 {
			t.Errorf("%d more bytes of heap are in use than before, want at most 1 MiB", left)
		}
		runtime.KeepAlive(b)
	})
}

func TestURLSetsTheInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache, err := core.Open(t.Context(), "memory://?interval=1s", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer cache.Close()
		cache.Set(t.Context(), "short", nil, time.Millisecond)
		time.Sleep(2 * time.Second)
		cache.Set(t.Context(), "k", nil, 0)
		if s, err := cache.Stats(t.Context()); err != nil || s.Items != 1 || s.Expirations != 1 {
			t.Errorf("Stats after two intervals: %+v and error %v, want one item, one expiration",
				s, err)
		}
	})
}

func TestTablesShrinkAfterTheirItemsExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := must(New(&Options{MaxItems: 1e6}))
		b.closeTimer()
		b.shards = b.shards[:16]
		const n = 16 * 4000
		for i := range n {
			set(t, b, key(i), nil, time.Second)
		}
		time.Sleep(time.Minute)
		for range 2 * n * sweptItem / sweepBudget {
			set(t, b, "k", nil, 0)
		}
		for i := range b.shards {
			sh := &b.shards[i]
			if n := bucketCount(sh); n > 64 {
				t.Fatalf("shard %d has %d items in a table of %d buckets", i, sh.count, n)
			}
		}
		audit(t, b)
	})
}

func TestSweepKeepsItemsOfLaterRounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := must(New(&Options{Buckets: 4, BucketInterval: time.Second}))
		for i := range 100 {
			set(t, b, key(i), nil, time.Duration(i+1)*time.Second)
		}
		for second := range 120 {
			time.Sleep(time.Second)
			synctest.Wait()
			set(t, b, "k", nil, 0)
			// An item that expires in this second may be swept only when the second is over.
			want := max(100-second, 0) + 1
			if got := int(stats(b).Items); got != want && got != want-1 {
				t.Errorf("after %d s there are %d items, want %d or one less", second+1, got, want)
			}
		}
		audit(t, b)
	})
}

func TestSweepCatchesUpAfterALongTimeWithoutStores(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := must(New(&Options{Buckets: 10, BucketInterval: time.Second}))
		b.closeTimer()
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

func TestTouchedItemsAndCountersExpireWhenTheyShould(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := must(New(&Options{Buckets: 4, BucketInterval: time.Second}))
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
			t.Errorf("%d items, want 3: one that never expires, one for an hour, and the new one",
				got)
		}
		audit(t, b)
	})
}

func TestSweepsRunConcurrentlyWithOtherVerbs(t *testing.T) {
	b := must(New(&Options{Buckets: 3, BucketInterval: minInterval}))
	var workers sync.WaitGroup
	for w := range 4 {
		workers.Go(func() {
			for i := w; stats(b).Expirations < 2000; i += 4 {
				set(t, b, key(i%500), nil, time.Duration(i%20)*time.Millisecond)
				set(t, b, key(500+i), []byte("v"), time.Millisecond) // never read
				has(b, key(i%500))
				b.Touch(context.Background(), key(i%500), time.Millisecond)
			}
		})
	}
	workers.Wait()
	audit(t, b)
}

func TestBytesIsTheHeapInUse(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("measures the heap, which takes long and needs a build without the race detector")
	}
	const total = 16 << 20 // bytes of the largest cache
	sizes, parts := []int{0, 100, 1000, 10000, 33000}, []int{5, 8}
	if longEnabled {
		sizes, parts = []int{0, 10, 100, 1000, 10000, 33000}, []int{5, 6, 7, 8, 9, 10}
	}
	// The clocks of other tests keep their caches in memory for a tick or two.
	for b := must(New(nil)); b.coarse.Load() < int64(10*clockTick); {
		set(t, b, "k", nil, time.Hour)
	}
	for _, bound := range []bool{false, true} {
		for _, size := range sizes {
			for i, part := range parts {
				if size > 100 && i < len(parts)-1 {
					continue // the overhead of large values is small
				}
				var opts Options
				n := part * total / 10 / (size + 100)
				if bound {
					opts.MaxBytes = int64(part) * total / 10
					n *= 3 // enough for the largest number of ghosts
				}
				value := make([]byte, size)
				before := heap()
				b := must(New(&opts))
				name, ctx := make([]byte, 0, 36), t.Context()
				for i := range n {
					name = fmt.Appendf(name[:0], "a key of some length, and no. %06d", i)
					item := core.Item{Key: string(name), Value: value, TTL: time.Hour}
					if err := b.Store(ctx, core.Set, item); err != nil {
						t.Fatal(err)
					}
				}
				what := fmt.Sprintf("bound %v, %d values of %d bytes", bound, n, size)
				used, reported := float64(heap()-before), float64(stats(b).Bytes)
				if used < reported*0.95 || used > reported*1.05 {
					t.Errorf("%s: %.0f bytes of heap, but Stats.Bytes is %.0f (%.3f)",
						what, used, reported, used/reported)
				}
				t.Logf("%s: %.0f bytes of heap each, %.3f of Stats.Bytes",
					what, used/float64(stats(b).Items), used/reported)
				b.Close()
			}
		}
	}
}

// heap returns the bytes of the heap in use, after a garbage collection.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestVerbsAllocateAtMostTheBlock(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	b := must(New(nil))
	cache, err := core.New(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	value := make([]byte, 100)
	set(t, b, "n", []byte("1"), 0)
	set(t, b, "k", value, 0)
	for name, c := range map[string]struct {
		want float64
		verb func()
	}{
		"Get":            {0, func() { cache.Get(ctx, "k") }},
		"Get of a miss":  {0, func() { cache.Get(ctx, "absent") }},
		"GetItem":        {0, func() { cache.GetItem(ctx, "k") }},
		"Set":            {1, func() { cache.Set(ctx, "k", value, time.Hour) }}, // the block
		"Add that fails": {0, func() { b.Store(ctx, core.Add, core.Item{Key: "k", Value: value}) }},
		"Incr":           {0, func() { cache.Incr(ctx, "n", 1) }},
		"Decr":           {0, func() { cache.Decr(ctx, "n", 1) }},
		"Touch":          {0, func() { cache.Touch(ctx, "k", time.Hour) }},
		"TTL":            {0, func() { cache.TTL(ctx, "k") }},
		"Delete, Set":    {1, func() { cache.Delete(ctx, "k"); cache.Set(ctx, "k", value, 0) }},
	} {
		if got := testing.AllocsPerRun(100, c.verb); got > c.want {
			t.Errorf("%s: %v allocations, want %v", name, got, c.want)
		}
	}
}

// A sweep looks at the buckets of the ticks and rounds that are over, and at no others. It knows
// when the others are next.
func TestSweptTicksHaveTheirBuckets(t *testing.T) {
	const interval = 10
	for _, buckets := range []int64{1, 3, 60} {
		s := &sweeper{buckets: buckets, interval: interval}
		for first := range 2 * buckets {
			for _, n := range []int64{1, 2, buckets, 3*buckets + 1} {
				next := map[int64]int64{} // by bucket, the first tick from first on
				for tick := first + (farRounds+2)*buckets; tick >= first; tick-- {
					next[tick%buckets] = tick
					if tick%buckets == 0 {
						next[buckets+tick/buckets%farRounds] = tick
					}
				}
				ticks := s.newSweptTicks(first, first+n)
				for bucket, tick := range next {
					s.earliest = math.MaxInt64
					swept, earliest := tick < first+n, tick*interval
					if swept {
						earliest = math.MaxInt64
					}
					if got := ticks.have(bucket); got != swept || s.earliest != earliest {
						t.Fatalf("%d buckets, ticks from %d to %d: bucket %d is swept: %v, next at %d; "+
							"want %v, %d", buckets, first, first+n, bucket, got, s.earliest, swept, earliest)
					}
				}
			}
		}
	}
}
