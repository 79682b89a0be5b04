package memory

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
)

// collect returns what All yields, by key. It reports an error if a key comes twice.
func collect(t *testing.T, b *Backend, prefix string) map[string]Item {
	t.Helper()
	items := map[string]Item{}
	for item, err := range b.All(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := items[item.Key]; twice {
			t.Errorf("All yields %q twice", item.Key)
		}
		items[item.Key] = item
	}
	return items
}

func TestAllYieldsTheItemsWithThePrefix(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := must(New(&Options{MaxItems: 100_000}))
		defer b.Close()
		ctx := t.Context()
		large := strings.Repeat("x", maxPlain+1)
		set(t, b, "p:plain", []byte("v"), 0)
		set(t, b, "p:large", []byte(large), time.Hour)
		set(t, b, "p:n", []byte("41"), time.Minute)
		b.Incr(ctx, "p:n", 1)
		set(t, b, "p:gone", nil, time.Second)
		set(t, b, "other", nil, 0)
		set(t, b, "p", nil, 0)
		err := b.StoreShared(ctx, core.Set, core.Item{Key: "p:shared", Flags: 9}, 3.5)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		before := stats(b)
		items := collect(t, b, "p:")
		var got []string
		for _, k := range []string{"p:plain", "p:large", "p:n", "p:shared"} {
			i := items[k]
			got = append(got, fmt.Sprintf("%s=%.3s %v %d %v", i.Key, i.Value, i.Shared, i.Flags, i.TTL))
		}
		want := "[p:plain=v <nil> 0 0s p:large=xxx <nil> 0 59m59s p:n=42 <nil> 0 59s " +
			"p:shared= 3.5 9 0s]"
		if fmt.Sprint(got) != want || len(items) != 4 {
			t.Errorf("All yields %v of %d items, want %v of 4", got, len(items), want)
		}
		if after := stats(b); after.Hits != before.Hits || after.Misses != before.Misses {
			t.Errorf("All counts as a read: %+v, %+v before", after, before)
		}
		if e := entryOf(b, "p:plain"); e.reads.Load() != 0 {
			t.Error("All counts as a read for eviction")
		}
		for k, item := range items {
			if err := b.Store(ctx, core.CompareAndDelete, item.Item); err != nil {
				t.Errorf("CompareAndDelete of %q with the token of All: %v", k, err)
			}
		}
		if left := collect(t, b, ""); len(left) != 2 {
			t.Errorf("%d items are left, want 2", len(left))
		}
	})
}

func TestAllYieldsItemsAsTheyAreWhenItYieldsThem(t *testing.T) {
	b := must(New(&Options{MaxItems: 1000})) // few shards
	for i := range 500 {
		set(t, b, key(i), []byte("old"), 0)
	}
	yielded := map[string]bool{}
	for item, err := range b.All(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if len(yielded) > 0 && string(item.Value) != "new" {
			t.Fatalf("All yields %q=%s after the loop has replaced it", item.Key, item.Value)
		}
		yielded[item.Key] = true
		for i := range 500 {
			switch k := key(i); {
			case i%2 == 0 && !yielded[k] && len(yielded) == 1:
				b.Delete(t.Context(), k)
			case i%2 == 1 && len(yielded) == 1:
				set(t, b, k, []byte("new"), 0)
			}
		}
		set(t, b, "even more", []byte("new"), 0)
	}
	for i := range 250 {
		if k := key(2*i + 1); !yielded[k] {
			t.Errorf("All did not yield %q, which was always present", k)
		}
	}
	delete(yielded, "even more")
	if len(yielded) > 251 {
		t.Errorf("All yields %d items, want at most 251, since 250 were deleted", len(yielded))
	}
}

// Each value has its number twice, the writers keep the item alive, and All sees each key, whole.
func TestAllIsConsistentForEachKeyWhileVerbsRun(t *testing.T) {
	const n = 200
	b := must(New(nil))
	want := map[string]bool{}
	for i := range n {
		set(t, b, key(i), fmt.Appendf(nil, "%d %d", 0, 0), time.Minute)
		set(t, b, "n"+key(i), []byte("0"), time.Minute)
		want[key(i)], want["n"+key(i)] = true, true
	}
	ctx, cancel := context.WithCancel(t.Context())
	var workers sync.WaitGroup
	defer workers.Wait()
	defer cancel()
	for range 3 {
		workers.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				set(t, b, key(i%n), fmt.Appendf(nil, "%d %d", i, i), time.Duration(i%60+1)*time.Minute)
				b.Incr(ctx, "n"+key(i%n), 1)
				if i%3 == 0 {
					set(t, b, "n"+key(i%n), []byte("7"), time.Minute)
				}
				set(t, b, "x"+key(i%5000), nil, 0) // makes tables grow
				b.Delete(ctx, "x"+key((i+2500)%5000))
				b.Touch(ctx, key(i%n), time.Minute)
			}
		})
	}
	for range 50 {
		got := map[string]bool{}
		for item, err := range b.All(t.Context(), "") {
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(item.Key, "x") {
				continue
			}
			got[item.Key] = true
			first, second, both := strings.Cut(string(item.Value), " ")
			if both == strings.HasPrefix(item.Key, "n") || both && first != second ||
				item.TTL <= 0 || item.TTL > time.Hour {
				t.Fatalf("All yields %q = %q with TTL %v", item.Key, item.Value, item.TTL)
			}
		}
		if !maps.Equal(got, want) {
			t.Fatalf("All yields %d of %d keys", len(got), len(want))
		}
	}
}

func TestAllEndsWhenTheContextIsDoneOrTheLoopEnds(t *testing.T) {
	b := must(New(nil))
	for i := range 100 {
		set(t, b, key(i), nil, 0)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	for item, err := range b.All(ctx, "") {
		if n++; n == 1 {
			cancel()
		} else if !errors.Is(err, context.Canceled) || item.Key != "" {
			t.Errorf("after the context was done: %+v and error %v", item, err)
		}
	}
	if n != 2 {
		t.Errorf("%d iterations, want 2", n)
	}
	for range b.All(t.Context(), "") {
		break
	}
}
