package memory

import (
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
)

// A key that is stored again and again is in use, even if it is never read while it is
// present.
func TestKeyThatIsStoredMoreOftenThanOthersStays(t *testing.T) {
	b := must(New(&Options{MaxItems: 20}))
	for i := range 30 {
		set(t, b, key(i), nil, 0)
	}
	for range 3 {
		set(t, b, "often", nil, 0)
		for i := range 5 {
			set(t, b, key(100+i), nil, 0)
		}
	}
	if !has(b, "often") {
		t.Error("the key is gone")
	}
	audit(t, b)
}

// A loop over more keys than there is room for evicts, in a queue, each key before it is
// used again.
func TestScanDoesNotEvictWhatIsAlreadyThere(t *testing.T) {
	const n = 1000
	b := must(New(&Options{MaxItems: n}))
	b.shards = b.shards[:1]
	hits := 0
	for range 20 {
		for i := range 2 * n {
			if has(b, key(i)) {
				hits++
			} else {
				set(t, b, key(i), nil, 0)
			}
		}
	}
	if percent := 100 * hits / (20 * 2 * n); percent < 30 {
		t.Errorf("%d %% of the reads hit, want 30 or more", percent)
	}
	audit(t, b)
}

// In the first trace each key is used twice, the second time after its eviction from a small
// queue of the least size. In the second, some keys are used often and the others once.
func TestSmallQueueAdapts(t *testing.T) {
	const n = 1000
	b := must(New(&Options{MaxItems: n}))
	b.shards = b.shards[:1]
	q := &b.shards[0].queues
	use := func(i int) {
		if !has(b, key(i)) {
			set(t, b, key(i), nil, 0)
		}
	}
	for i := range 20 * n {
		use(i)
		use(max(0, i-n/20))
	}
	grown := q.fifos[smallQueue].count
	if grown < n/20 {
		t.Errorf("the small queue has %d entries, want %d or more", grown, n/20)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 * n {
		use(100*n + int(math.Exp(r.Float64()*math.Log(50*n))))
	}
	if shrunk := q.fifos[smallQueue].count; shrunk > grown/2 {
		t.Errorf("the small queue had %d entries and has %d, want at most half", grown, shrunk)
	}
	audit(t, b)
}

// Entries are also removed from the middle. That does not make the queue grow. The numbers
// of its places reach their maximum and start from 0.
func TestFifoKeepsItsOrder(t *testing.T) {
	q := fifo{places: make([]*entry, 100), first: 1<<32 - 20, last: 1<<32 - 20}
	r := rand.New(rand.NewPCG(5, 6))
	var want []*entry
	for range 50_000 {
		if len(want) < 20 || r.IntN(2) == 0 && len(want) < 100 {
			e := newEntry("k", nil, 0, layout{extended: true})
			q.push(e)
			want = append(want, e)
		} else {
			at := r.IntN(len(want))
			q.remove(want[at])
			want = append(want[:at:at], want[at+1:]...)
		}
		if q.front() != want[0] || q.count != len(want) {
			t.Fatal("the front or the count of the queue is wrong")
		}
	}
	if len(q.places) > 512 {
		t.Errorf("%d places for at most 100", len(q.places))
	}
}

// If all entries were read often, a store still moves only a few of them to find a victim.
func TestStoreMovesABoundedNumberOfEntries(t *testing.T) {
	const n = 10_000
	b := must(New(&Options{MaxItems: n}))
	b.shards = b.shards[:1]
	for i := range n {
		set(t, b, key(i), nil, 0)
	}
	for range maxReads {
		for i := range n {
			has(b, key(i))
		}
	}
	set(t, b, key(n), nil, 0)
	moved := 0
	b.shards[0].table.Load().all(func(e *entry) bool {
		if e.queue() == mainQueue && e.reads.Load()&^queueBit == maxReads-1 {
			moved++
		}
		return true
	})
	if moved != maxMoves || stats(b).Evictions != 1 {
		t.Errorf("%d entries moved for one eviction, want %d", moved, maxMoves)
	}
	audit(t, b)
}

func TestReadsDuringEvictionsKeepTheQueuesIntact(t *testing.T) {
	b := must(New(&Options{MaxItems: 30}))
	var stop atomic.Bool
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for i := 0; !stop.Load(); i++ {
				has(b, key(i%40))
			}
		})
	}
	for i := range 200_000 {
		set(t, b, key(i%40), nil, 0)
	}
	stop.Store(true)
	readers.Wait()
	audit(t, b)
}
