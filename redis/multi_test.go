package redis_test

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/redis/redistest"
)

// onEach runs a story on one server and on a cluster.
func onEach(t *testing.T, story func(t *testing.T, c *core.Cache, servers []*redistest.Server)) {
	t.Run("one server", func(t *testing.T) {
		server := redistest.Start(t, nil)
		story(t, openCache(t, patient(server.Addr())), []*redistest.Server{server})
	})
	t.Run("cluster", func(t *testing.T) {
		cluster := redistest.StartCluster(t, 3, nil)
		story(t, openCache(t, patient(cluster.Addrs()...)), cluster)
	})
}

func TestFortyThousandKeys(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, c *core.Cache, servers []*redistest.Server) {
		ctx := t.Context()
		const n = 40000
		keys := make([]string, n)
		values := make(map[string][]byte, n)
		for i := range keys {
			keys[i] = fmt.Sprint("key ", i)
			values[keys[i]] = []byte(fmt.Sprint("value ", i))
		}
		wantErr(t, "SetMulti", c.SetMulti(ctx, values, time.Hour), nil)
		got, err := c.GetMulti(ctx, append(keys, "absent"))
		if wantErr(t, "GetMulti", err, nil); len(got) != n {
			t.Errorf("GetMulti returned %d values", len(got))
		}
		for key, value := range values {
			if !bytes.Equal(got[key], value) {
				t.Fatalf("%s is %q, want %q", key, got[key], value)
			}
		}
		items, err := c.GetItems(ctx, keys[:3000])
		wantErr(t, "GetItems", err, nil)
		swaps := make([]core.Item, 0, len(items))
		for _, item := range items {
			item.Value = []byte("swapped")
			swaps = append(swaps, item)
		}
		wantErr(t, "CompareAndSwap", c.StoreMulti(ctx, core.CompareAndSwap, swaps), nil)
		for _, server := range servers {
			server.Do("SCRIPT", "FLUSH")
		}
		err = c.StoreMulti(ctx, core.CompareAndDelete,
			append(swaps, core.Item{Key: "absent", Token: swaps[0].Token}))
		for _, item := range swaps {
			wantErr(t, "CompareAndDelete of "+item.Key, keyError(err, item.Key), core.ErrConflict)
		}
		wantErr(t, "CompareAndDelete of an absent key", keyError(err, "absent"), core.ErrMiss)
		wantErr(t, "DeleteMulti", c.DeleteMulti(ctx, append(keys[1:], "absent")), nil)
		got, err = c.GetMulti(ctx, keys)
		if wantErr(t, "GetMulti", err, nil); len(got) != 1 {
			t.Errorf("%d keys are left, want 1", len(got))
		}
	})
}

// Each key has its own error.
func TestKeysOfAMultiVerbFailForThemselves(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, c *core.Cache, servers []*redistest.Server) {
		ctx := t.Context()
		set(t, c, "text", "text")
		for _, server := range servers { // those of a cluster that do not have the key refuse
			server.Do("RPUSH", "list", "x")
		}
		got, err := c.GetMulti(ctx, []string{"text", "list", "absent"})
		wantErr(t, "GetMulti of a list", keyError(err, "list"), core.ErrCodec)
		if string(got["text"]) != "text" || len(got) != 1 || keyError(err, "text") != nil ||
			keyError(err, "absent") != nil {
			t.Errorf("GetMulti: %q, %v", got, err)
		}
		err = c.SetMulti(ctx, map[string][]byte{"large": make([]byte, 5<<20), "small": []byte("v")},
			0)
		wantErr(t, "SetMulti of a large value", keyError(err, "large"), core.ErrTooLarge)
		wantErr(t, "SetMulti of a small value", keyError(err, "small"), nil)
		wantValue(t, c, "small", "v")
		ctx, cancel := context.WithCancel(ctx)
		cancel()
		err = c.SetMulti(ctx, map[string][]byte{"a": nil, "b": nil}, 0)
		wantErr(t, "SetMulti under a context that is done", keyError(err, "b"), context.Canceled)
	})
}

// A primary that is down costs its own keys.
func TestADeadPrimaryCostsItsOwnKeysOfAMultiVerb(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t, 3, nil)
	opts := impatient(cluster.Addrs()...)
	opts.Timeout = 5 * time.Second
	c := openCache(t, opts)
	values := map[string][]byte{}
	var keys []string
	for i := range 300 {
		keys = append(keys, fmt.Sprint("key", i))
		values[keys[i]] = []byte(keys[i])
	}
	wantErr(t, "SetMulti", c.SetMulti(t.Context(), values, 0), nil)
	cluster[1].Kill()
	got, err := c.GetMulti(t.Context(), keys)
	failed := 0
	for _, key := range keys {
		switch err := keyError(err, key); {
		case err != nil:
			wantErr(t, "GetMulti of "+key, err, core.ErrUnavailable)
			failed++
		case string(got[key]) != key:
			t.Errorf("%s is %q without an error", key, got[key])
		}
	}
	if failed < 50 || failed > 150 {
		t.Errorf("%d of 300 keys failed, want those of one primary of three", failed)
	}
	if err := c.Ping(t.Context()); err == nil {
		t.Error("Ping succeeds though a primary is dead")
	}
}

// The values have 200 MB in all with the build tag long, and 40 MB otherwise. A write copies
// its values, one pipeline after another.
func TestValuesWhoseSumIsLarge(t *testing.T) {
	server := redistest.Start(t, nil)
	opts := patient(server.Addr())
	c := openCache(t, opts)
	count := 40
	if longEnabled {
		count = 200
	}
	value := bytes.Repeat([]byte("0123456789"), 100_000)
	values := map[string][]byte{}
	for i := range count {
		values[fmt.Sprint("k", i)] = value
	}
	set(t, c, "warm", "")
	heap := peakHeap(t, func() {
		wantErr(t, "SetMulti", c.SetMulti(t.Context(), values, 0), nil)
	})
	if heap > 20<<20 {
		t.Errorf("SetMulti of %d MB took %d MB", count, heap>>20)
	}
	got, err := c.GetMulti(t.Context(), slices.Collect(func(yield func(string) bool) {
		for key := range values {
			if !yield(key) {
				return
			}
		}
	}))
	if wantErr(t, "GetMulti", err, nil); len(got) != count {
		t.Errorf("GetMulti returned %d values, want %d", len(got), count)
	}
	for key, v := range got {
		if !bytes.Equal(v, value) {
			t.Errorf("%s is not what was stored", key)
		}
	}
}

// peakHeap returns by how much the heap grew while f ran.
func peakHeap(t testing.TB, f func()) int64 {
	t.Helper()
	heap := func() int64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	runtime.GC()
	before, peak := heap(), int64(0)
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	for ticker := time.NewTicker(time.Millisecond); ; {
		select {
		case <-done:
			ticker.Stop()
			return peak
		case <-ticker.C:
			// What is garbage does not count, nor what f allocates between a collection and
			// the reading: that is garbage at the next collection.
			runtime.GC()
			once := heap()
			runtime.GC()
			peak = max(peak, min(once, heap())-before)
		}
	}
}

func TestKeysAreYieldedWhateverTheyContain(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, c *core.Cache, servers []*redistest.Server) {
		ctx := t.Context()
		const n = 5000
		values := map[string][]byte{}
		for i := range n {
			values[fmt.Sprintf("a*[x]%d", i)] = nil
			values[fmt.Sprintf("axx%d", i)] = nil
		}
		wantErr(t, "SetMulti", c.SetMulti(ctx, values, 0), nil)
		wantErr(t, "SetMulti", c.SetMulti(ctx, map[string][]byte{"a*[x]expired": nil}, 1), nil)
		eventually(t, "the end of the item with a short life", func() bool {
			return !must(c.Exists(ctx, "a*[x]expired"))
		})
		some := must(c.WithPrefix("a*[x]"))
		b := backendOf(t, c)
		seen := map[string]bool{}
		for key, err := range b.Keys(ctx, "a*[x]") {
			wantErr(t, "Keys", err, nil)
			seen[key] = true
			if len(seen) == 100 { // the loop may change what it goes over
				wantErr(t, "Set", c.Set(ctx, "a*[x]new", nil, 0), nil)
			}
		}
		delete(seen, "a*[x]new")
		if len(seen) != n {
			t.Errorf("%d keys were yielded, want %d", len(seen), n)
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		yielded := 0
		var last error
		for _, err := range b.Keys(ctx, "a") {
			if last = err; err == nil {
				yielded++
				cancel()
			}
		}
		wantErr(t, "Keys that is cancelled", last, context.Canceled)
		if yielded == 0 || yielded > n {
			t.Errorf("%d keys were yielded before and after the cancel", yielded)
		}
		wantErr(t, "Flush", some.Flush(t.Context()), nil)
		left := 0
		for _, server := range servers {
			left += len(lines(server.Do("KEYS", "axx*")))
		}
		if left != n {
			t.Errorf("%d other keys are left, want %d", left, n)
		}
	})
}

// backendOf returns the Backend of c.
func backendOf(t testing.TB, c *core.Cache) core.KeyLister {
	t.Helper()
	var lister core.KeyLister
	if !c.As(&lister) {
		t.Fatal("As is false")
	}
	return lister
}

// A cursor means nothing to a server that was restarted, even if it has the same keys.
func TestKeysBeginAgainAfterALostConnection(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, nil)
	c := openCache(t, patient(server.Addr()))
	values := map[string][]byte{}
	for i := range 20000 {
		values[fmt.Sprint("k", i)] = nil
	}
	wantErr(t, "SetMulti", c.SetMulti(t.Context(), values, 0), nil)
	seen := map[string]int{}
	total := 0
	for key, err := range backendOf(t, c).Keys(t.Context(), "k") {
		if err != nil {
			t.Fatal(err)
		}
		seen[key]++
		if total++; total == 5000 {
			server.Do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
		}
	}
	if len(seen) != len(values) || total == len(values) {
		t.Errorf("%d keys were yielded, %d of them different, want some of %d twice", total,
			len(seen), len(values))
	}
}

// Slots move while verbs run: MOVED and ASK are followed, and scripts are sent again to a server
// that does not know them.
func TestSlotsOfAClusterMoveUnderLoad(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t, 3, nil)
	c := openCache(t, patient(cluster.Addrs()...))
	ctx := t.Context()
	const slot = 12182 // of foo
	var keys []string
	for i := range 50 {
		keys = append(keys, fmt.Sprint("{foo}", i))
	}
	var rounds atomic.Uint64
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for n := uint64(0); ; n++ {
			key := keys[n%uint64(len(keys))]
			select {
			case <-stop:
				return
			default:
			}
			rounds.Store(n)
			got, err := c.IncrFrom(ctx, key, 1, 0, time.Hour)
			if want := n/uint64(len(keys)) + 1; got != want || err != nil {
				t.Errorf("IncrFrom %s: %d, %v; want %d", key, got, err, want)
			}
			item, err := c.GetItem(ctx, key)
			wantErr(t, "GetItem", err, nil)
			wantErr(t, "CompareAndSwap", c.CompareAndSwap(ctx, item), nil)
			items, err := c.GetMulti(ctx, keys[:min(n+1, uint64(len(keys)))])
			if err != nil || uint64(len(items)) != min(n+1, uint64(len(keys))) {
				t.Errorf("GetMulti: %d items, %v", len(items), err)
			}
		}
	}()
	meet := func() { // verbs meet what was done
		t.Helper()
		now := rounds.Load()
		eventually(t, "the verbs go on", func() bool { return rounds.Load() > now+3 })
	}
	for _, move := range [][2]int{{2, 0}, {0, 1}, {1, 2}} {
		from, to := cluster[move[0]], cluster[move[1]]
		cluster.MoveSlot(slot, from, to)
		meet()
		wantErr(t, "Set of a new key", c.Set(ctx, "{foo} new", []byte("v"), 0), nil)
		wantValue(t, c, "{foo} new", "v")
		wantErr(t, "Delete", c.Delete(ctx, "{foo} new"), nil)
		cluster.FinishMove(slot, from, to)
		meet()
		to.Do("SCRIPT", "FLUSH")
		meet()
	}
	close(stop)
	<-done
}

// A failover may lose writes that Redis acknowledged, but no verb reads anything wrong: a value
// is one that was stored, and a counter that has lost nothing does not go back.
func TestAFailoverUnderLoad(t *testing.T) {
	g := redistest.StartSentinel(t, nil)
	opts := patient(g.Sentinel.Addr())
	opts.Master, opts.Timeout = redistest.MasterName, 500*time.Millisecond
	c := openCache(t, opts)
	stop, done := make(chan struct{}), make(chan int)
	for w := range 8 {
		go func() {
			key, succeeded := fmt.Sprint("k", w), 0
			for i := 0; ; i++ {
				select {
				case <-stop:
					done <- succeeded
					return
				default:
				}
				ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
				err := c.Set(ctx, key, []byte(fmt.Sprint(key, " ", i)), 0)
				if got, err := c.Get(ctx, key); err == nil &&
					!strings.HasPrefix(string(got), key+" ") {
					t.Errorf("Get %s: %q", key, got)
				}
				if err == nil {
					succeeded++
				}
				cancel()
			}
		}()
	}
	eventually(t, "the replica has keys", func() bool { return g.Replica.Do("DBSIZE") != "0" })
	g.Primary.Kill()
	g.AwaitFailover()
	eventually(t, "Set succeeds", func() bool {
		return c.Set(t.Context(), "after", []byte("v"),
			0) == nil
	})
	n, err := c.IncrFrom(t.Context(), "n", 1, 0, 0)
	if n != 1 || err != nil {
		t.Errorf("IncrFrom at the new primary, which does not know the script: %d, %v", n, err)
	}
	wantValue(t, c, "after", "v")
	close(stop)
	for range 8 {
		if <-done == 0 {
			t.Error("a worker had no success")
		}
	}
}
