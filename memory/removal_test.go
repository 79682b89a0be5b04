package memory

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
)

// A removalLog keeps what OnRemove was called with.
type removalLog struct {
	mu    sync.Mutex
	lines []string // guarded by mu
}

func (l *removalLog) add(item Item, reason Reason) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, fmt.Sprintf("%s %s=%s %v %d", reason, item.Key, item.Value,
		item.Shared, item.Flags))
}

func (l *removalLog) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := l.lines
	l.lines = nil
	return lines
}

func TestOnRemoveIsCalledWithTheItemAndTheReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log removalLog
		b := must(New(&Options{MaxItems: 2, BucketInterval: time.Second, OnRemove: log.add}))
		ctx := t.Context()
		store := func(key, value string, ttl time.Duration, flags uint32) {
			t.Helper()
			item := core.Item{Key: key, Value: []byte(value), TTL: ttl, Flags: flags}
			if err := b.Store(ctx, core.Set, item); err != nil {
				t.Fatal(err)
			}
		}
		large := strings.Repeat("x", maxPlain+1)
		for _, step := range []struct {
			name string
			do   func()
			want []string
		}{
			{"stores", func() { store("k", "v1", 0, 7) }, nil},
			{"replaces", func() { store("k", "v2", time.Minute, 8) },
				[]string{"Replaced k=v1 <nil> 7"}},
			{"reads and changes", func() {
				has(b, "k")
				b.Touch(ctx, "k", time.Hour)
				b.Delete(ctx, "absent")
				b.Store(ctx, core.Add, core.Item{Key: "k"})
				b.Store(ctx, core.CompareAndSwap, core.Item{Key: "k"})
			}, nil},
			{"deletes", func() { b.Delete(ctx, "k") }, []string{"Deleted k=v2 <nil> 8"}},
			{"counts", func() {
				store("n", "41", 0, core.FlagInt)
				b.Incr(ctx, "n", 1)
			}, nil},
			{"compares and deletes", func() {
				item, _ := b.GetItem(ctx, "n")
				b.Store(ctx, core.CompareAndDelete, item)
			}, []string{"Deleted n=42 <nil> 2"}},
			{"stores a Go value", func() {
				b.StoreShared(ctx, core.Set, core.Item{Key: "s", Flags: 1}, 3.5)
				b.DeleteMulti(ctx, []string{"s", "absent"})
			}, []string{"Deleted s= 3.5 1"}},
			{"stores a large value", func() {
				store("l", large, 0, 0)
				store("l", "small", 0, 0)
			}, []string{"Replaced l=" + large + " <nil> 0"}},
			{"evicts", func() { // l, which came first
				store("a", "1", 0, 0)
				store("b", "2", 0, 0)
			}, []string{"Evicted l=small <nil> 0"}},
			{"flushes", func() { b.Flush(ctx) },
				[]string{"Flushed a=1 <nil> 0", "Flushed b=2 <nil> 0"}},
			{"finds an expired item", func() {
				store("e", "1", time.Millisecond, 0)
				time.Sleep(time.Millisecond)
				has(b, "e")
			}, []string{"Expired e=1 <nil> 0"}},
			{"sweeps", func() {
				store("e", "2", time.Millisecond, 0)
				time.Sleep(2 * time.Second)
			}, []string{"Expired e=2 <nil> 0"}},
			{"closes", func() {
				store("c", "3", time.Hour, 0)
				b.Close()
			}, []string{"Flushed c=3 <nil> 0"}},
			{"stores after Close", func() { store("c", "4", 0, 0); store("c", "5", 0, 0) }, nil},
		} {
			step.do()
			synctest.Wait()
			got := log.take()
			slices.Sort(got)
			if !slices.Equal(got, step.want) {
				t.Errorf("%s: OnRemove was called with %.200q, want %.200q", step.name, got, step.want)
			}
		}
		if got := b.Counts().Lost; got != 1 {
			t.Errorf("%d were lost, want 1, which was replaced after Close", got)
		}
	})
}

// Each key has one writer, which stores increasing numbers. Others delete and flush. What is
// removed of a key comes in order, nothing is missing and nothing comes twice.
func TestOnRemoveIsInTheOrderOfEachKey(t *testing.T) {
	const writers, stores = 6, 4000
	last, calls := map[string]uint64{}, uint64(0) // OnRemove is called by one goroutine at a time
	b := must(New(&Options{MaxItems: 20, OnRemove: func(item Item, reason Reason) {
		calls++
		n, err := core.ParseCount(item.Value)
		if err != nil || n <= last[item.Key] {
			t.Errorf("%s was %v with %d, after %d; error %v",
				item.Key, reason, n, last[item.Key], err)
		}
		last[item.Key] = n
	}}))
	var workers sync.WaitGroup
	for w := range writers {
		workers.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 3))
			for i := range stores {
				k := key(w*5 + i%5)
				set(t, b, k, fmt.Append(nil, 2*i+1), time.Duration(r.IntN(3))*time.Millisecond)
				switch r.IntN(8) {
				case 0:
					b.Delete(context.Background(), key(r.IntN(writers*5)))
				case 1:
					b.Incr(context.Background(), k, 1)
				case 2:
					has(b, key(r.IntN(writers*5)))
				}
				if r.IntN(500) == 0 {
					b.Flush(context.Background())
				}
			}
		})
	}
	workers.Wait()
	b.Close()
	c := b.Counts()
	if c.Inserts != writers*stores || calls != c.Inserts || c.Lost != 0 {
		t.Errorf("OnRemove was called %d times for %+v, want once for each of %d inserts",
			calls, c, writers*stores)
	}
	checkSum(t, b)
}

// A gate lets calls pass while it is open.
type gate struct{ shut atomic.Pointer[chan struct{}] }

func (g *gate) pass() { <-*g.shut.Load() }

func (g *gate) close() { c := make(chan struct{}); g.shut.Store(&c) }

func (g *gate) open() { close(*g.shut.Load()) }

// While OnRemove blocks, verbs go on, and what waits is bounded.
func TestSlowOnRemoveLosesItemsAndCountsThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var gate gate
		gate.close()
		calls := uint64(0)
		b := must(New(&Options{OnRemove: func(Item, Reason) { gate.pass(); calls++ }}))
		const size = 100_000
		value := make([]byte, size)
		fill := func() {
			for i := range 1000 {
				set(t, b, key(i), value, 0)
			}
		}
		lost := uint64(0)
		wantLost := func(after string, more uint64) {
			t.Helper()
			if got := b.Counts().Lost; got != lost+more {
				t.Errorf("after %s %d more items were lost, want %d", after, got-lost, more)
			}
			lost = b.Counts().Lost
		}
		for i := range 1000 {
			set(t, b, key(i%10), value, 0)
		}
		synctest.Wait()
		c := b.Counts()
		if waiting := c.Replaced - c.Lost; waiting*size > maxWaiting+2*size ||
			waiting*size < maxWaiting*9/10 {
			t.Errorf("%d items of %d bytes wait, want %d bytes of them", waiting, size, maxWaiting)
		}
		fill()
		lost = b.Counts().Lost
		// The items of a Flush wait in addition, but not those of every Flush.
		b.Flush(t.Context())
		wantLost("Flush", 0)
		set(t, b, key(1), value, 0)
		b.Flush(t.Context())
		wantLost("a second Flush", 1)
		gate.open()
		synctest.Wait()
		// There is room again, first for an item that is larger than all of the room.
		set(t, b, "large", make([]byte, maxWaiting+1), 0)
		set(t, b, "large", nil, 0)
		fill()
		gate.close()
		b.Flush(t.Context())
		wantLost("Flush of an empty queue", 0)
		// The items of Close wait in addition, whatever else waits.
		fill()
		go gate.open()
		b.Close()
		wantLost("Close", 0)
		if c := b.Counts(); calls != c.Replaced+c.Flushed-c.Lost || c.Items != 0 {
			t.Errorf("OnRemove was called %d times; %+v", calls, c)
		}
	})
}

func TestOnRemoveMayCallTheBackendPanicAndExit(t *testing.T) {
	var logged bytes.Buffer
	defer slog.SetDefault(slog.Default())
	slog.SetDefault(slog.New(slog.NewTextHandler(&logged, nil)))
	synctest.Test(t, func(t *testing.T) {
		var b *Backend
		var log removalLog
		b = must(New(&Options{OnRemove: func(item Item, reason Reason) {
			log.add(item, reason)
			switch string(item.Value) {
			case "panic":
				panic("oh no")
			case "exit":
				runtime.Goexit()
			case "again":
				set(t, b, item.Key, []byte("back"), 0)
			case "flush":
				b.Flush(context.Background())
				b.Counts()
			}
		}}))
		for i, value := range []string{"panic", "exit", "panic", "again", "flush"} {
			set(t, b, key(i), []byte(value), 0)
			if value != "flush" {
				b.Delete(t.Context(), key(i))
			}
		}
		synctest.Wait()
		if got := b.Counts(); got.Deleted != 4 || got.Items != 2 || got.Lost != 0 {
			t.Errorf("%+v, want 4 deleted and 2 items", got)
		}
		b.Delete(t.Context(), key(4))
		synctest.Wait()
		want := []string{
			"Deleted key-00000000=panic <nil> 0",
			"Deleted key-00000001=exit <nil> 0",
			"Deleted key-00000002=panic <nil> 0",
			"Deleted key-00000003=again <nil> 0",
			"Deleted key-00000004=flush <nil> 0",
			"Flushed key-00000003=back <nil> 0",
		}
		if got := log.take(); !slices.Equal(got, want) {
			t.Errorf("OnRemove was called with %q, want %q", got, want)
		}
		// The rest of a flushed shard is lost if the goroutine exits.
		for i := range 5000 {
			set(t, b, key(i), []byte("exit"), 0)
		}
		b.Close()
		if c, calls := b.Counts(), len(log.take()); int(c.Flushed-1) != calls+int(c.Lost) {
			t.Errorf("OnRemove was called %d times; %+v", calls, c)
		}
	})
	if got := logged.String(); strings.Count(got, "oh no") != 1 ||
		!strings.Contains(got, "OnRemove panicked") || !strings.Contains(got, "removal_test.go") {
		t.Errorf("the log is %q, want the first panic and its stack", got)
	}
}
