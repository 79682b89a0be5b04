package memory

import (
	"bytes"
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
)

// lengthOf weighs an item by what its value says.
func lengthOf(item Item) int64 {
	if n, ok := item.Shared.(int); ok {
		return int64(n)
	}
	return int64(len(item.Value))
}

func TestWeightsTakeThePlaceOfBytes(t *testing.T) {
	b := must(New(&Options{MaxBytes: 10, Weight: lengthOf}))
	ctx := t.Context()
	set(t, b, "a", []byte("123"), 0)
	set(t, b, "b", []byte("1234"), 0)
	if err := b.StoreShared(ctx, core.Set, core.Item{Key: "s"}, 3); err != nil {
		t.Fatal(err)
	}
	if s := stats(b); s.Bytes != 10 || s.Items != 3 {
		t.Errorf("%+v, want a weight of 10", s)
	}
	b.Incr(ctx, "a", 1000) // the weight stays
	set(t, b, "none", nil, 0)
	if err := b.StoreShared(ctx, core.Set, core.Item{Key: "none"}, -3); err != nil {
		t.Fatal(err)
	}
	loaded, _ := load(t, &Options{MaxBytes: 10, Weight: lengthOf}, save(t, b))
	if s := stats(loaded); s.Bytes != 8 || s.Items != 2 { // the number has four digits now
		t.Errorf("after Load %+v, want a weight of 8 without the shared values", s)
	}
	if s := stats(b); s.Bytes != 10 || s.Items != 4 {
		t.Errorf("%+v, want a weight of 10", s)
	}
	set(t, b, "b", []byte("12"), 0)
	set(t, b, "c", []byte("12"), 0)
	if s := stats(b); s.Bytes != 10 || s.Evictions != 0 {
		t.Errorf("%+v, want a weight of 10 and no eviction", s)
	}
	set(t, b, "d", make([]byte, 10), 0)
	if s := stats(b); s.Bytes != 10 || !has(b, "d") {
		t.Errorf("%+v, want one item that has all of the weight", s)
	}
	err := b.Store(ctx, core.Set, core.Item{Key: "d", Value: make([]byte, 11)})
	want := "weight 11; want at most MaxBytes, 10"
	if !errors.Is(err, core.ErrTooLarge) || !strings.Contains(err.Error(), want) || !has(b, "d") {
		t.Errorf("Set of an item that is too heavy: error is %v", err)
	}
	audit(t, b)
}

// A function that returns another number each time does no harm, with all other options.
func TestWeightIsAskedForOnce(t *testing.T) {
	var calls, removed atomic.Int64
	b := must(New(&Options{
		MaxBytes:       5_000,
		MaxItems:       700,
		IdleTTL:        time.Hour,
		BucketInterval: minInterval,
		OnRemove:       func(Item, Reason) { removed.Add(1) },
		Weight: func(item Item) int64 {
			if item.Token != nil || item.Key == "" {
				t.Errorf("Weight is called with %+v", item)
			}
			calls.Add(1)
			return rand.Int64N(1000) - 100
		},
	}))
	var o outcomes
	var workers sync.WaitGroup
	for w := range 4 {
		workers.Go(func() {
			o.callVerbs(t, b, rand.New(rand.NewPCG(uint64(w), 1)), 5_000)
		})
	}
	workers.Wait()
	audit(t, b)
	checkSum(t, b)
	var snapshot bytes.Buffer
	n, err := b.Save(t.Context(), &snapshot)
	if err != nil {
		t.Fatal(err)
	}
	before := calls.Load()
	b.Flush(t.Context())
	if stats(b).Bytes != 0 {
		t.Errorf("after Flush: %+v", stats(b))
	}
	if _, err := b.Load(context.Background(), &snapshot); err != nil {
		t.Fatal(err)
	}
	if got := calls.Load() - before; got > int64(n) {
		t.Errorf("Weight was called %d times for %d items", got, n)
	}
	audit(t, b)
	b.Close()
	if c := b.Counts(); uint64(removed.Load()) != c.Inserts-c.Lost || c.Evicted == 0 || c.Lost != 0 {
		t.Errorf("%+v, and OnRemove was called %d times", c, removed.Load())
	}
}

// The queue of OnRemove is bounded by bytes, whatever the items weigh.
func TestWeightDoesNotCountForTheQueueOfOnRemove(t *testing.T) {
	var gate gate
	gate.close()
	b := must(New(&Options{
		MaxBytes: 1000,
		Weight:   func(Item) int64 { return 0 },
		OnRemove: func(Item, Reason) { gate.pass() },
	}))
	value := make([]byte, maxPlain+1)
	for range 40 {
		set(t, b, "k", value, 0)
	}
	lost := b.Counts().Lost
	if lost < 22 || lost > 24 {
		t.Errorf("%d items were lost, want those beyond 16 MiB", lost)
	}
	for range 3 { // the first waits in addition
		b.Flush(t.Context())
		set(t, b, "k", value, 0)
	}
	if got := b.Counts().Lost; got != lost+2 {
		t.Errorf("%d items were lost by Flush, want 2", got-lost)
	}
	gate.open()
	b.Close()
}

// Items without weight are not counted against the bound, so that they may all be in one shard.
func TestManyItemsWithoutWeight(t *testing.T) {
	b := must(New(&Options{MaxBytes: 1000, Weight: func(Item) int64 { return 0 }}))
	const n = 60_000
	for i := range n {
		set(t, b, key(i), nil, 0)
	}
	if s := stats(b); s.Items != n || s.Bytes != 0 {
		t.Errorf("%+v, want %d items without weight", s, n)
	}
}

// An item is too heavy, whatever was loaded before it, and however heavy it is.
func TestLoadLeavesOutWhatIsTooHeavy(t *testing.T) {
	weigh := func(heavy int64) func(Item) int64 {
		return func(item Item) int64 {
			if item.Key == "heavy" {
				return heavy
			}
			return 1
		}
	}
	b := must(New(&Options{MaxBytes: 100, Weight: weigh(1)}))
	for i := range 50 {
		set(t, b, key(i), nil, 0)
	}
	set(t, b, "heavy", nil, 0)
	loaded, n := load(t, &Options{MaxBytes: 100, Weight: weigh(math.MaxInt64)}, save(t, b))
	if s := stats(loaded); n != 50 || s.Bytes != 50 || has(loaded, "heavy") {
		t.Errorf("Load returned %d, then %+v; want the 50 items that are not too heavy", n, s)
	}
	audit(t, loaded)
}
