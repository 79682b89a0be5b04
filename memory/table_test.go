package memory

import (
	"context"
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

// Readers, who take no lock, never miss a key that is there all the time, list it twice, or see half of a
// value, while others come and go around it, and tables grow and shrink.
func TestAKeyThatIsThereIsNeverMissed(t *testing.T) {
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
	var buckets atomic.Int64 // of the first table at its largest
	var readers, writers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for i := 0; !stop.Load(); i = (i + 1) % kept {
				item, err := b.GetItem(context.Background(), key(i))
				if err != nil || len(item.Value) != 8+i%40 {
					t.Errorf("%s: %d bytes, %v", key(i), len(item.Value), err)
					return
				}
				for _, c := range item.Value {
					if c != item.Value[0] {
						t.Errorf("%s: half of a value: %v", key(i), item.Value)
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
				t.Errorf("%d of %d keys are listed", listed, kept)
				return
			}
		}
	})
	for w := range 2 {
		writers.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(w)))
			for range 3 {
				for n := range others { // grows
					set(t, b, key(kept+w*others+n), nil, time.Hour)
					if n%7 == 0 {
						i := r.IntN(kept)
						set(t, b, key(i), value(i, n), time.Hour)
					}
				}
				buckets.Store(int64(len(b.shards[0].table.Load().buckets)))
				for n := range others { // shrinks
					b.Delete(context.Background(), key(kept+w*others+n))
				}
			}
		})
	}
	writers.Wait()
	stop.Store(true)
	readers.Wait()
	audit(t, b)
	if n := len(b.shards[0].table.Load().buckets); int64(n) >= buckets.Load() {
		t.Errorf("a table had %d buckets, and has %d: this proves little", buckets.Load(), n)
	}
}

// Tables of shards that hold as much have many sizes, and each shard begins a line of the
// processor's cache.
func TestShardsGrowAtDifferentMoments(t *testing.T) {
	b := must(New(nil))
	for i := range 1000 * len(b.shards) {
		set(t, b, key(i), nil, 0)
	}
	sizes := map[int]bool{}
	for i := range b.shards {
		sizes[len(b.shards[i].table.Load().buckets)] = true
	}
	if len(sizes) < 4 {
		t.Errorf("%d tables have only %d sizes", len(b.shards), len(sizes))
	}
	if size := unsafe.Sizeof(shard{}); bits.UintSize == 64 && size%64 != 0 {
		t.Errorf("a shard has %d bytes", size)
	}
}

// All that lie in one bucket's neighbourhood, so that many go past, come and go; a search
// for what is absent ends.
func TestATableOfCollisions(t *testing.T) {
	const homes = shardBits + 32 - 3 // the shift of the homes of a table of 8
	table := newTable(8)
	r := rand.New(rand.NewPCG(3, 4))
	type placed struct {
		key  string
		hash uint64
	}
	var there []placed
	for i := range 20_000 {
		if len(there) == 0 || len(there) < 44 && r.IntN(2) == 0 {
			p := placed{key(i), r.Uint64N(3)<<homes | r.Uint64N(4)<<past} // three homes, four tags
			table.insert(newEntry(homeOf(p.hash), p.key, nil, 0), homeOf(p.hash), tagOf(p.hash))
			there = append(there, p)
		} else {
			at := r.IntN(len(there))
			p := there[at]
			e, s := table.find(p.hash, p.key)
			if e == nil || table.slotOf(e) != s {
				t.Fatalf("%s is not found", p.key)
			}
			table.remove(s, e.hash)
			there[at] = there[len(there)-1]
			there = there[:len(there)-1]
		}
		if e, _ := table.find(r.Uint64N(3)<<homes, "absent"); e != nil {
			t.Fatal("found what is absent")
		}
	}
	for _, p := range there {
		if e, _ := table.find(p.hash, p.key); e == nil || e.key() != p.key {
			t.Errorf("%s is not found", p.key)
		}
	}
	auditPast(t, table)
	bigger := table.resized(16)
	for _, p := range there {
		if e, _ := bigger.find(p.hash, p.key); e == nil {
			t.Errorf("%s is not found in a table of 16", p.key)
		}
	}
	auditPast(t, bigger)
}

// More than 255 that went past, and buckets past which somebody went all around.
func TestATableOfOneHome(t *testing.T) {
	table := newTable(128)
	var all []slot
	for i := range 600 {
		all = append(all, table.insert(newEntry(homeOf(5<<past), key(i), nil, 0), homeOf(5<<past), 5))
	}
	for i := range 600 {
		if e, s := table.find(5<<past, key(i)); e == nil || s != all[i] {
			t.Fatalf("%s is not found", key(i))
		}
	}
	auditPast(t, table)
	for i := range 600 {
		_, s := table.find(5<<past, key(i))
		table.remove(s, homeOf(5<<past))
	}
	auditPast(t, table)
	if n := table.buckets[0].tags.Load() >> past; n != 255 {
		t.Errorf("the first bucket says %d, want 255, which it no longer counts", n)
	}
	for i := range table.buckets {
		table.buckets[i].tags.Store(1 << past)
	}
	if e, _ := table.find(7<<past, "absent"); e != nil {
		t.Error("found what is absent")
	}
}

// Also with as many shards as there may be, keys have their homes everywhere.
func TestHomesAreEverywhere(t *testing.T) {
	before := runtime.GOMAXPROCS(32)
	defer runtime.GOMAXPROCS(before)
	b := must(New(nil))
	if len(b.shards) != maxShards {
		t.Fatalf("%d shards", len(b.shards))
	}
	const n = 200_000
	for i := range n {
		set(t, b, key(i), nil, 0)
	}
	went := 0
	for i := range b.shards {
		table := b.shards[i].table.Load()
		for s, e := range table.all {
			for i := table.home(e.hash); i != int(s/slots); i = table.after(i) {
				went++
			}
		}
	}
	if went > n/4 {
		t.Errorf("%d keys are %d buckets from home", n, went)
	}
}

// However large a shard, a store looks along a part of it only, and the next ones go on.
func TestALargeShardIsSweptInParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := must(New(nil))
		b.shards = b.shards[:1]
		sh := &b.shards[0]
		const n = 300_000
		for i := range n {
			set(t, b, key(i), nil, time.Second+time.Duration(i%2)*time.Hour)
		}
		time.Sleep(time.Minute)
		for stores, last := 1, sh.count; sh.count > n/2+1; stores++ {
			set(t, b, "k", nil, 0)
			if gone := last - sh.count; gone > sweepBudget/sweptItem {
				t.Fatalf("one store dropped %d", gone)
			}
			if at, slots := sh.swept, len(sh.table.Load().due); stores == 1 && (at == 0 || at > slots/5) {
				t.Errorf("one store came to slot %d of %d", at, slots)
			}
			if last = sh.count; stores > n/2 {
				t.Fatalf("after %d stores %d are left", stores, last)
			}
		}
		for _, budget := range []int{1, 2} {
			if done, _ := sh.sweep(0, 1, b.now(), budget); done < 1 || done > budget+sweptItem {
				t.Errorf("with a budget of %d the sweep did %d", budget, done)
			}
		}
		audit(t, b)
	})
}

// What empties a shard, in one sweep, makes its table smaller on the way.
func TestASweepThatMakesTheTableSmaller(t *testing.T) {
	b := must(New(&Options{MaxItems: 1 << 20}))
	b.shards = b.shards[:1]
	for i := range 20_000 {
		set(t, b, key(i), nil, time.Minute)
	}
	set(t, b, "stays", nil, time.Hour)
	sh := &b.shards[0]
	places := len(sh.fifos[smallQueue].places)
	if _, all := sh.sweep(0, 10_000, int64(30*time.Minute), 1<<30); !all || sh.count != 1 {
		t.Errorf("%d are left, and it came to the end: %v", sh.count, all)
	}
	if !has(b, "stays") || len(sh.fifos[smallQueue].places) >= places {
		t.Errorf("%d places of %d are left", len(sh.fifos[smallQueue].places), places)
	}
	audit(t, b)
}

// Wherever its budget ends, a sweep goes on until nothing is left that has expired.
func TestASweepEndsWhereverItsBudgetDoes(t *testing.T) {
	const n = 600
	for budget := range n {
		b := must(New(nil))
		b.shards = b.shards[:1]
		for i := range n {
			set(t, b, key(i), nil, time.Minute)
		}
		sh := &b.shards[0]
		for parts, all := 0, false; !all; parts++ {
			if _, all = sh.sweep(0, 10_000, int64(30*time.Minute), budget); parts > 20*n {
				t.Fatalf("with a budget of %d there is no end", budget)
			}
		}
		if sh.count != 0 {
			t.Fatalf("with a budget of %d, %d are left", budget, sh.count)
		}
	}
}

// Of a table that gets smaller between two parts of a sweep nothing is left out.
func TestATableThatGetsSmallerWhileItIsSwept(t *testing.T) {
	const n = 4000
	b := must(New(nil))
	b.shards = b.shards[:1]
	for i := range n {
		set(t, b, key(i), nil, time.Duration(1-min(i%32, 1))*time.Minute) // one in 32 expires
	}
	sh := &b.shards[0]
	sweep := func() bool {
		_, all := sh.sweep(0, 10_000, int64(30*time.Minute), n/32)
		return all
	}
	sweep()
	before := sh.table.Load()
	for i := 0; sh.table.Load() == before; i++ {
		if i%32 != 0 {
			b.Delete(context.Background(), key(i))
		}
	}
	for !sweep() {
	}
	for _, e := range sh.table.Load().all {
		if e.deadline.Load() != 0 {
			t.Fatalf("%s, which has expired, is one of %d that are left", e.key(), sh.count)
		}
	}
}

// A store whose time is older than another's does not go on with what that one sweeps.
func TestAnOlderTimeLeavesASweepAlone(t *testing.T) {
	b := must(New(&Options{Buckets: 4, BucketInterval: time.Second}))
	b.shards = b.shards[:1]
	for i := range 3 * sweepBudget / sweptItem {
		set(t, b, key(i), nil, 1500*time.Millisecond)
	}
	b.sweep(int64(2 * time.Second)) // a part of it
	left := b.shards[0].count
	b.sweep(int64(1400 * time.Millisecond))
	if b.shards[0].count != left || b.next.Load() != 0 {
		t.Errorf("it went on: %d of %d are left, the next tick is %d", b.shards[0].count, left, b.next.Load())
	}
	for range 10 {
		b.sweep(int64(2 * time.Second))
	}
	if n := b.shards[0].count; n != 0 {
		t.Errorf("%d are left", n)
	}
}

// Keys that a caller keeps do not keep what they were the keys of.
func TestListedKeysAreCopies(t *testing.T) {
	b := must(New(nil))
	set(t, b, "key", nil, 0)
	for key := range b.Keys(context.Background(), "") {
		if unsafe.StringData(key) == unsafe.StringData(entryOf(b, "key").key()) {
			t.Error("the key is a part of the entry")
		}
	}
}

// Large values, shared ones and counters lie elsewhere, and are as exact.
func TestKindsOfEntries(t *testing.T) {
	b := must(New(&Options{MaxBytes: 64 << 20}))
	ctx := context.Background()
	large := make([]byte, maxPlain+1)
	large[0], large[maxPlain] = 1, 2
	set(t, b, "k", large, time.Hour)
	large[0] = 9
	item, err := b.GetItem(ctx, "k")
	if err != nil || len(item.Value) != maxPlain+1 || cap(item.Value) != len(item.Value) || item.Value[0] != 1 || item.Value[maxPlain] != 2 {
		t.Errorf("a large value: %d bytes, %v", len(item.Value), err)
	}
	if err := b.StoreShared(ctx, core.CompareAndSwap, core.Item{Key: "k", Token: item.Token}, 5); err != nil {
		t.Error(err)
	}
	if _, err := b.Incr(ctx, "k", 1); err != core.ErrNotNumber {
		t.Errorf("Incr of a shared value: %v", err)
	}
	v, token, err := b.GetShared(ctx, "k")
	if v != 5 || err != nil {
		t.Errorf("GetShared = %v, %v", v, err)
	}
	if err := b.Store(ctx, core.CompareAndSwap, core.Item{Key: "k", Value: []byte("41"), Token: token, Flags: 7}); err != nil {
		t.Error(err)
	}
	audit(t, b)
	for want := uint64(42); want < 45; want++ {
		before, _ := b.GetItem(ctx, "k")
		if n, err := b.Incr(ctx, "k", 1); n != want || err != nil {
			t.Errorf("Incr = %d, %v", n, err)
		}
		if err := b.Store(ctx, core.CompareAndSwap, core.Item{Key: "k", Value: []byte("0"), Token: before.Token}); err != core.ErrConflict {
			t.Errorf("a token of before: %v", err)
		}
		audit(t, b)
	}
	one, _ := b.GetItem(ctx, "k")
	other, _ := b.GetItem(ctx, "k")
	if string(one.Value) != "44" || one.Flags != 7 {
		t.Errorf("a counter reads as %q, flags %d", one.Value, one.Flags)
	}
	if err := b.Store(ctx, core.CompareAndSwap, core.Item{Key: "k", Value: []byte("x"), Token: one.Token}); err != nil {
		t.Errorf("the token of a counter: %v", err)
	}
	if err := b.Store(ctx, core.CompareAndSwap, core.Item{Key: "k", Value: []byte("y"), Token: other.Token}); err != core.ErrConflict {
		t.Errorf("the other token: %v", err)
	}
	audit(t, b)
}
