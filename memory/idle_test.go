package memory

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
)

// latestIdle is the longest time that an item that is not used may stay.
func latestIdle(idle time.Duration) time.Duration { return idle + idle/64 + clockTick }

func TestEachUseBeginsTheIdleTimeAgain(t *testing.T) {
	const idle = time.Minute
	uses := map[string]func(b *Backend, key string) error{
		"Get": func(b *Backend, key string) error {
			_, err := b.Get(context.Background(), key)
			return err
		},
		"GetItem": func(b *Backend, key string) error {
			_, err := b.GetItem(context.Background(), key)
			return err
		},
		"GetItems": func(b *Backend, key string) error {
			items, err := b.GetItems(context.Background(), []string{"absent", key})
			if err == nil && len(items) != 1 {
				return core.ErrMiss
			}
			return err
		},
		"GetItemTTL": func(b *Backend, key string) error {
			item, err := b.GetItemTTL(context.Background(), key)
			if err == nil && item.TTL != 0 {
				return fmt.Errorf("TTL is %v", item.TTL)
			}
			return err
		},
		"Incr": func(b *Backend, key string) error {
			_, err := b.Incr(context.Background(), key, 1)
			return err
		},
		"Set": func(b *Backend, key string) error {
			return b.Store(context.Background(), core.Set, core.Item{Key: key, Value: []byte("1")})
		},
		"Touch": func(b *Backend, key string) error {
			return b.Touch(context.Background(), key, 0)
		},
	}
	for name, use := range uses {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := must(New(&Options{IdleTTL: idle}))
				defer b.Close()
				for k, value := range map[string]string{"plain": "1", "n": "1", "large": ""} {
					if k == "large" && name != "Incr" {
						value = string(make([]byte, maxPlain+1))
					} else if value == "" {
						value = "0"
					}
					set(t, b, k, []byte(value), 0)
				}
				if _, err := b.Incr(t.Context(), "n", 1); err != nil {
					t.Fatal(err)
				}
				set(t, b, "unused", []byte("1"), 0)
				for range 10 {
					time.Sleep(idle - 1)
					for _, k := range []string{"plain", "n", "large"} {
						if err := use(b, k); err != nil {
							t.Fatalf("%s of %q within its idle time: %v", name, k, err)
						}
					}
				}
				audit(t, b)
				if _, err := b.Get(t.Context(), "unused"); err != core.ErrMiss {
					t.Errorf("Get of an item that was not used: error is %v, want a miss", err)
				}
				time.Sleep(latestIdle(idle))
				for _, k := range []string{"plain", "n", "large"} {
					if _, err := b.Get(t.Context(), k); err != core.ErrMiss {
						t.Errorf("Get of %q after its idle time: error is %v, want a miss", k, err)
					}
				}
			})
		})
	}
}

func TestOtherVerbsDoNotUseAnItem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const idle = time.Minute
		b := must(New(&Options{IdleTTL: idle}))
		defer b.Close()
		ctx := t.Context()
		set(t, b, "k", []byte("v"), time.Hour)
		for range 5 {
			time.Sleep(idle / 6)
			for range b.Keys(ctx, "") {
			}
			for range b.All(ctx, "") {
			}
			b.TTL(ctx, "k")
			b.Store(ctx, core.Add, core.Item{Key: "k"})
			b.Store(ctx, core.CompareAndSwap, core.Item{Key: "k", Token: b})
		}
		time.Sleep(idle / 6)
		if has(b, "k") {
			t.Error("the item is present after its idle time")
		}
	})
}

// The time to live of an item is exact, however often it is used.
func TestUsesDoNotProlongTheTimeToLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := must(New(&Options{IdleTTL: time.Minute}))
		defer b.Close()
		ctx := t.Context()
		const ttl = 10*time.Minute + 7
		set(t, b, "k", []byte("1"), ttl)
		set(t, b, "short", nil, 30*time.Second)
		set(t, b, "n", []byte("1"), time.Hour)
		b.Incr(ctx, "n", 1)
		if err := b.Touch(ctx, "n", ttl); err != nil { // shorter than it was
			t.Fatal(err)
		}
		for began := time.Now(); ; time.Sleep(min(30*time.Second, max(ttl-time.Since(began), 1))) {
			left, err := b.TTL(ctx, "n")
			if age := time.Since(began); age >= ttl {
				if age != ttl || has(b, "k") || has(b, "n") || err != core.ErrMiss {
					t.Errorf("after %v an item is present; error of TTL is %v", age, err)
				}
				return
			}
			if time.Since(began) >= 30*time.Second && has(b, "short") {
				t.Errorf("after %v an item for 30 s is present", time.Since(began))
			}
			if !has(b, "k") || !has(b, "n") {
				t.Fatalf("after %v an item is gone", time.Since(began))
			}
			if want := ttl - time.Since(began); err != nil || left != want {
				t.Errorf("TTL is %v and error %v, want %v", left, err, want)
			}
			b.Incr(ctx, "n", 1)
		}
	})
}

func TestItemsThatAreNotUsedLeaveAndTheOthersStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const idle = 40 * time.Minute // in the second row of the sweeper
		b := must(New(&Options{IdleTTL: idle}))
		defer b.Close()
		for i := range 1000 {
			set(t, b, key(i), nil, 0)
		}
		for range 100 {
			time.Sleep(5 * time.Minute)
			for i := range 10 {
				has(b, key(i))
			}
		}
		synctest.Wait()
		if got := b.Counts(); got.Items != 10 || got.Expired != 990 {
			t.Errorf("%+v, want 10 items that are used", got)
		}
		time.Sleep(latestIdle(idle) + time.Duration(b.interval))
		synctest.Wait()
		if got := b.Counts(); got.Items != 0 || isArmed(b) {
			t.Errorf("%+v, want no items and a timer at rest", got)
		}
	})
}

// An item that many goroutines use never leaves, though sweeps and other goroutines drop those
// that expire. A read that has found an item prolongs its life: an item is a hit only if the next
// read within its idle time is one.
func TestReadsAndSweepsAgreeOnTheLifeOfAnItem(t *testing.T) {
	const keys = 50
	b := must(New(&Options{IdleTTL: minIdle, BucketInterval: minInterval}))
	defer b.Close()
	b.idle = int64(200 * time.Millisecond) // shorter than Options allow
	ctx := t.Context()
	began := time.Now()
	var workers sync.WaitGroup
	for w := range 4 {
		workers.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 5))
			for time.Since(began) < 2*time.Second {
				k := key(r.IntN(keys))
				b.Store(ctx, core.Add, core.Item{Key: k, Value: []byte("1")})
				start := time.Now()
				if _, err := b.Get(ctx, k); err != nil {
					continue
				}
				if r.IntN(4) == 0 {
					time.Sleep(time.Duration(r.IntN(250)) * time.Millisecond)
				}
				_, err := b.Get(ctx, k)
				// On a busy machine the coarse clock is late, and the idle time shorter.
				if took := time.Since(start); err != nil && took < 100*time.Millisecond {
					t.Errorf("an item is gone %v after a read", took)
				}
				b.Incr(ctx, k, 1)
			}
		})
	}
	workers.Wait()
	audit(t, b)
	if c := b.Counts(); c.Expired == 0 {
		t.Errorf("%+v, want items that expired", c)
	}
}

func TestAReadOfAnItemThatWasJustDroppedIsAMiss(t *testing.T) {
	b := must(New(&Options{IdleTTL: minIdle}))
	defer b.Close()
	set(t, b, "k", nil, 0)
	e := entryOf(b, "k")
	sh := b.shardOf(b.hash("k"))
	sh.mu.Lock()
	if sh.dropExpired(e, b.now()) || !b.prolong(e) {
		t.Error("an entry ended that has not expired")
	}
	if !sh.dropExpired(e, e.deadline.Load()) || b.prolong(e) {
		t.Error("an entry that has ended was prolonged")
	}
	sh.table.Load().insert(e, b.home(e), tagOf(b.hash("k"))) // where a slow reader still sees it
	sh.mu.Unlock()
	if e := sh.get(b.hash("k"), "k"); e != nil {
		t.Error("an entry that has ended is a hit")
	}
}

func TestReadsWithIdleTTLTakeNoMemory(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	b := must(New(&Options{IdleTTL: time.Hour}))
	defer b.Close()
	value := make([]byte, 100)
	set(t, b, "k", value, 0)
	if n := testing.AllocsPerRun(100, func() { b.Get(t.Context(), "k") }); n != 0 {
		t.Errorf("Get: %v allocations, want none", n)
	}
	if n := testing.AllocsPerRun(100, func() { set(t, b, "k", value, 0) }); n > 1 {
		t.Errorf("Set: %v allocations, want 1", n)
	}
}
