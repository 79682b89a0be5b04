package dependency_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/dependency"
	"github.com/cachewire/cachewire/memory"
)

func TestDeletedSinceKnowsTheDeletesOfThisProcess(t *testing.T) {
	c := cacheOf(t, must(memory.New(nil)))
	d := must(dependency.New(c, nil))
	ctx := t.Context()
	start := d.Now()
	if d.DeletedSince(start, "a:", "b:") {
		t.Error("before a Delete, DeletedSince returns true")
	}
	wantErr(t, d.DeleteMulti(ctx, []string{"a:", "b:"}), nil)
	after := d.Now()
	for _, tt := range []struct {
		since   dependency.Moment
		masters []string
		want    bool
	}{
		{start, []string{"a:"}, true},
		{start, []string{"none:", "b:"}, true},
		{start, nil, false},
		{after, []string{"a:", "b:"}, false},
	} {
		if got := d.DeletedSince(tt.since, tt.masters...); got != tt.want {
			t.Errorf("DeletedSince(%v, %v) = %v", tt.since, tt.masters, got)
		}
	}
	unrelated := 0
	for i := range 1000 {
		if d.DeletedSince(start, fmt.Sprintf("other:%d:", i)) {
			unrelated++
		}
	}
	if unrelated > 100 { // 2 of 256 stripes are 8 of 1000
		t.Errorf("DeletedSince returns true for %d of 1000 other master keys", unrelated)
	}
}

// A Delete waits for a hold of its master key and deletes what is wired meanwhile. It does not
// wait for others, or longer than its context allows.
func TestADeleteWaitsForHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cacheOf(t, must(memory.New(nil)))
		d := must(dependency.New(c, nil))
		ctx := t.Context()
		start := d.Now()
		release, ok := d.Hold(start, master, "other:")
		if !ok {
			t.Fatal("Hold returns false")
		}
		wantErr(t, d.Delete(ctx, "unrelated:"), nil)
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		wantErr(t, d.Delete(short, master), context.DeadlineExceeded)
		done := make(chan error)
		go func() { done <- d.Delete(ctx, master) }()
		time.Sleep(time.Minute)
		select {
		case err := <-done:
			t.Fatalf("Delete returned %v before the hold was released", err)
		default:
		}
		if _, ok := d.Hold(start, master); ok {
			t.Error("after a Delete has begun, Hold returns true")
		}
		set(t, c, "k")
		wantErr(t, d.Add(ctx, master, "k"), nil)
		release()
		release() // does nothing
		wantErr(t, <-done, nil)
		wantDropped(t, c, "k")
		if release, ok := d.Hold(d.Now(), master); !ok {
			t.Error("since the Delete, Hold returns false")
		} else {
			release()
		}
	})
}

// Master keys that are deleted and held once leave nothing behind.
func TestADependencyDoesNotGrow(t *testing.T) {
	n := 50_000
	if longEnabled {
		n = 1_000_000
	}
	d := must(dependency.New(cacheOf(t, must(memory.New(nil))), nil))
	done, cancel := context.WithCancel(t.Context())
	cancel()
	use := func(n int) {
		for i := range n {
			master := fmt.Sprintf("mk:%d:", i)
			wantErr(t, d.Delete(done, master), context.Canceled) // it is recorded nevertheless
			release, ok := d.Hold(d.Now(), master)
			if !ok {
				t.Fatal("Hold returns false")
			}
			release()
		}
	}
	use(1000)
	before := heap()
	use(n)
	if grown := int64(heap()) - int64(before); grown > int64(4*n) {
		t.Errorf("%d master keys leave %d bytes behind", n, grown)
	}
	runtime.KeepAlive(d)
}

// heap returns how many bytes are in use after a garbage collection.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// An item under the key of a wire would be replaced by it.
func TestAKeyOfAWireIsNotWired(t *testing.T) {
	c := cacheOf(t, must(memory.New(nil)))
	d := must(dependency.New(c, nil))
	for _, key := range []string{master + "1", master + "007", master + strings.Repeat("9", 30)} {
		wantErr(t, d.AddMulti(t.Context(), master, []string{"good", key}), core.ErrInvalidKey)
	}
	keys := []string{master, master + "1a", "1", master + "٣"}
	wantErr(t, d.AddMulti(t.Context(), master, keys), nil)
}
