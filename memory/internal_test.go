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

// audit reports an error for everything in b that is inconsistent.
func audit(t *testing.T, b *Backend) {
	t.Helper()
	var items, bytes int64
	for i := range b.shards {
		sh := &b.shards[i]
		sh.mu.Lock()
		table := sh.table.Load()
		count := 0
		var cost int64
		for e := range table.all {
			key := e.key()
			hash := b.hash(key)
			count++
			cost += b.bounds.cost(e)
			found, s := table.find(hash, key)
			if found != e || b.shardOf(hash) != sh {
				t.Errorf("%q is in shard %d, but find does not return it", key, i)
				continue
			}
			part := table.part(homeOf(hash))
			if at := part.slotOf(e, homeOf(hash)); at != s {
				t.Errorf("%q is in slot %d of its part, slotOf returns %d", key, s, at)
			}
			due := int64(part.due[s]) - 1
			if deadline := e.deadline.Load(); deadline != 0 {
				tick := deadline / b.interval
				if b.idle != 0 {
					// A read that prolongs a life leaves the item in its bucket.
				} else if due != tick%b.buckets && due != b.buckets+tick/b.buckets%farRounds {
					t.Errorf("%q is in bucket %d, but it expires at tick %d", key, due, tick)
				}
			} else if due != -1 {
				t.Errorf("%q, which never expires, is in bucket %d", key, due)
			}
			if b.bounds.isSet() && *sh.fifos[e.queue()].at(e.extension().place) != e {
				t.Errorf("%q is not in its place in queue %d", key, e.queue())
			}
		}
		items, bytes = items+int64(count), bytes+cost
		if cost != sh.bytes || count != sh.count {
			t.Errorf("shard %d says that it has %d entries and %d bytes; it has %d and %d",
				i, sh.count, sh.bytes, count, cost)
		}
		auditParts(t, table)
		for part := range table.undivided {
			auditTable(t, part, b.home)
		}
		queued := 0
		for queue, q := range sh.fifos {
			n := 0
			for place := q.first; place != q.last; place++ {
				if *q.at(place) != nil {
					n++
				}
			}
			if n != q.count {
				t.Errorf("shard %d: queue %d has %d entries, and says that it has %d",
					i, queue, n, q.count)
			}
			queued += n
		}
		if b.bounds.isSet() && queued != sh.count {
			t.Errorf("shard %d: %d of %d entries are in the queues", i, queued, sh.count)
		}
		sh.mu.Unlock()
	}
	if !b.bounds.isSet() {
		return
	}
	bo := &b.bounds
	gotItems, gotBytes := bo.items.Load(), bo.bytes.Load()
	if gotItems != items || gotBytes != bytes {
		t.Errorf("the bounds count %d items and %d bytes; the shards have %d and %d",
			gotItems, gotBytes, items, bytes)
	}
	if bo.maxItems > 0 && items > bo.maxItems || bo.maxBytes > 0 && bytes > bo.maxBytes {
		t.Errorf("%d items and %d bytes; the bounds are %d and %d",
			items, bytes, bo.maxItems, bo.maxBytes)
	}
}

// bucketCount returns how many buckets the table of sh has.
func bucketCount(sh *shard) (n int) {
	for part := range sh.table.Load().undivided {
		n += len(part.buckets)
	}
	return n
}

// auditParts reports an error for each part of table that is not where its depth says, or that is
// too large or too small, and if the table has more depth than a part.
func auditParts(t *testing.T, table *table) {
	t.Helper()
	if table.parts == nil {
		return
	}
	if len(table.parts) != 1<<table.depth || table.buckets != nil {
		t.Errorf("a table of depth %d has %d parts and %d buckets",
			table.depth, len(table.parts), len(table.buckets))
	}
	deepest := uint8(0)
	for i, part := range table.parts {
		deepest = max(deepest, part.depth)
		first := i &^ (table.span(part.depth) - 1)
		if part.depth == 0 || part != table.parts[first] || part.parts != nil {
			t.Errorf("part %d has depth %d, and is not part %d", i, part.depth, first)
		}
		buddy := table.parts[first^table.span(part.depth)]
		if buddy == part || part.depth == buddy.depth && part.count+buddy.count == 0 {
			t.Errorf("part %d and its other half have no entries", i)
		}
	}
	if deepest != table.depth {
		t.Errorf("a table of depth %d has parts of depth %d at most", table.depth, deepest)
	}
}

// auditTable reports an error for each bucket whose overflow count is wrong, and for each
// slot without an entry that has a tag or a bucket of the sweeper.
func auditTable(t *testing.T, table *table, home func(*entry) uint32) {
	t.Helper()
	passed := make([]int, len(table.buckets)) // by bucket, how many entries passed it
	count := 0
	for e := range table.all {
		count++
		at := int(table.slotOf(e, home(e)) / slots)
		for i := table.home(home(e)); i != at; i = table.next(i) {
			passed[i]++
		}
	}
	if count != table.count {
		t.Errorf("a table with %d entries counts %d", count, table.count)
	}
	for i := range table.buckets {
		b := &table.buckets[i]
		tags := b.tags.Load()
		if n := int(tags >> overflowShift); n != passed[i] && n != 255 {
			t.Errorf("%d entries passed bucket %d, whose overflow count is %d", passed[i], i, n)
		}
		for j := range b.entries {
			tagged, present := tags>>(8*j)&0xff != 0, b.entries[j].Load() != nil
			if tagged != present || !present && table.due != nil && table.due[i*slots+j] != 0 {
				t.Errorf("slot %d of bucket %d: tag %v, entry %v, due %d",
					j, i, tagged, present, table.due[i*slots+j])
			}
		}
	}
}

func TestDeadlineIsNowPlusTheTimeToLive(t *testing.T) {
	for _, c := range []struct {
		now  int64
		ttl  time.Duration
		want int64
	}{
		{10, 1, 11}, // as expires(10, 1) in wheezy.caching
		{0, 1, 1},
		{10, 3000000 * time.Second, 10 + 3e15}, // wheezy.caching reads it as a date
		{10, 0, 0},                             // never
		{0, 0, 0},
		{10, math.MaxInt64 - 10, math.MaxInt64},
		{10, math.MaxInt64 - 9, math.MaxInt64},
		{10, math.MaxInt64, math.MaxInt64},
		{-10, 5, -5}, // simulated time may be before the epoch of the clock
		{-10, math.MaxInt64, math.MaxInt64 - 10},
	} {
		if got := deadlineAfter(c.now, c.ttl); got != c.want {
			t.Errorf("deadlineAfter(%d, %d) = %d, want %d", c.now, c.ttl, got, c.want)
		}
	}
}

// The cases are those of find_expired in wheezy.caching, except that an item expires exactly
// at its deadline.
func TestSweepDropsExpiredItemsAndKeepsTheOthers(t *testing.T) {
	b := must(New(&Options{MaxItems: 10, BucketInterval: time.Hour})) // one shard
	sh := &b.shards[0]
	for i, key := range []string{"k1", "k2", "k3"} {
		hash := b.hash(key)
		e := newEntry(key, nil, 0, b.bounds.layout)
		b.bounds.reserve(1, b.bounds.cost(e))
		sh.setDeadline(hash, sh.insert(e, hash, b.bounds.cost(e)), e, int64(i+1), 0)
	}
	for _, c := range []struct {
		now, budget int64
		dropped     int
		finished    bool
		left        []string
	}{
		{0, 10, 0, true, []string{"k1", "k2", "k3"}},
		{1, 10, 1, true, []string{"k2", "k3"}},
		{1, 10, 0, true, []string{"k2", "k3"}},
		{9, 2, 1, false, []string{"k3"}},
		{9, 2, 1, false, nil}, // it cannot know that this item was the last
		{9, 10, 0, true, nil},
	} {
		work, finished := sh.sweep(0, 1, c.now, int(c.budget))
		if want := 1 + c.dropped*sweptItem; work != want || finished != c.finished {
			t.Errorf("sweep at %d returned %d, %v; want %d, %v",
				c.now, work, finished, want, c.finished)
		}
		if sh.count != len(c.left) {
			t.Errorf("after the sweep at %d there are %d entries, want %q", c.now, sh.count, c.left)
		}
		for _, key := range c.left {
			if entryOf(b, key) == nil {
				t.Errorf("after the sweep at %d, %q is gone", c.now, key)
			}
		}
		audit(t, b)
	}
}

// entryOf returns the entry under key, or nil.
func entryOf(b *Backend, key string) *entry {
	hash := b.hash(key)
	e, _ := b.shardOf(hash).table.Load().find(hash, key)
	return e
}

func TestStoredKeyDoesNotKeepALargerStringInMemory(t *testing.T) {
	b := must(New(nil))
	page := strings.Repeat("x", 1000) + "key"
	for _, size := range []int{0, maxPlain + 1} {
		set(t, b, page[1000:], make([]byte, size), 0)
		if e := entryOf(b, "key"); unsafe.StringData(e.key()) == unsafe.StringData(page[1000:]) {
			t.Error("the entry has a slice of the string that the key was cut from, want a copy")
		}
	}
}

// FuzzBackend calls a verb for each pair of bytes of the input, and compares the results
// with those of a map. At the end it audits the Backend. With a bound, the map may have keys
// that the Backend has evicted, but never another value.
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
			ttl := time.Duration(verbs[i]/8) * time.Hour
			item := core.Item{Key: key, Value: fmt.Append(nil, i), TTL: ttl}
			old, present := model[key]
			var err error
			switch verbs[i] % 8 {
			case 0, 1:
				if err = b.Store(ctx, core.Set, item); err == nil {
					model[key] = string(item.Value)
				}
			case 2:
				if err = b.Store(ctx, core.Add, item); err == nil {
					if present && !b.bounds.isSet() {
						t.Fatalf("Add replaced %q, which was present", key)
					}
					model[key] = string(item.Value)
				} else if !present {
					t.Fatalf("Add of absent %q: %v", key, err)
				}
			case 3:
				if err = b.Delete(ctx, key); err == nil && !present {
					t.Fatalf("Delete of absent %q succeeded", key)
				}
				delete(model, key)
			case 4:
				var n uint64
				if n, err = b.Incr(ctx, key, 3); err == nil {
					was, _ := core.ParseCount([]byte(old))
					if !present || n != was+3 {
						t.Fatalf("Incr by 3 of %q, whose value was %q, returned %d", key, old, n)
					}
					model[key] = fmt.Sprint(n)
				}
			case 5:
				err = b.Touch(ctx, key, item.TTL)
			default:
				var got core.Item
				got, err = b.GetItem(ctx, key)
				if err == nil && (!present || string(got.Value) != old) {
					t.Fatalf("GetItem of %q: %q, want %q", key, got.Value, old)
				}
			}
			if err == core.ErrMiss && present && verbs[i]%8 != 3 {
				if !b.bounds.isSet() {
					t.Fatalf("verb %d of %q: a miss, but its value was %q", verbs[i]%8, key, old)
				}
				delete(model, key) // evicted
			}
		}
		audit(t, b)
	})
}

func TestClassSizeIsWhatTheAllocatorUses(t *testing.T) {
	for n := 1; n < 100_000; n += 1 + n/50 {
		if got, want := classSize(int64(n)), int64(cap(slices.Grow([]byte(nil), n))); got != want {
			t.Errorf("classSize(%d) = %d, want %d", n, got, want)
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
