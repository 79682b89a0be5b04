package memory

import (
	"context"
	"errors"
	"fmt"
	"math"
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
	item := core.Item{Key: key, Value: value, TTL: ttl}
	if err := b.Store(context.Background(), core.Set, item); err != nil {
		t.Errorf("Set of %q: %v", key, err) // not Fatal, because goroutines call this too
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

// An item that just fits is stored, in whichever form entries keep its value.
func TestAnItemOfExactlyMaxBytesIsStored(t *testing.T) {
	for _, size := range []int{0, 100, 10_000, maxPlain, maxPlain + 1, 2 << 20, 3<<20 + 5000} {
		item := core.Item{Key: "k", Value: make([]byte, size)}
		unbounded := must(New(&Options{MaxBytes: 1 << 40}))
		if err := unbounded.Store(t.Context(), core.Set, item); err != nil {
			t.Fatal(err)
		}
		cost := int64(stats(unbounded).Bytes)
		exact := must(New(&Options{MaxBytes: cost}))
		if err := exact.Store(t.Context(), core.Set, item); err != nil {
			t.Errorf("value of %d bytes: error is %v, want none if MaxBytes is its cost, %d",
				size, err, cost)
		}
		less := must(New(&Options{MaxBytes: cost - 1}))
		if err := less.Store(t.Context(), core.Set, item); !errors.Is(err, core.ErrTooLarge) {
			t.Errorf("value of %d bytes: error is %v, want ErrTooLarge if MaxBytes is less",
				size, err)
		}
	}
}

// A sized is a shared value that says how large it is.
type sized int

func (s sized) Size() int { return int(s) }

// No size is so large that it counts as less.
func TestLargestSharedValueIsTooLarge(t *testing.T) {
	waits := make(chan struct{})
	defer close(waits)
	b := must(New(&Options{MaxBytes: math.MaxInt32 - 1, OnRemove: func(Item, Reason) { <-waits }}))
	for _, size := range []int{math.MaxInt, math.MaxInt - 100, math.MaxInt32, math.MaxInt32 - 1} {
		err := b.StoreShared(t.Context(), core.Set, core.Item{Key: "k"}, sized(size))
		if !errors.Is(err, core.ErrTooLarge) {
			t.Errorf("a value of %d bytes: error is %v, want %v", size, err, core.ErrTooLarge)
		}
	}
	unbounded := must(New(&Options{OnRemove: func(Item, Reason) { <-waits }}))
	for range 4 {
		err := unbounded.StoreShared(t.Context(), core.Set, core.Item{Key: "k"}, sized(math.MaxInt))
		if err != nil {
			t.Fatal(err)
		}
	}
	if c := unbounded.Counts(); c.Lost == 0 {
		t.Error("several values of the largest size wait for OnRemove, and none is lost")
	}
}

func TestASharedValueCountsAsWhatItSays(t *testing.T) {
	bytesOf := func(value any) uint64 {
		b := must(New(&Options{MaxBytes: 1 << 40}))
		item := core.Item{Key: "k"}
		if err := b.StoreShared(t.Context(), core.Set, item, value); err != nil {
			t.Fatal(err)
		}
		bytes := stats(b).Bytes
		if err := b.Delete(t.Context(), "k"); err != nil || stats(b).Bytes != 0 {
			t.Errorf("after Delete of a %T: error is %v, and %d bytes are left", value, err,
				stats(b).Bytes)
		}
		return bytes
	}
	unsized := bytesOf(1)
	for _, c := range []struct {
		size sized
		more int
	}{{-1, 0}, {0, 0}, {1 << 10, 1 << 10}, {1 << 20, 1 << 20}} {
		if got, want := bytesOf(c.size), unsized+uint64(c.more); got != want {
			t.Errorf("a shared value of size %d takes %d bytes, want %d", c.size, got, want)
		}
	}
	b := must(New(&Options{MaxBytes: 10 << 10}))
	err := b.StoreShared(t.Context(), core.Set, core.Item{Key: "k"}, sized(10<<10))
	if !errors.Is(err, core.ErrTooLarge) {
		t.Errorf("a shared value larger than MaxBytes: error is %v, want ErrTooLarge", err)
	}
}

func TestNothingIsEvictedBeforeTheBoundIsReached(t *testing.T) {
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
				t.Fatalf("with %d items, the largest number allowed, %s is missing", n, key(i))
			}
		}
		if s := stats(b); s.Items != uint64(n) || s.Evictions != 0 {
			t.Errorf("after storing %d items: %+v, want all of them and no eviction", n, s)
		}
		set(t, b, "one more", nil, 0)
		if s := stats(b); s.Items != uint64(n) || s.Evictions != 1 {
			t.Errorf("after one more item than %d: %+v, want the same number and one eviction",
				n, s)
		}
		audit(t, b)
	}
}

func TestBoundsAreNeverExceeded(t *testing.T) {
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
							item := core.Item{Key: k, Value: make([]byte, r.IntN(5000))}
							b.Store(context.Background(), core.Replace, item)
						case 2:
							b.Incr(context.Background(), k, 1)
						default:
							ttl := time.Duration(r.IntN(3)) * time.Hour
							set(t, b, k, make([]byte, r.IntN(1000)), ttl)
						}
						items, bytes := b.bounds.items.Load(), b.bounds.bytes.Load()
						if opts.MaxItems > 0 && items > int64(opts.MaxItems) ||
							opts.MaxBytes > 0 && bytes > opts.MaxBytes {
							t.Errorf("%d items and %d bytes; the bounds are %d and %d",
								items, bytes, opts.MaxItems, opts.MaxBytes)
							return
						}
					}
				})
			}
			writers.Wait()
			audit(t, b)
			if stats(b).Evictions == 0 {
				t.Error("nothing was evicted, so the test proves nothing")
			}
			b.Flush(context.Background())
			audit(t, b)
			if n := b.bounds.bytes.Load(); n != 0 {
				t.Errorf("%d bytes are held after Flush, want 0", n)
			}
		})
	}
}

func TestItemLargerThanMaxBytesIsRefusedAndTheOldOneStays(t *testing.T) {
	b := must(New(&Options{MaxBytes: 10000}))
	set(t, b, "k", []byte("old"), 0)
	set(t, b, "other", []byte("kept"), 0)
	large := core.Item{Key: "k", Value: make([]byte, 10000)}
	err := b.Store(context.Background(), core.Set, large)
	if !errors.Is(err, core.ErrTooLarge) || !strings.Contains(err.Error(), "10000") {
		t.Errorf("Set of a value of 10000 bytes: error is %v, want %v with the bound",
			err, core.ErrTooLarge)
	}
	item, err := b.GetItem(context.Background(), "k")
	if string(item.Value) != "old" {
		t.Errorf("after the refused Set: %q and error %v, want \"old\"", item.Value, err)
	}
	if !has(b, "other") {
		t.Error("another item was evicted for the one that was refused")
	}
}

func TestLargestItemEvictsAllOthers(t *testing.T) {
	const bound = 1 << 20
	b := must(New(&Options{MaxBytes: bound}))
	for i := range 500 {
		set(t, b, key(i), make([]byte, 1000), 0)
	}
	large := make([]byte, bound-64<<10) // the item takes the rest, or less
	set(t, b, "large", large, 0)
	if s := stats(b); !has(b, "large") || s.Bytes > bound {
		t.Errorf("%+v, want the large item and at most %d bytes", s, bound)
	}
	audit(t, b)
}

func TestReplaceNeverEvictsTheItemThatItReplaces(t *testing.T) {
	b := must(New(&Options{MaxBytes: 100 << 10}))
	for i := 0; i%1000 != 0 || stats(b).Evictions == 0; i++ {
		set(t, b, key(i), make([]byte, 1000), 0)
	}
	set(t, b, "mine", []byte("small"), 0)
	large := core.Item{Key: "mine", Value: make([]byte, 90<<10)}
	if err := b.Store(context.Background(), core.Replace, large); err != nil {
		t.Errorf("Replace of a present item by a large one: %v", err)
	}
	audit(t, b)
}

// Making room for a large value may also shrink the table of its shard.
func TestReplaceSucceedsIfItsEvictionsShrinkTheTable(t *testing.T) {
	b := must(New(&Options{MaxItems: 4000, MaxBytes: 1 << 20}))
	b.shards = b.shards[:1]
	for i := range 3500 {
		set(t, b, key(i), nil, time.Hour)
	}
	buckets := bucketCount(&b.shards[0])
	for i := range 3500 {
		if !has(b, key(i)) {
			continue
		}
		large := core.Item{Key: key(i), Value: make([]byte, 990<<10), TTL: time.Minute}
		if err := b.Store(context.Background(), core.Replace, large); err != nil {
			t.Fatal(err)
		}
		audit(t, b)
		item, err := b.GetItem(context.Background(), key(i))
		if len(item.Value) != 990<<10 || err != nil {
			t.Fatalf("the replaced item has %d bytes and error %v, want %d bytes",
				len(item.Value), err, 990<<10)
		}
		break
	}
	if now := bucketCount(&b.shards[0]); now >= buckets {
		t.Errorf("the table had %d buckets and now has %d, so the test proves nothing",
			buckets, now)
	}
}

// Items that are read again stay while ten times as many items are stored and not read. With
// LRU none would stay.
func TestScanDoesNotEvictItemsInUse(t *testing.T) {
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
		t.Errorf("of %d items in use, %d are left after a scan", inUse, left)
	}
}

// Incr and Touch count as a use of the item, as Get does.
func TestScanDoesNotEvictIncrementedOrTouchedItems(t *testing.T) {
	b := must(New(&Options{MaxItems: 100}))
	ctx := context.Background()
	set(t, b, "counter", []byte("1"), 0)
	set(t, b, "touched", nil, 0)
	for i := range 1000 {
		for range 2 {
			if _, err := b.Incr(ctx, "counter", 1); err != nil {
				t.Fatalf("after %d other items, Incr of the counter: %v", i, err)
			}
			if err := b.Touch(ctx, "touched", 0); err != nil {
				t.Fatalf("after %d other items, Touch of the touched item: %v", i, err)
			}
		}
		set(t, b, "scan "+key(i), nil, 0)
	}
}

// The room that a large store makes is kept for it. Otherwise the small stores would take it.
func TestLargeItemIsStoredWhileSmallOnesAreStored(t *testing.T) {
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
	for i := range 2 { // both together are larger than MaxBytes
		writers.Go(func() {
			set(t, b, fmt.Sprint("large", i), make([]byte, 9<<20), 0)
			stored.Add(1)
		})
	}
	writers.Wait()
	audit(t, b)
}

// This is why the test above is sure to end.
func TestRoomMadeForOneWriteIsNotTakenByAnother(t *testing.T) {
	b := must(New(&Options{MaxItems: 10})) // one shard
	for i := range 10 {
		set(t, b, key(i), nil, 0)
	}
	var w write
	for i := range 3 {
		if !b.shards[0].evict(&w) {
			t.Fatalf("eviction %d found no entry", i)
		}
	}
	if w.freedItems != 3 || w.freedBytes != 3*b.bounds.minCost(key(0), 0) || stats(b).Items != 7 {
		t.Errorf("the write has room for %d items and %d bytes, and %d items are left",
			w.freedItems, w.freedBytes, stats(b).Items)
	}
	if b.bounds.reserve(1, 0) {
		t.Error("another write took room that was made for this one")
	}
	b.bounds.release(w.freedItems, w.freedBytes)
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
		t.Errorf("the shard is left with %d items; its share is %d", left, share)
	}
	audit(t, b)
}

func TestIncrNeedsNoMoreRoom(t *testing.T) {
	b := must(New(&Options{MaxBytes: 100 << 10}))
	ctx := context.Background()
	for i := 0; i%1000 != 0 || stats(b).Evictions == 0; i++ {
		value := "1" + strings.Repeat(" ", i%60) // sometimes longer than any number
		set(t, b, key(i), []byte(value), 0)
	}
	for i := range 1000 {
		if _, err := b.Incr(ctx, key(i), 1<<63); err != nil && err != core.ErrMiss {
			t.Fatal(err)
		}
		b.GetItem(ctx, key(i)) // makes the digits of the counter
	}
	audit(t, b)
}

// The trace has a Zipf distribution, as is usual in the literature. LRU runs on the same
// trace.
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
	t.Logf("hit ratio %.1f %%, LRU %.1f %%",
		100*float64(hits)/reads, 100*float64(lruHits)/reads)
	if hits < lruHits+reads/50 {
		t.Errorf("%d hits, and LRU has %d; want two points more than LRU", hits, lruHits)
	}
}

// An lru is a simple LRU cache of keys.
type lru struct {
	bound int
	last  map[int]int // by key, the clock when it was touched last
	order []int       // a key for each time that one was touched, oldest first
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

func TestExpiredItemsDoNotCountAsEvictions(t *testing.T) {
	b := must(New(&Options{MaxItems: 1}))
	set(t, b, "a", nil, 1) // expires at once
	for b.now() < 2 {
	}
	set(t, b, "b", nil, 0)
	if s := stats(b); s.Evictions != 0 || s.Expirations != 1 || s.Items != 1 {
		t.Errorf("%+v, want one expiration and no eviction", s)
	}
}
