package memory

import (
	"context"
	"math"
	"math/bits"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/cachewire/cachewire/core"
)

// Readers take no lock. While other keys are stored and deleted, and tables grow and shrink,
// they never miss a key that is present all the time, never list it twice, and never see a
// part of one value and a part of another.
func TestReadersNeverMissAPresentKey(t *testing.T) {
	b := must(New(&Options{MaxItems: 100_000}))
	b.shards = b.shards[:16] // so that their tables get large
	const kept, others = 50, 20_000
	value := func(i, n int) []byte {
		v := make([]byte, 8+i%40)
		for at := range v {
			v[at] = byte(n)
		}
		return v
	}
	for i := range kept {
		set(t, b, key(i), value(i, 0), time.Hour)
	}
	var stop atomic.Bool
	var buckets atomic.Int64 // of the first shard when it has most
	var readers, writers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for i := 0; !stop.Load(); i = (i + 1) % kept {
				item, err := b.GetItem(context.Background(), key(i))
				if err != nil || len(item.Value) != 8+i%40 {
					t.Errorf("%s: %d bytes and error %v, want %d bytes",
						key(i), len(item.Value), err, 8+i%40)
					return
				}
				for _, c := range item.Value {
					if c != item.Value[0] {
						t.Errorf("%s: parts of two values: %v", key(i), item.Value)
						return
					}
				}
			}
		})
	}
	readers.Go(func() {
		for !stop.Load() {
			listed := 0
			for k, err := range b.Keys(context.Background(), "") {
				if err != nil {
					t.Error(err)
				} else if k < key(kept) {
					listed++
				}
			}
			if listed != kept {
				t.Errorf("Keys yielded %d keys of those that are present, want %d", listed, kept)
				return
			}
		}
	})
	for w := range 2 {
		writers.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(w)))
			for range 3 {
				for n := range others { // tables grow
					set(t, b, key(kept+w*others+n), nil, time.Hour)
					if n%7 == 0 {
						i := r.IntN(kept)
						set(t, b, key(i), value(i, n), time.Hour)
					}
				}
				buckets.Store(int64(bucketCount(&b.shards[0])))
				for n := range others { // tables shrink
					b.Delete(context.Background(), key(kept+w*others+n))
				}
			}
		})
	}
	writers.Wait()
	stop.Store(true)
	readers.Wait()
	audit(t, b)
	if n := bucketCount(&b.shards[0]); int64(n) >= buckets.Load() {
		t.Errorf("a table had %d buckets and now has %d, so the test proves little",
			buckets.Load(), n)
	}
}

// Shards with equally many items have tables of many sizes. Each shard begins on a line of
// the processor's cache.
func TestShardsGrowAtDifferentTimes(t *testing.T) {
	b := must(New(nil))
	for i := range 1000 * len(b.shards) {
		set(t, b, key(i), nil, 0)
	}
	sizes := map[int]bool{}
	for i := range b.shards {
		sizes[bucketCount(&b.shards[i])] = true
	}
	if len(sizes) < 4 {
		t.Errorf("%d tables have only %d sizes, want 4 or more", len(b.shards), len(sizes))
	}
	if size := unsafe.Sizeof(shard{}); bits.UintSize == 64 && size%64 != 0 {
		t.Errorf("a shard has %d bytes, want a multiple of 64", size)
	}
}

// All keys have homes close together, so that many pass full buckets. A search for an absent
// key still ends.
func TestTableFindsCollidingKeys(t *testing.T) {
	const homeShift = shardBits + 32 - 3 // of the home in a table of 8 buckets
	table := newTable(8, 0)
	r := rand.New(rand.NewPCG(3, 4))
	type hashedKey struct {
		key  string
		hash uint64
	}
	var present []hashedKey
	homes := map[string]uint32{} // by key
	home := func(e *entry) uint32 { return homes[e.key()] }
	for i := range 20_000 {
		if len(present) == 0 || len(present) < 44 && r.IntN(2) == 0 {
			// There are three homes and four tags.
			k := hashedKey{key(i), r.Uint64N(3)<<homeShift | r.Uint64N(4)<<tagShift}
			table.insert(newEntry(k.key, nil, 0, layout{}), homeOf(k.hash), tagOf(k.hash))
			homes[k.key] = homeOf(k.hash)
			present = append(present, k)
		} else {
			at := r.IntN(len(present))
			k := present[at]
			e, s := table.find(k.hash, k.key)
			if e == nil || table.slotOf(e, homeOf(k.hash)) != s {
				t.Fatalf("%s is not found", k.key)
			}
			table.remove(s, homeOf(k.hash))
			present[at] = present[len(present)-1]
			present = present[:len(present)-1]
		}
		if e, _ := table.find(r.Uint64N(3)<<homeShift, "absent"); e != nil {
			t.Fatal("found an absent key")
		}
	}
	for _, k := range present {
		if e, _ := table.find(k.hash, k.key); e == nil || e.key() != k.key {
			t.Errorf("%s is not found", k.key)
		}
	}
	auditTable(t, table, home)
	larger := table.resized(16, home)
	for _, k := range present {
		if e, _ := larger.find(k.hash, k.key); e == nil {
			t.Errorf("%s is not found in a table of 16 buckets", k.key)
		}
	}
	auditTable(t, larger, home)
}

// More than 255 keys pass a bucket, whose overflow count then stays at 255. A search ends
// after one turn, even if all buckets have an overflow count.
func TestTableFindsKeysOfOneHome(t *testing.T) {
	const hash = 5 << tagShift
	table := newTable(128, 0)
	home := func(*entry) uint32 { return homeOf(hash) }
	var all []slot
	for i := range 600 {
		e := newEntry(key(i), nil, 0, layout{})
		all = append(all, table.insert(e, homeOf(hash), 5))
	}
	for i := range 600 {
		if e, s := table.find(hash, key(i)); e == nil || s != all[i] {
			t.Fatalf("%s is not found", key(i))
		}
	}
	auditTable(t, table, home)
	for i := range 600 {
		_, s := table.find(hash, key(i))
		table.remove(s, homeOf(hash))
	}
	auditTable(t, table, home)
	if n := table.buckets[0].tags.Load() >> overflowShift; n != 255 {
		t.Errorf("the overflow count of the first bucket is %d, want 255, which never changes", n)
	}
	for i := range table.buckets {
		table.buckets[i].tags.Store(1 << overflowShift)
	}
	if e, _ := table.find(7<<tagShift, "absent"); e != nil {
		t.Error("found an absent key")
	}
}

// Even with the largest number of shards, keys have their homes in all buckets.
func TestHomesAreSpreadOverTheTable(t *testing.T) {
	before := runtime.GOMAXPROCS(32)
	defer runtime.GOMAXPROCS(before)
	b := must(New(nil))
	if len(b.shards) != maxShards {
		t.Fatalf("%d shards, want %d", len(b.shards), maxShards)
	}
	wantHomesSpread(t, b, 200_000)
}

func TestHomesAreSpreadOverEachPart(t *testing.T) {
	b, _ := oneShard(nil)
	wantHomesSpread(t, b, 20_000)
}

// wantHomesSpread stores n keys, and fails if they are far from their homes.
func wantHomesSpread(t *testing.T, b *Backend, n int) {
	t.Helper()
	for i := range n {
		set(t, b, key(i), nil, 0)
	}
	distance := 0
	for i := range b.shards {
		for table := range b.shards[i].table.Load().undivided {
			for e := range table.all {
				at := int(table.slotOf(e, b.home(e)) / slots)
				for i := table.home(b.home(e)); i != at; i = table.next(i) {
					distance++
				}
			}
		}
	}
	if distance > n/4 {
		t.Errorf("%d keys are %d buckets away from home in total", n, distance)
	}
}

// skipWithRace skips a test of one goroutine that takes long with the race detector.
func skipWithRace(t *testing.T) {
	t.Helper()
	if raceEnabled {
		t.Skip("one goroutine has no races")
	}
}

// One store goes through only a part of a large shard, and the following stores continue.
func TestLargeShardIsSweptInParts(t *testing.T) {
	skipWithRace(t)
	synctest.Test(t, func(t *testing.T) {
		b := must(New(nil))
		b.shards = b.shards[:1]
		b.closeTimer()
		sh := &b.shards[0]
		const n = 300_000
		for i := range n {
			set(t, b, key(i), nil, time.Second+time.Duration(i%2)*time.Hour)
		}
		time.Sleep(time.Minute)
		for stores, last := 1, sh.count; sh.count > n/2+1; stores++ {
			set(t, b, "k", nil, 0)
			if dropped := last - sh.count; dropped > sweepBudget/sweptItem {
				t.Fatalf("one store dropped %d items", dropped)
			}
			home, at := sh.sweepHome, sh.sweepSlot
			if stores == 1 && (home == 0 && at == 0 || home > math.MaxUint32/5) {
				t.Errorf("one store swept all homes below %#x, and %d slots; "+
					"want some, and a fifth of the homes at most", home, at)
			}
			if last = sh.count; stores > n/2 {
				t.Fatalf("after %d stores %d items are left", stores, last)
			}
		}
		for _, budget := range []int{1, 2} {
			if work, _ := sh.sweep(0, 1, b.now(), budget); work < 1 || work > budget+sweptItem {
				t.Errorf("with a budget of %d, the sweep returned %d", budget, work)
			}
		}
		audit(t, b)
	})
}

// One sweep empties a shard, and shrinks its table meanwhile.
func TestSweepThatShrinksTheTableDropsAllExpiredItems(t *testing.T) {
	b := must(New(&Options{MaxItems: 1 << 20}))
	b.shards = b.shards[:1]
	b.closeTimer()
	for i := range 20_000 {
		set(t, b, key(i), nil, time.Minute)
	}
	set(t, b, "stays", nil, time.Hour)
	sh := &b.shards[0]
	places := len(sh.fifos[mainQueue].places)
	_, finished := sh.sweep(0, 10_000, int64(30*time.Minute), 1<<30)
	if !finished || sh.count != 1 {
		t.Errorf("%d items are left, and the sweep finished: %v; want 1 and true",
			sh.count, finished)
	}
	if now := len(sh.fifos[mainQueue].places); !has(b, "stays") || now >= places {
		t.Errorf("the queue had %d places and has %d; want fewer, and the item that stays",
			places, now)
	}
	audit(t, b)
}

// Sweeps continue after each budget until no expired item is left, whatever the budget is.
func TestSweepFinishesWithEveryBudget(t *testing.T) {
	skipWithRace(t)
	const n = 600
	for budget := range n {
		b := must(New(nil))
		b.shards = b.shards[:1]
		b.closeTimer()
		for i := range n {
			set(t, b, key(i), nil, time.Minute)
		}
		sh := &b.shards[0]
		for parts, finished := 0, false; !finished; parts++ {
			_, finished = sh.sweep(0, 10_000, int64(30*time.Minute), budget)
			if parts > 20*n {
				t.Fatalf("with a budget of %d, the sweep does not finish", budget)
			}
		}
		if sh.count != 0 {
			t.Fatalf("with a budget of %d, %d items are left", budget, sh.count)
		}
	}
}

// If the table shrinks between two parts of a sweep, the sweep still drops all expired items.
func TestSweepMissesNothingIfTheTableShrinks(t *testing.T) {
	const n = 4000
	b := must(New(nil))
	b.shards = b.shards[:1]
	b.closeTimer()
	for i := range n {
		set(t, b, key(i), nil, time.Duration(1-min(i%32, 1))*time.Minute) // one in 32 expires
	}
	sh := &b.shards[0]
	sweep := func() bool {
		_, finished := sh.sweep(0, 10_000, int64(30*time.Minute), n/32)
		return finished
	}
	sweep()
	before := sh.part(sh.sweepHome)
	if sh.sweepSlot == 0 {
		t.Fatal("the sweep has not stopped in the middle of a part")
	}
	for i := 0; sh.part(sh.sweepHome) == before; i++ {
		if i%32 != 0 {
			b.Delete(context.Background(), key(i))
		}
	}
	for !sweep() {
	}
	for e := range sh.table.Load().all {
		if e.deadline.Load() != 0 {
			t.Fatalf("%s, which has expired, is among the %d items that are left",
				e.key(), sh.count)
		}
	}
}

// A store does not continue the sweep of another store if its own time is older.
func TestStoreWithAnOlderTimeDoesNotSweep(t *testing.T) {
	b := must(New(&Options{Buckets: 4, BucketInterval: time.Second}))
	b.shards = b.shards[:1]
	b.closeTimer()
	for i := range 3 * sweepBudget / sweptItem {
		set(t, b, key(i), nil, 1500*time.Millisecond)
	}
	b.sweep(int64(2 * time.Second)) // sweeps a part
	left := b.shards[0].count
	b.sweep(int64(1400 * time.Millisecond))
	if b.shards[0].count != left || b.nextTick.Load() != 0 {
		t.Errorf("the sweep continued: %d of %d items are left, the next tick is %d",
			b.shards[0].count, left, b.nextTick.Load())
	}
	for range 10 {
		b.sweep(int64(2 * time.Second))
	}
	if n := b.shards[0].count; n != 0 {
		t.Errorf("%d items are left, want none", n)
	}
}

// Keys that a caller keeps do not keep the entries in memory.
func TestKeysYieldsCopies(t *testing.T) {
	b := must(New(nil))
	set(t, b, "key", nil, 0)
	for key := range b.Keys(context.Background(), "") {
		if unsafe.StringData(key) == unsafe.StringData(entryOf(b, "key").key()) {
			t.Error("the key is a part of the entry, want a copy")
		}
	}
}

// The item under a key is in turn a large value, a shared value, bytes and a counter.
func TestEachKindOfEntryCanReplaceAnother(t *testing.T) {
	b := must(New(&Options{MaxBytes: 64 << 20}))
	ctx := context.Background()
	large := make([]byte, maxPlain+1)
	large[0], large[maxPlain] = 1, 2
	set(t, b, "k", large, time.Hour)
	large[0] = 9
	item, err := b.GetItem(ctx, "k")
	if err != nil || len(item.Value) != maxPlain+1 || cap(item.Value) != len(item.Value) ||
		item.Value[0] != 1 || item.Value[maxPlain] != 2 {
		t.Errorf("GetItem of a large value: %d bytes and error %v, want a copy of it",
			len(item.Value), err)
	}
	item = core.Item{Key: "k", Token: item.Token}
	if err := b.StoreShared(ctx, core.CompareAndSwap, item, 5); err != nil {
		t.Error(err)
	}
	if _, err := b.Incr(ctx, "k", 1); err != core.ErrNotNumber {
		t.Errorf("Incr of a shared value: error is %v, want %v", err, core.ErrNotNumber)
	}
	v, token, err := b.GetShared(ctx, "k")
	if v != 5 || err != nil {
		t.Errorf("GetShared = %v, %v; want 5", v, err)
	}
	item = core.Item{Key: "k", Value: []byte("41"), Token: token, Flags: 7}
	if err := b.Store(ctx, core.CompareAndSwap, item); err != nil {
		t.Error(err)
	}
	audit(t, b)
	for want := uint64(42); want < 45; want++ {
		before, _ := b.GetItem(ctx, "k")
		if n, err := b.Incr(ctx, "k", 1); n != want || err != nil {
			t.Errorf("Incr = %d, %v; want %d", n, err, want)
		}
		item := core.Item{Key: "k", Value: []byte("0"), Token: before.Token}
		if err := b.Store(ctx, core.CompareAndSwap, item); err != core.ErrConflict {
			t.Errorf("CompareAndSwap with a token from before Incr: error is %v, want %v",
				err, core.ErrConflict)
		}
		audit(t, b)
	}
	one, _ := b.GetItem(ctx, "k")
	other, _ := b.GetItem(ctx, "k")
	if string(one.Value) != "44" || one.Flags != 7 {
		t.Errorf("a counter has value %q and flags %d, want \"44\" and 7", one.Value, one.Flags)
	}
	item = core.Item{Key: "k", Value: []byte("x"), Token: one.Token}
	if err := b.Store(ctx, core.CompareAndSwap, item); err != nil {
		t.Errorf("CompareAndSwap with the token of a counter: %v", err)
	}
	item = core.Item{Key: "k", Value: []byte("y"), Token: other.Token}
	if err := b.Store(ctx, core.CompareAndSwap, item); err != core.ErrConflict {
		t.Errorf("CompareAndSwap with an equal token, after another: error is %v, want %v",
			err, core.ErrConflict)
	}
	audit(t, b)
}
