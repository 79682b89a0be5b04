package memory

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
)

func TestStoresSweepManyItemsABoundedPartEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 20000
		b := must(New(nil))
		for i := range n {
			set(t, b, key(i), nil, time.Second)
		}
		time.Sleep(time.Minute)
		stores, before := 0, uint64(n)
		for stats(b).Items > 1 {
			set(t, b, "k", nil, 0)
			after := stats(b).Items
			if gone := before - min(before, after); gone > sweepBudget/sweptItem+1 {
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

// Few stores, long lives: what is held stays close to what is alive, in whichever
// shard and bucket it lies.
func TestSweepKeepsUpWithFewStores(t *testing.T) {
	for name, c := range map[string]struct {
		opts       Options
		ttl, every time.Duration
	}{
		"defaults, a month":      {Options{}, 30 * 24 * time.Hour, 20 * time.Minute},
		"defaults, a day":        {Options{}, 24 * time.Hour, 30 * time.Second},
		"short rounds":           {Options{BucketInterval: time.Second}, 24 * time.Hour, time.Minute},
		"few buckets, long ones": {Options{Buckets: 2, BucketInterval: time.Hour}, 24 * time.Hour, time.Minute},
		"within a round":         {Options{}, 10 * time.Minute, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := must(New(&c.opts))
				live := int(c.ttl / c.every)
				for i := range 4 * live {
					set(t, b, key(i), nil, c.ttl)
					time.Sleep(c.every)
				}
				if held := int(stats(b).Items); held > live+live/4+sweepBudget/sweptItem {
					t.Errorf("%d items are held, of which %d are alive", held, live)
				}
				audit(t, b)
			})
		})
	}
}

func TestSweepClearsABurstWithFewStores(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := must(New(&Options{BucketInterval: minInterval}))
		for i := range 50000 {
			set(t, b, key(i), nil, time.Hour)
		}
		// Five rounds lie between two stores, so that each finds the sweeper at
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

// What makes a long life cheap: a round's end does not look at those who live on.
func TestItemsThatLiveLongLieInTheFarRow(t *testing.T) {
	b := must(New(nil))
	round := time.Duration(b.buckets * b.interval)
	for ttl, far := range map[time.Duration]bool{time.Second: false, round - time.Minute: false, round + time.Minute: true, 1000 * round: true} {
		set(t, b, "k", nil, ttl)
		hash := b.hash("k")
		table := b.shardOf(hash).table.Load()
		_, s := table.find(hash, "k")
		if bucket := table.due[s] - 1; (int64(bucket) >= b.buckets) != far {
			t.Errorf("an item for %v lies in bucket %d of %d; far: want %v", ttl, bucket, b.buckets, far)
		}
		audit(t, b)
	}
}

// A week, or two days of it, of stores for a second, an hour, a day or for ever: what has expired
// is gone within a round of buckets, and in the end the heap is as it was.
func TestAWeek(t *testing.T) {
	days := 2
	if longEnabled {
		days = 7
	}
	floor := heap()
	synctest.Test(t, func(t *testing.T) {
		b := must(New(nil))
		round := b.buckets * b.interval
		r := rand.New(rand.NewPCG(1, 2))
		lives := []time.Duration{time.Second, time.Minute, 10 * time.Minute, time.Hour, 24 * time.Hour, 0}
		most := uint64(0)
		for minute := range days * 24 * 60 {
			for range 100 {
				i := r.IntN(len(lives) * 20_000)
				set(t, b, key(i), make([]byte, 100), lives[i%len(lives)])
			}
			time.Sleep(time.Minute)
			if minute%(6*60) != 0 {
				continue
			}
			most = max(most, stats(b).Items)
			for i := range b.shards {
				for _, e := range b.shards[i].table.Load().all {
					if e.expired(b.now() - round) {
						t.Fatalf("after %d minutes %q is there, which expired more than a round ago", minute, e.key())
					}
				}
			}
			audit(t, b)
		}
		for i := range 20_000 { // those for ever
			b.Delete(context.Background(), key(i*len(lives)+len(lives)-1))
		}
		for range 2 * 24 * 60 {
			time.Sleep(time.Minute)
			set(t, b, "k", nil, 0)
		}
		if items := stats(b).Items; items != 1 || most < 30_000 {
			t.Errorf("%d items are left, of up to %d", items, most)
		}
		if left := int64(heap()) - int64(floor); left > 1<<20 {
			t.Errorf("%d bytes of the heap are left", left)
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
			t.Errorf("Stats after two intervals: %+v and error %v, want the expired item swept", s, err)
		}
	})
}

func TestMapGetsSmallerOnceItsItemsAreGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := must(New(&Options{MaxItems: 1e6}))
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
			if sh := &b.shards[i]; len(sh.table.Load().buckets) > 64 {
				t.Fatalf("shard %d holds %d items in a table of %d buckets", i, sh.count, len(sh.table.Load().buckets))
			}
		}
		audit(t, b)
	})
}

func TestSweepLeavesItemsOfLaterRounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := must(New(&Options{Buckets: 4, BucketInterval: time.Second}))
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
		b := must(New(&Options{Buckets: 10, BucketInterval: time.Second}))
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
			t.Errorf("%d items, want those for ever and for an hour, and the new one", got)
		}
		audit(t, b)
	})
}

func TestSweepsRunBesideEverythingElse(t *testing.T) {
	b := must(New(&Options{Buckets: 3, BucketInterval: minInterval}))
	var workers sync.WaitGroup
	for w := range 4 {
		workers.Go(func() {
			for i := w; stats(b).Expirations < 2000; i += 4 {
				set(t, b, key(i%500), nil, time.Duration(i%20)*time.Millisecond)
				set(t, b, key(500+i), []byte("v"), time.Millisecond) // which nobody reads
				has(b, key(i%500))
				b.Touch(context.Background(), key(i%500), time.Millisecond)
			}
		})
	}
	workers.Wait()
	audit(t, b)
}

func TestBytesTellTheHeapInUse(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("measures the heap of a build as users have it")
	}
	const most = 16 << 20
	sizes, parts := []int{0, 100, 1000, 10000, 33000}, []int{5, 8}
	if longEnabled {
		sizes, parts = []int{0, 10, 100, 1000, 10000, 33000}, []int{5, 6, 7, 8, 9, 10}
	}
	// The clocks of other tests' caches hold on to them for a tick or two.
	for b := must(New(nil)); b.coarse.Load() < int64(10*clockTick); {
		set(t, b, "k", nil, time.Hour)
	}
	for _, bound := range []bool{false, true} {
		for _, size := range sizes {
			for i, part := range parts {
				if size > 100 && i < len(parts)-1 {
					continue // what lies beside so much is little
				}
				var opts Options
				n := part * most / 10 / (size + 100)
				if bound {
					opts.MaxBytes = int64(part) * most / 10
					n *= 3 // so that there are as many ghosts as there may be
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
				used, told := float64(heap()-before), float64(stats(b).Bytes)
				if used < told*0.95 || used > told*1.05 {
					t.Errorf("bound %v, %d values of %d bytes: %.0f bytes of heap, %.0f are told (%.3f)", bound, n, size, used, told, used/told)
				}
				t.Logf("bound %v, %d values of %d bytes: %.0f bytes of heap each, %.3f of what is told", bound, n, size, used/float64(stats(b).Items), used/told)
				b.Close()
			}
		}
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
	b := must(New(nil))
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
			t.Errorf("%s: %v allocations, want %v", what, got, c.want)
		}
	}
}
