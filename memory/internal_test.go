package memory

import (
	"context"
	"fmt"
	"math"
	"slices"
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
		table := sh.table.Load()
		count := 0
		var cost int64
		for s, e := range table.all {
			key := e.key()
			hash := b.hash(key)
			count++
			cost += b.bounds.cost(e)
			if found, at := table.find(hash, key); found != e || at != s {
				t.Errorf("%q is not found where it lies", key)
			}
			if b.shardOf(hash) != sh || e.hash != homeOf(hash) || table.slotOf(e) != s {
				t.Errorf("%q is not found where it lies, in shard %d", key, i)
			}
			due := int64(table.due[s]) - 1
			if deadline := e.deadline.Load(); deadline != 0 {
				tick := deadline / b.interval
				if due != tick%b.buckets && due != b.buckets+tick/b.buckets%farRounds {
					t.Errorf("%q lies in bucket %d, of a deadline at tick %d", key, due, tick)
				}
			} else if due != -1 {
				t.Errorf("%q, which is for ever, lies in bucket %d", key, due)
			}
			if b.bounds.set() && *sh.fifos[e.queue()].at(e.place) != e {
				t.Errorf("%q is not in its place of queue %d", key, e.queue())
			}
		}
		items, bytes = items+int64(count), bytes+cost
		if cost != sh.bytes || count != sh.count {
			t.Errorf("shard %d: %d entries, %d bytes; there are %d that cost %d", i, sh.count, sh.bytes, count, cost)
		}
		auditPast(t, table)
		queued := 0
		for queue, q := range sh.fifos {
			n := 0
			for place := q.first; place != q.last; place++ {
				if *q.at(place) != nil {
					n++
				}
			}
			if n != q.count {
				t.Errorf("shard %d: queue %d holds %d, and says %d", i, queue, n, q.count)
			}
			queued += n
		}
		if b.bounds.set() && queued != sh.count {
			t.Errorf("shard %d: %d entries are queued, of %d", i, queued, sh.count)
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

// auditPast says that each bucket knows how many entries went past it, and that slots
// without an entry have nothing else.
func auditPast(t *testing.T, table *table) {
	t.Helper()
	went := make([]int, len(table.buckets))
	for s, e := range table.all {
		for i := table.home(e.hash); i != int(s/slots); i = table.after(i) {
			went[i]++
		}
	}
	for i := range table.buckets {
		b := &table.buckets[i]
		have := b.tags.Load()
		if n := int(have >> past); n != went[i] && n != 255 {
			t.Errorf("%d entries went past bucket %d, which says %d", went[i], i, n)
		}
		for j := range b.entries {
			tagged, there := have>>(8*j)&0xff != 0, b.entries[j].Load() != nil
			if tagged != there || !there && table.due != nil && table.due[i*slots+j] != 0 {
				t.Errorf("slot %d of bucket %d: tag %v, entry %v, due %d", j, i, tagged, there, table.due[i*slots+j])
			}
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
		{-10, 5, -5}, // in a bubble of simulated time the clock may be before its epoch
		{-10, math.MaxInt64, math.MaxInt64 - 10},
	} {
		if got := deadline(c.now, c.ttl); got != c.want {
			t.Errorf("deadline(%d, %d) = %d, want %d", c.now, c.ttl, got, c.want)
		}
	}
}

// The seeds' find_expired, but that an item is over at the moment its time is.
func TestSweepDropsWhatHasExpiredAndKeepsTheRest(t *testing.T) {
	b := must(New(&Options{MaxItems: 10, BucketInterval: time.Hour})) // one shard
	sh := &b.shards[0]
	for i, key := range []string{"k1", "k2", "k3"} {
		hash := b.hash(key)
		e := newEntry(homeOf(hash), key, nil, 0)
		b.bounds.take(1, b.bounds.cost(e))
		sh.setDeadline(sh.insert(e, hash, b.bounds.cost(e)), e, int64(i+1), 0)
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
		{9, 2, 1, false, []string{"k3"}},
		{9, 2, 1, false, nil}, // it does not know that it was the last
		{9, 10, 0, true, nil},
	} {
		done, all := sh.sweep(0, 1, c.now, int(c.budget))
		if want := 1 + c.dropped*sweptItem; done != want || all != c.all {
			t.Errorf("at %d the sweep did %d, and came to the end: %v; want %d, %v", c.now, done, all, want, c.all)
		}
		if sh.count != len(c.left) {
			t.Errorf("at %d there are %d entries, want %q", c.now, sh.count, c.left)
		}
		for _, key := range c.left {
			if entryOf(b, key) == nil {
				t.Errorf("at %d %q is gone", c.now, key)
			}
		}
		audit(t, b)
	}
}

// entryOf answers the entry under key, or nil.
func entryOf(b *Backend, key string) *entry {
	hash := b.hash(key)
	e, _ := b.shardOf(hash).table.Load().find(hash, key)
	return e
}

func TestKeyIsNotKeptAsPartOfALargerString(t *testing.T) {
	b := must(New(nil))
	page := strings.Repeat("x", 1000) + "key"
	for _, size := range []int{0, maxPlain + 1} {
		set(t, b, page[1000:], make([]byte, size), 0)
		if e := entryOf(b, "key"); unsafe.StringData(e.key()) == unsafe.StringData(page[1000:]) {
			t.Error("the entry's key keeps all of the string that it was cut from")
		}
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
		b := must(New(&Options{MaxItems: int(bound % 8)}))
		if bound%8 == 7 {
			b = must(New(&Options{MaxBytes: 2000}))
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
				if got, err = b.GetItem(ctx, key); err == nil && (!there || string(got.Value) != old) {
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

func TestClassSizeIsTheAllocators(t *testing.T) {
	for n := 1; n < 100_000; n += 1 + n/50 {
		if got, want := classSize(n), cap(slices.Grow([]byte(nil), n)); got != want {
			t.Errorf("%d bytes take %d, want %d", n, got, want)
		}
	}
}

// must returns v, and panics if there is an error.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
