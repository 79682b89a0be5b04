package memory

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
)

// Readers, who take no lock, never miss a key that is there all the time, nor see half of a
// value, while others come and go around it, and tables grow and shrink.
func TestAKeyThatIsThereIsNeverMissed(t *testing.T) {
	b := New(&Options{MaxItems: 100_000})
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
	var readers, writers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for i := 0; !stop.Load(); i = (i + 1) % kept {
				item, err := b.Get(context.Background(), key(i))
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
}

// All that lie in one bucket's neighbourhood, so that many go past, come and go; a search
// for what is absent ends.
func TestATableOfCollisions(t *testing.T) {
	table := newTable(8)
	r := rand.New(rand.NewPCG(3, 4))
	type placed struct {
		key  string
		hash uint64
	}
	var there []placed
	for i := range 20_000 {
		if len(there) == 0 || len(there) < 44 && r.IntN(2) == 0 {
			p := placed{key(i), r.Uint64N(3)<<8 | r.Uint64N(4)<<past} // three homes, four tags
			table.insert(newEntry(homeOf(p.hash), p.key, nil, 0), tagOf(p.hash))
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
		if e, _ := table.find(r.Uint64N(3)<<8, "absent"); e != nil {
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

// A queue from whose middle many leave does not grow, and numbers may wrap around.
func TestAFifoKeepsItsOrder(t *testing.T) {
	var q fifo
	q.first, q.last = 1<<32-20, 1<<32-20
	r := rand.New(rand.NewPCG(5, 6))
	var want []*entry
	for range 50_000 {
		if len(want) < 20 || r.IntN(2) == 0 && len(want) < 100 {
			e := &entry{}
			q.push(e)
			want = append(want, e)
		} else {
			at := r.IntN(len(want))
			q.remove(want[at])
			want = append(want[:at:at], want[at+1:]...)
		}
		if q.front() != want[0] || q.count != len(want) {
			t.Fatal("the first is another one")
		}
	}
	if len(q.places) > 512 {
		t.Errorf("%d places for at most 100", len(q.places))
	}
}

// The coarse time ticks while somebody looks, rests when nobody does, and ends with Close.
func TestTheClockRests(t *testing.T) {
	b := New(nil)
	set(t, b, "k", nil, time.Hour)
	ticks := func() bool { return b.coarse.Load() != 0 }
	wait := func(what string, so func() bool) {
		t.Helper()
		for end := time.Now().Add(30 * time.Second); !so(); {
			if time.Now().After(end) {
				t.Fatal(what)
			}
			time.Sleep(time.Millisecond) // of real time, which is what ticks
		}
	}
	if !has(b, "k") || !ticks() {
		t.Error("a read starts no ticks")
	}
	wait("it never rests", func() bool { return !ticks() })
	has(b, "k")
	before := b.coarse.Load()
	wait("it does not go on", func() bool { has(b, "k"); return b.coarse.Load() > before })
	b.Close()
	if ticks() {
		t.Error("it ticks after Close")
	}
	set(t, b, "k", nil, time.Hour)
	if has(b, "k"); ticks() {
		t.Error("a read after Close starts it")
	}
}

// Large values, shared ones and counters lie elsewhere, and are as exact.
func TestKindsOfEntries(t *testing.T) {
	b := New(&Options{MaxBytes: 64 << 20})
	ctx := context.Background()
	large := make([]byte, maxPlain+1)
	large[0], large[maxPlain] = 1, 2
	set(t, b, "k", large, time.Hour)
	large[0] = 9
	item, err := b.Get(ctx, "k")
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
		before, _ := b.Get(ctx, "k")
		if n, err := b.Incr(ctx, "k", 1); n != want || err != nil {
			t.Errorf("Incr = %d, %v", n, err)
		}
		if err := b.Store(ctx, core.CompareAndSwap, core.Item{Key: "k", Value: []byte("0"), Token: before.Token}); err != core.ErrConflict {
			t.Errorf("a token of before: %v", err)
		}
		audit(t, b)
	}
	one, _ := b.Get(ctx, "k")
	other, _ := b.Get(ctx, "k")
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
