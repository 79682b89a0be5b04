package memory

import (
	"math/rand/v2"
	"testing"
)

func TestHistoryCountsRecentUses(t *testing.T) {
	var h history
	h.fit(100)
	for range 20 {
		h.add(1, 1, 100)
	}
	h.add(2, 3, 100)
	if often, seldom, never := h.uses(1), h.uses(2), h.uses(3); often != maxUses ||
		seldom != 3 || never != 0 {
		t.Fatalf("%d, %d and %d uses, want %d, 3 and 0", often, seldom, never, maxUses)
	}
	for h.halved == 0 {
		h.add(0xffff_ffff, 1, 100)
	}
	if often, seldom := h.uses(1), h.uses(2); often != maxUses/2 || seldom != 1 {
		t.Errorf("after the counts were halved: %d and %d, want %d and 1", often, seldom, maxUses/2)
	}
	// The first halving took 20 uses for each entry, and each other one takes 10.
	before, n := h.halved, 0
	for h.halved != before+5 {
		h.add(0xffff_ffff, 1, 100)
		n++
	}
	if n != 5*usesPerEntry/2*100 {
		t.Errorf("five halvings took %d uses of 100 entries", n)
	}
	if often := h.uses(1); often != 0 {
		t.Errorf("after more halvings: %d uses, want 0", often)
	}
}

// Keys that are used once do not displace the count of one that is used often.
func TestHistoryForgetsTheLowestCounts(t *testing.T) {
	var h history
	h.fit(1)
	h.add(5, 2, 1000)
	for i := range uint32(50) {
		h.add(100+i, 1, 1000)
	}
	if h.uses(5) != 2 || h.uses(149) != 1 || h.uses(144) != 1 || h.uses(143) != 0 {
		t.Errorf("%v are left, want 5 twice, and 144 to 149", h.sets)
	}
}

func TestHistoryKeepsItsCountsAsItGrows(t *testing.T) {
	var h history
	r := rand.New(rand.NewPCG(7, 8))
	hashes := make([]uint32, 10_000)
	for i := range hashes {
		hashes[i] = r.Uint32()
		h.fit(i + 1)
		h.add(hashes[i], 2, i+1)
	}
	h.fit(100_000)
	kept := 0
	for _, hash := range hashes {
		if h.uses(hash) == 2 {
			kept++
		}
	}
	if kept < len(hashes)*9/10 {
		t.Errorf("%d of %d counts were kept", kept, len(hashes))
	}
}

func TestGhostAddedAgainIsForgottenAsLateAsANewOne(t *testing.T) {
	var g ghosts
	const limit = 4
	hash := func(i uint32) uint32 { return i << 24 }
	has := func(i uint32, queue int) bool {
		was, found := g.remove(hash(i), limit)
		return found && was == queue
	}
	g.add(hash(1), smallQueue, limit)
	if !has(1, smallQueue) || has(1, smallQueue) {
		t.Error("remove does not report a ghost exactly once")
	}
	for _, i := range []uint32{2, 3, 1, 4, 5, 1, 6} {
		g.add(hash(i), smallQueue, limit)
		g.add(hash(10+i), mainQueue, limit)
	}
	for i, want := range []bool{1: true, 2: false, 3: false, 4: true, 5: true, 6: true, 7: false} {
		if got := has(uint32(i), smallQueue); got != want {
			t.Errorf("ghost %d is remembered: %v, want %v", i, got, want)
		}
		if got := has(uint32(10+i), mainQueue); got != want && i > 0 {
			t.Errorf("ghost %d is remembered: %v, want %v", 10+i, got, want)
		}
	}
}

func TestGhostsOfOneQueueDoNotAgeThoseOfTheOther(t *testing.T) {
	var g ghosts
	g.last = [2]uint32{1<<31 - 3, 1<<32 - 3} // the numbers of both begin again
	g.add(7, mainQueue, 100)
	for i := range uint32(90) {
		g.add(1000+i<<24, smallQueue, 100)
	}
	if queue, found := g.remove(7, 1); !found || queue != mainQueue {
		t.Errorf("remove returned %d, %v, want %d and true", queue, found, mainQueue)
	}
	if queue, found := g.remove(1000, 90); !found || queue != smallQueue {
		t.Errorf("remove returned %d, %v, want %d and true", queue, found, smallQueue)
	}
}
