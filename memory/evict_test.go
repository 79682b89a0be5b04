package memory

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
)

func TestThereAreAsManyGhostsAsItems(t *testing.T) {
	const n = 1000
	b := must(New(&Options{MaxItems: n}))
	b.shards = b.shards[:1]
	for i := range 10 * n {
		set(t, b, key(i), nil, 0)
	}
	ghosts := 0
	for i := range 9 * n {
		if b.shards[0].ghosts.remove(b.hash(key(i)), n) {
			ghosts++
		}
	}
	if ghosts < n*9/10 || ghosts > n {
		t.Errorf("%d ghosts for %d items", ghosts, n)
	}
}

// Entries are also removed from the middle. That does not make the queue grow. The numbers
// of its places reach their maximum and start from 0.
func TestFifoKeepsItsOrder(t *testing.T) {
	q := fifo{places: make([]*entry, 100), first: 1<<32 - 20, last: 1<<32 - 20}
	r := rand.New(rand.NewPCG(5, 6))
	var want []*entry
	for range 50_000 {
		if len(want) < 20 || r.IntN(2) == 0 && len(want) < 100 {
			e := newEntry("k", nil, 0, true)
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
	if moved := b.shards[0].fifos[mainQueue].count; moved != maxMoves || stats(b).Evictions != 1 {
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
