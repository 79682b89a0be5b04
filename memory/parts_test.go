package memory

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
)

// oneShard returns a Backend with one shard and no timer.
func oneShard(opts *Options) (*Backend, *shard) {
	b := must(New(opts))
	b.shards = b.shards[:1]
	b.closeTimer()
	return b, &b.shards[0]
}

// A shard grows, shrinks and grows again, in parts that never get large, so that no verb moves
// many entries. In the end it is as small as one that never had more items.
func TestTablesAreDividedAndJoined(t *testing.T) {
	skipWithRace(t)
	for name, opts := range map[string]*Options{"no bound": nil, "bound": {MaxItems: 1 << 20}} {
		t.Run(name, func(t *testing.T) {
			b, sh := oneShard(opts)
			r := rand.New(rand.NewPCG(1, 2))
			present := map[string]bool{}
			var keys []string // of present, in no order
			for _, goal := range []int{500, 20_000, 3000, 3500, 100, 30_000, 0} {
				for len(keys) != goal {
					grows := len(keys) < goal
					if r.IntN(4) == 0 { // a step back
						grows = !grows
					}
					if grows {
						k := key(r.IntN(1 << 20))
						if !present[k] {
							present[k], keys = true, append(keys, k)
						}
						set(t, b, k, []byte(k), 0)
					} else if len(keys) > 0 {
						i := r.IntN(len(keys))
						if err := b.Delete(context.Background(), keys[i]); err != nil {
							t.Fatal(err)
						}
						delete(present, keys[i])
						keys[i] = keys[len(keys)-1]
						keys = keys[:len(keys)-1]
					}
				}
				audit(t, b)
				table, most := sh.table.Load(), 0
				for part := range table.undivided {
					most = max(most, len(part.buckets))
				}
				if most > maxPart*5/4 {
					t.Errorf("with %d items there is a part of %d buckets", goal, most)
				}
				if divided := len(table.parts) > 1; divided && goal == 0 || !divided && goal >= 1000 {
					t.Errorf("with %d items the table has %d parts", goal, len(table.parts))
				}
				var listed []string
				for k, err := range b.Keys(t.Context(), "") {
					if err != nil {
						t.Fatal(err)
					}
					listed = append(listed, k)
				}
				slices.Sort(listed)
				slices.Sort(keys)
				if !slices.Equal(listed, keys) {
					t.Errorf("Keys yields %d keys, want the %d that are present", len(listed), goal)
				}
			}
			if n := bucketCount(sh); n > maxPart/2 {
				t.Errorf("an empty table has %d buckets, want %d at most", n, maxPart/2)
			}
		})
	}
}

// Keys that all have the same home cannot be divided, but they are stored and found.
func TestKeysOfOneHomeAreNotDivided(t *testing.T) {
	skipWithRace(t)
	for _, depth := range []uint8{0, maxDepth} {
		b, sh := oneShard(&Options{MaxItems: 1 << 20})
		const n, hash = 2500, 12345 << 32
		sh.table.Store(newTable(1, 0))
		for part := sh.table.Load(); part.depth < depth; part = sh.part(homeOf(hash)) {
			halves := part.split(1, b.home)
			sh.setParts(homeOf(hash)&^(1<<(31-part.depth)), halves[:]...)
		}
		for i := range n {
			sh.insert(newEntry(key(i), nil, 0, b.bounds.layout), hash, 0)
		}
		table := sh.table.Load()
		if table.depth < depth || table.depth > maxDepth {
			t.Errorf("the depth is %d, want %d to %d", table.depth, depth, maxDepth)
		}
		for i := range n {
			if e, _ := table.find(hash, key(i)); e == nil {
				t.Fatalf("%s is not found", key(i))
			}
		}
		for i := range n {
			e, _ := sh.table.Load().find(hash, key(i))
			sh.remove(e, Deleted)
		}
		if left := sh.table.Load(); left.parts != nil || left.count != 0 {
			t.Errorf("the empty table has depth %d and counts %d entries", left.depth, left.count)
		}
	}
}

// A sweep that has stopped in a part begins with it again if the part is joined with another one.
func TestSweepContinuesInAJoinedPart(t *testing.T) {
	b, sh := oneShard(nil)
	for i := 0; len(sh.table.Load().parts) != 2; i++ {
		set(t, b, key(i), nil, 0)
	}
	sh.sweepHome, sh.sweepSlot = 1<<31, 5 // in the second half
	first, second := sh.table.Load().parts[0], sh.table.Load().parts[1]
	for _, e := range slices.Collect(first.all) { // those of the first half go
		sh.remove(e, Deleted)
	}
	for _, e := range slices.Collect(second.all) {
		if sh.table.Load().parts == nil {
			break
		}
		if sh.sweepSlot != 5 {
			t.Fatalf("before the parts are joined, the sweep continues at slot %d, want 5", sh.sweepSlot)
		}
		sh.remove(e, Deleted)
	}
	if joined := sh.table.Load(); joined.parts != nil || joined.count == 0 || sh.sweepSlot != 0 {
		t.Errorf("after the parts are joined, the sweep continues at slot %d of a table of %d entries; "+
			"want 0 and some", sh.sweepSlot, joined.count)
	}
	audit(t, b)
}
