package memory

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/cachewire/cachewire/core"
)

// audit says that all that a Backend holds fits together.
func audit(t *testing.T, b *Backend) {
	t.Helper()
	var items, bytes int64
	for i := range b.shards {
		sh := &b.shards[i]
		sh.mu.Lock()
		items += int64(len(sh.entries))
		bytes += sh.bytes
		var cost int64
		due := 0
		for key, e := range sh.entries {
			cost += e.cost
			if e.key != key || b.shardOf(key) != sh {
				t.Errorf("entry of %q lies under %q, in shard %d", e.key, key, i)
			}
			if e.deadline != 0 {
				due++
				tick := e.deadline / b.interval
				near, far := int32(tick%b.buckets), int32(b.buckets+tick/b.buckets%farRounds)
				if e.bucket != near && e.bucket != far {
					t.Errorf("%q lies in bucket %d, want %d or %d", key, e.bucket, near, far)
				}
			}
		}
		if cost != sh.bytes {
			t.Errorf("shard %d: %d bytes, its entries cost %d", i, sh.bytes, cost)
		}
		for bucket, r := range sh.buckets {
			due -= length(t, sh, r, inBucket, func(e *entry) bool { return e.bucket == int32(bucket) && e.deadline != 0 })
		}
		if due != 0 {
			t.Errorf("shard %d: %d entries with a deadline more than lie in buckets", i, due)
		}
		queued := 0
		for queue, r := range sh.rings {
			n := length(t, sh, r, inQueue, func(e *entry) bool { return e.queue == uint8(queue) })
			if n != sh.sizes[queue] {
				t.Errorf("shard %d: queue %d holds %d, and says %d", i, queue, n, sh.sizes[queue])
			}
			queued += n
		}
		if b.bounds.set() && queued != len(sh.entries) {
			t.Errorf("shard %d: %d entries are queued, of %d", i, queued, len(sh.entries))
		}
		n, most := len(sh.ghosts.order), ghostRounds*int(max(b.bounds.maxItems, b.bounds.maxBytes/entryCost))
		if n > most || len(sh.ghosts.known) > n {
			t.Errorf("shard %d: %d ghosts of which %d are known, at most %d", i, n, len(sh.ghosts.known), most)
		}
		sh.mu.Unlock()
	}
	if !b.bounds.set() {
		return
	}
	if gotItems, gotBytes := b.bounds.items.Load(), b.bounds.bytes.Load(); gotItems != items || gotBytes != bytes {
		t.Errorf("taken: %d items and %d bytes, there are %d and %d", gotItems, gotBytes, items, bytes)
	}
	if bo := &b.bounds; bo.maxItems > 0 && items > bo.maxItems || bo.maxBytes > 0 && bytes > bo.maxBytes {
		t.Errorf("%d items of %d, %d bytes of %d", items, bo.maxItems, bytes, bo.maxBytes)
	}
}

// length walks along a ring in both directions.
func length(t *testing.T, sh *shard, r ring, kind int, belongs func(e *entry) bool) int {
	t.Helper()
	if r.first == nil {
		return 0
	}
	n := 0
	for e := r.first; ; e = e.links[kind].next {
		n++
		if e.links[kind].next.links[kind].prev != e {
			t.Fatalf("%q: what comes next does not come from there", e.key)
		}
		if sh.entries[e.key] != e || !belongs(e) {
			t.Errorf("%q lies in a ring in which it does not belong", e.key)
		}
		if e.links[kind].next == r.first {
			return n
		}
	}
}

func TestDeadlineIsNowAndTheTimeToLive(t *testing.T) {
	for _, c := range []struct {
		now  int64
		ttl  time.Duration
		want int64
	}{
		{10, 1, 11}, // the seeds' expires(10, 1)
		{0, 1, 1},
		{10, 3000000 * time.Second, 10 + 3e15}, // theirs reads it as a date
		{10, 0, 0},                             // never
		{0, 0, 0},
		{10, math.MaxInt64 - 10, math.MaxInt64},
		{10, math.MaxInt64 - 9, math.MaxInt64},
		{10, math.MaxInt64, math.MaxInt64},
	} {
		if got := deadline(c.now, c.ttl); got != c.want {
			t.Errorf("deadline(%d, %d) = %d, want %d", c.now, c.ttl, got, c.want)
		}
	}
}

// The seeds' find_expired, but that an item is over at the moment its time is.
func TestSweepDropsWhatHasExpiredAndKeepsTheRest(t *testing.T) {
	b := New(&Options{MaxItems: 10, BucketInterval: time.Hour}) // one shard
	sh := &b.shards[0]
	for i, key := range []string{"k1", "k2", "k3"} {
		c := b.bounds.cost(key, 0)
		b.bounds.take(1, c)
		e := &entry{key: key, value: cloneValue(nil), cost: c}
		sh.insert(e)
		sh.setDeadline(e, int64(i+1), 0)
	}
	for _, c := range []struct {
		now, budget int64
		dropped     int
		all         bool
		left        []string
	}{
		{0, 10, 0, true, []string{"k1", "k2", "k3"}},
		{1, 10, 1, true, []string{"k2", "k3"}},
		{1, 10, 0, true, []string{"k2", "k3"}},
		{9, 1, 1, false, []string{"k3"}},
		{9, 1, 1, true, nil},
		{9, 10, 0, true, nil},
	} {
		dropped, all := sh.sweep(0, c.now, int(c.budget))
		if dropped != c.dropped || all != c.all {
			t.Errorf("at %d the sweep dropped %d, and %v says whether it saw all; want %d, %v", c.now, dropped, all, c.dropped, c.all)
		}
		if len(sh.entries) != len(c.left) {
			t.Errorf("at %d there are %d entries, want %q", c.now, len(sh.entries), c.left)
		}
		for _, key := range c.left {
			if sh.entries[key] == nil {
				t.Errorf("at %d %q is gone", c.now, key)
			}
		}
		audit(t, b)
	}
}

func TestKeyIsNotKeptAsPartOfALargerString(t *testing.T) {
	b := New(nil)
	page := strings.Repeat("x", 1000) + "key"
	set(t, b, page[1000:], nil, 0)
	if e := b.shardOf("key").entries["key"]; unsafe.StringData(e.key) == unsafe.StringData(page[1000:]) {
		t.Error("the entry's key keeps all of the string that it was cut from")
	}
}

// FuzzBackend does what the input says, a verb for each pair of bytes, beside a
// map that is known to be right, and audits the structure at the end. With a
// bound the map may know more than the Backend, but never anything else.
func FuzzBackend(f *testing.F) {
	f.Add(uint8(0), []byte("\x00a\x01a\x02b\x03c\x04d"))
	f.Add(uint8(1), []byte("0123456789abcdefghijklmnopqrstuvwxyz"))
	f.Add(uint8(5), []byte{0, 1, 0, 2, 0, 3, 7, 1, 0, 4, 0, 5, 0, 6, 3, 3, 5, 1, 6, 2, 4, 2})
	f.Fuzz(func(t *testing.T, bound uint8, verbs []byte) {
		b := New(&Options{MaxItems: int(bound % 8)})
		if bound%8 == 7 {
			b = New(&Options{MaxBytes: 2000})
		}
		ctx := context.Background()
		model := map[string]string{}
		for i := 0; i+1 < len(verbs); i += 2 {
			key := fmt.Sprint("key", verbs[i+1]%16)
			item := core.Item{Key: key, Value: fmt.Append(nil, i), TTL: time.Duration(verbs[i]/8) * time.Hour}
			old, there := model[key]
			var err error
			switch verbs[i] % 8 {
			case 0, 1:
				if err = b.Store(ctx, core.Set, item); err == nil {
					model[key] = string(item.Value)
				}
			case 2:
				if err = b.Store(ctx, core.Add, item); err == nil {
					if there && !b.bounds.set() {
						t.Fatalf("Add stored over %q", key)
					}
					model[key] = string(item.Value)
				} else if !there {
					t.Fatalf("Add of absent %q: %v", key, err)
				}
			case 3:
				if err = b.Delete(ctx, key); err == nil && !there {
					t.Fatalf("Delete of absent %q succeeded", key)
				}
				delete(model, key)
			case 4:
				var n uint64
				if n, err = b.Incr(ctx, key, 3); err == nil {
					was, _ := core.ParseCount([]byte(old))
					if !there || n != was+3 {
						t.Fatalf("Incr of %q at %q by 3: %d", key, old, n)
					}
					model[key] = fmt.Sprint(n)
				}
			case 5:
				err = b.Touch(ctx, key, item.TTL)
			default:
				var got core.Item
				if got, err = b.Get(ctx, key); err == nil && (!there || string(got.Value) != old) {
					t.Fatalf("Get of %q: %q, want %q", key, got.Value, old)
				}
			}
			if err == core.ErrMiss && there && verbs[i]%8 != 3 {
				if !b.bounds.set() {
					t.Fatalf("verb %d of %q: a miss, want %q", verbs[i]%8, key, old)
				}
				delete(model, key) // evicted
			}
		}
		audit(t, b)
	})
}
