package memory

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
)

func key(i int) string { return fmt.Sprintf("key-%08d", i) }

func set(t testing.TB, b *Backend, key string, value []byte, ttl time.Duration) {
	t.Helper()
	if err := b.Store(context.Background(), core.Set, core.Item{Key: key, Value: value, TTL: ttl}); err != nil {
		t.Errorf("Set of %q: %v", key, err) // not Fatal, for goroutines call this too
	}
}

func has(b *Backend, key string) bool {
	_, err := b.GetItem(context.Background(), key)
	return err == nil
}

func stats(b *Backend) core.Stats {
	s, _ := b.Stats(context.Background())
	return s
}

func TestNothingGoesBeforeTheBoundIsReached(t *testing.T) {
	for _, n := range []int{1, 10, 100, 1000, 20000} {
		b := must(New(&Options{MaxItems: n}))
		var writers sync.WaitGroup
		for w := range 4 {
			writers.Go(func() {
				for i := w; i < n; i += 4 {
					set(t, b, key(i), []byte("v"), 0)
					set(t, b, key(i), []byte("a longer value"), time.Hour)
				}
			})
		}
		writers.Wait()
		for i := range n {
			if !has(b, key(i)) {
				t.Fatalf("of %d items, as many as may be, %s is gone", n, key(i))
			}
		}
		if s := stats(b); s.Items != uint64(n) || s.Evictions != 0 {
			t.Errorf("of %d items: %+v, want all and no eviction", n, s)
		}
		set(t, b, "one more", nil, 0)
		if s := stats(b); s.Items != uint64(n) || s.Evictions != 1 {
			t.Errorf("after one more than %d: %+v, want as many and one eviction", n, s)
		}
		audit(t, b)
	}
}

func TestBoundsHoldAtEveryMoment(t *testing.T) {
	for name, opts := range map[string]Options{
		"items": {MaxItems: 300},
		"bytes": {MaxBytes: 300 << 10},
		"both":  {MaxItems: 300, MaxBytes: 100 << 10},
		"one":   {MaxItems: 1},
	} {
		t.Run(name, func(t *testing.T) {
			b := must(New(&opts))
			var writers sync.WaitGroup
			for w := range uint64(8) {
				writers.Go(func() {
					r := rand.New(rand.NewPCG(1, w))
					for range 3000 {
						k := key(r.IntN(2000))
						switch r.IntN(10) {
						case 0:
							b.Delete(context.Background(), k)
						case 1:
							b.Store(context.Background(), core.Replace, core.Item{Key: k, Value: make([]byte, r.IntN(5000))})
						case 2:
							b.Incr(context.Background(), k, 1)
						default:
							set(t, b, k, make([]byte, r.IntN(1000)), time.Duration(r.IntN(3))*time.Hour)
						}
						items, bytes := b.bounds.items.Load(), b.bounds.bytes.Load()
						if opts.MaxItems > 0 && items > int64(opts.MaxItems) || opts.MaxBytes > 0 && bytes > opts.MaxBytes {
							t.Errorf("%d items and %d bytes, the bounds are %d and %d", items, bytes, opts.MaxItems, opts.MaxBytes)
							return
						}
					}
				})
			}
			writers.Wait()
			audit(t, b)
			if stats(b).Evictions == 0 {
				t.Error("nothing was evicted: this proves nothing")
			}
			b.Flush(context.Background())
			audit(t, b)
			if n := b.bounds.bytes.Load(); n != 0 {
				t.Errorf("%d bytes after Flush", n)
			}
		})
	}
}

func TestItemThatIsLargerThanAllMayBeIsRefusedAndWhatWasThereStays(t *testing.T) {
	b := must(New(&Options{MaxBytes: 10000}))
	set(t, b, "k", []byte("old"), 0)
	set(t, b, "other", []byte("kept"), 0)
	err := b.Store(context.Background(), core.Set, core.Item{Key: "k", Value: make([]byte, 10000)})
	if !errors.Is(err, core.ErrTooLarge) || !strings.Contains(err.Error(), "10000") {
		t.Errorf("error is %v, want %v, with the bound", err, core.ErrTooLarge)
	}
	if item, err := b.GetItem(context.Background(), "k"); string(item.Value) != "old" {
		t.Errorf("after the refused Set: %q and error %v, want \"old\"", item.Value, err)
	}
	if !has(b, "other") {
		t.Error("another item had to go for one that was refused")
	}
}

func TestLargestItemDrivesOutAllOthers(t *testing.T) {
	const bound = 1 << 20
	b := must(New(&Options{MaxBytes: bound}))
	for i := range 500 {
		set(t, b, key(i), make([]byte, 1000), 0)
	}
	large := make([]byte, bound-64<<10) // the allocator gives what is missing, or less
	set(t, b, "large", large, 0)
	if s := stats(b); !has(b, "large") || s.Bytes > bound {
		t.Errorf("%+v, want the large item, and at most %d bytes", s, bound)
	}
	audit(t, b)
}

func TestReplaceNeverEvictsWhatItReplaces(t *testing.T) {
	b := must(New(&Options{MaxBytes: 100 << 10}))
	for i := 0; i%1000 != 0 || stats(b).Evictions == 0; i++ {
		set(t, b, key(i), make([]byte, 1000), 0)
	}
	set(t, b, "mine", []byte("small"), 0)
	if err := b.Store(context.Background(), core.Replace, core.Item{Key: "mine", Value: make([]byte, 90<<10)}); err != nil {
		t.Errorf("Replace of a present item by a large one: %v", err)
	}
	audit(t, b)
}

// What makes room for a large value may make the table of its shard smaller, too.
func TestReplaceInATableThatGetsSmaller(t *testing.T) {
	b := must(New(&Options{MaxItems: 4000, MaxBytes: 1 << 20}))
	b.shards = b.shards[:1]
	for i := range 3500 {
		set(t, b, key(i), nil, time.Hour)
	}
	buckets := len(b.shards[0].table.Load().buckets)
	for i := range 3500 { // those that come first in the table, and last
		if !has(b, key(i)) {
			continue
		}
		if err := b.Store(context.Background(), core.Replace, core.Item{Key: key(i), Value: make([]byte, 990<<10), TTL: time.Minute}); err != nil {
			t.Fatal(err)
		}
		audit(t, b)
		if item, err := b.GetItem(context.Background(), key(i)); len(item.Value) != 990<<10 || err != nil {
			t.Fatalf("%d bytes, %v", len(item.Value), err)
		}
		break
	}
	if now := len(b.shards[0].table.Load().buckets); now >= buckets {
		t.Errorf("the table had %d buckets, and has %d: this proves nothing", buckets, now)
	}
}

// Items that are read again stay while ten times as many pass by once. With LRU
// none would.
func TestScanDoesNotDriveOutWhatIsInUse(t *testing.T) {
	const bound, inUse = 1000, 800
	b := must(New(&Options{MaxItems: bound}))
	for range 2 {
		for i := range inUse {
			if k := key(i); !has(b, k) {
				set(t, b, k, []byte("v"), 0)
			}
		}
	}
	for i := range 10 * bound {
		set(t, b, "scan "+key(i), []byte("v"), 0)
	}
	left := 0
	for i := range inUse {
		if has(b, key(i)) {
			left++
		}
	}
	if left < inUse*9/10 {
		t.Errorf("of %d items in use %d are left after a scan", inUse, left)
	}
}

// A counter that is only moved, and an item that is only touched, are in use.
func TestScanDoesNotDriveOutWhatIsMovedOrTouched(t *testing.T) {
	b := must(New(&Options{MaxItems: 100}))
	ctx := context.Background()
	set(t, b, "counter", []byte("1"), 0)
	set(t, b, "touched", nil, 0)
	for i := range 1000 {
		for range 2 {
			if _, err := b.Incr(ctx, "counter", 1); err != nil {
				t.Fatalf("after %d other items the counter is gone: %v", i, err)
			}
			if err := b.Touch(ctx, "touched", 0); err != nil {
				t.Fatalf("after %d other items the touched one is gone: %v", i, err)
			}
		}
		set(t, b, "scan "+key(i), nil, 0)
	}
}

// Each small store would take the room that the large one has just made, were it
// not kept for it.
func TestLargeItemIsStoredBesideManySmallOnes(t *testing.T) {
	b := must(New(&Options{MaxBytes: 16 << 20}))
	for i := 0; i%1000 != 0 || stats(b).Evictions == 0; i++ {
		set(t, b, key(i), make([]byte, 100), 0)
	}
	var stored atomic.Int32
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := 0; stored.Load() < 2; i++ {
				set(t, b, fmt.Sprint(w, i), make([]byte, 100), 0)
			}
		})
	}
	for i := range 2 { // which need more than all there is, together
		writers.Go(func() {
			set(t, b, fmt.Sprint("large", i), make([]byte, 9<<20), 0)
			stored.Add(1)
		})
	}
	writers.Wait()
	audit(t, b)
}

// The reason why the test above ends for sure.
func TestRoomThatAWriteMadeIsNobodyElses(t *testing.T) {
	b := must(New(&Options{MaxItems: 10})) // one shard
	for i := range 10 {
		set(t, b, key(i), nil, 0)
	}
	var w write
	for i := range 3 {
		if !b.shards[0].evict(&w) {
			t.Fatalf("eviction %d found nothing", i)
		}
	}
	if w.items != 3 || w.bytes != 3*b.bounds.least(key(0), 0) || stats(b).Items != 7 {
		t.Errorf("the write has room for %d items and %d bytes, and %d items are left", w.items, w.bytes, stats(b).Items)
	}
	if b.bounds.take(1, 0) {
		t.Error("another write took room that was made for this one")
	}
	b.bounds.release(w.items, w.bytes)
	audit(t, b)
}

func TestOneLargeItemDoesNotEmptyItsShard(t *testing.T) {
	b := must(New(&Options{MaxBytes: 16 << 20}))
	for i := 0; i%1000 != 0 || stats(b).Evictions == 0; i++ {
		set(t, b, key(i), make([]byte, 100), 0)
	}
	set(t, b, "large", make([]byte, 1<<20), 0)
	share := int(stats(b).Items) / len(b.shards)
	if left := b.shardOf(b.hash("large")).count; left < share/2 {
		t.Errorf("the shard is left with %d items, its share is %d", left, share)
	}
	audit(t, b)
}

func TestCountersNeedNoMoreRoomWhenTheyMove(t *testing.T) {
	b := must(New(&Options{MaxBytes: 100 << 10}))
	ctx := context.Background()
	for i := 0; i%1000 != 0 || stats(b).Evictions == 0; i++ {
		set(t, b, key(i), []byte("1"+strings.Repeat(" ", i%60)), 0) // some longer than any number
	}
	for i := range 1000 {
		if _, err := b.Incr(ctx, key(i), 1<<63); err != nil && err != core.ErrMiss {
			t.Fatal(err)
		}
		b.GetItem(ctx, key(i)) // which makes the digits
	}
	audit(t, b)
}

// The point of the ghosts: a key that comes back soon after it went is one that
// is in use, though never twice while it is in the small queue.
func TestKeyThatComesBackGetsIntoTheMainQueue(t *testing.T) {
	b := must(New(&Options{MaxItems: 10}))
	for i := range 11 {
		set(t, b, key(i), nil, 0)
	}
	if has(b, key(0)) {
		t.Fatal("the oldest is still there")
	}
	set(t, b, key(0), nil, 0)
	if q := entryOf(b, key(0)).queue(); q != mainQueue {
		t.Errorf("it came back into queue %d, want %d", q, mainQueue)
	}
	audit(t, b)
}

func TestGhostThatWasRenewedIsNotForgottenWithItsOldRecord(t *testing.T) {
	var g ghosts
	const limit = 4
	hash := func(i uint64) uint64 { return i << 56 }
	g.add(hash(1), limit)
	if !g.take(hash(1), limit) || g.take(hash(1), limit) {
		t.Error("a ghost is there once")
	}
	for _, i := range []uint64{2, 3, 1, 4, 5, 1, 6} {
		g.add(hash(i), limit)
	}
	for i, want := range []bool{1: true, 2: false, 3: false, 4: true, 5: true, 6: true, 7: false} {
		if got := g.take(hash(uint64(i)), limit); got != want {
			t.Errorf("ghost %d is there: %v, want %v", i, got, want)
		}
	}
}

// A Zipf trace as the literature takes it. LRU, run beside it, is the bar.
func TestHitRatioIsAboveThatOfLRU(t *testing.T) {
	const keys, bound, reads = 50000, 500, 200000
	trace := make([]int, reads)
	z := rand.NewZipf(rand.New(rand.NewPCG(3, 4)), 1.01, 1, keys-1)
	for i := range trace {
		trace[i] = int(z.Uint64())
	}
	b := must(New(&Options{MaxItems: bound}))
	lru := newLRU(bound)
	hits, lruHits := 0, 0
	for _, i := range trace {
		if k := key(i); has(b, k) {
			hits++
		} else {
			set(t, b, k, nil, 0)
		}
		if lru.touch(i) {
			lruHits++
		}
	}
	t.Logf("hit ratio %.1f %%, LRU %.1f %%", 100*float64(hits)/reads, 100*float64(lruHits)/reads)
	if hits < lruHits+reads/50 {
		t.Errorf("%d hits, LRU has %d; want two points more", hits, lruHits)
	}
}

// An lru is the slowest that works.
type lru struct {
	bound int
	last  map[int]int // by key, when it was touched last
	order []int       // keys, in the order in which they were touched, also of old
	clock int
}

func newLRU(bound int) *lru { return &lru{bound: bound, last: map[int]int{}} }

func (l *lru) touch(key int) bool {
	_, hit := l.last[key]
	l.last[key] = l.clock
	l.order = append(l.order, key)
	l.clock++
	for at := l.clock - len(l.order); len(l.last) > l.bound; at++ {
		if l.last[l.order[0]] == at {
			delete(l.last, l.order[0])
		}
		l.order = l.order[1:]
	}
	return hit
}

func TestExpiredItemsAreNoEvictions(t *testing.T) {
	b := must(New(&Options{MaxItems: 1}))
	set(t, b, "a", nil, 1) // over at once
	for b.now() < 2 {
	}
	set(t, b, "b", nil, 0)
	if s := stats(b); s.Evictions != 0 || s.Expirations != 1 || s.Items != 1 {
		t.Errorf("%+v, want one expiration and no eviction", s)
	}
}
