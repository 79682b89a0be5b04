package memory

import (
	"context"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"weak"
)

// isArmed reports whether the timer of b is set. It stops the timer.
func isArmed(b *Backend) bool { return b.wakeTimer.timer.Stop() }

func TestExpiredItemsLeaveWithoutReadsAndStores(t *testing.T) {
	for name, c := range map[string]struct {
		opts  Options
		ttl   time.Duration
		wakes int // at most so many sweeps
	}{
		"a second":        {Options{}, time.Second, 2},
		"a minute":        {Options{MaxItems: 1e6}, time.Minute, 2},
		"an hour":         {Options{}, time.Hour, 3},
		"a week":          {Options{}, 7 * 24 * time.Hour, 14},
		"short intervals": {Options{BucketInterval: minInterval}, time.Hour, 150},
		"two buckets":     {Options{Buckets: 2, BucketInterval: time.Hour}, 24 * time.Hour, 3},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := must(New(&c.opts))
				defer b.Close()
				interval := time.Duration(b.interval)
				for i := range 2000 {
					set(t, b, key(i), []byte("v"), c.ttl)
				}
				set(t, b, "stays", nil, 0)
				end := time.Now().Add(c.ttl + interval)
				wakes, last := 0, b.nextTick.Load()
				for time.Now().Before(end) {
					time.Sleep(min(interval, time.Until(end)))
					synctest.Wait()
					if next := b.nextTick.Load(); next != last {
						wakes, last = wakes+1, next
					}
				}
				got := b.Counts()
				if want := (Counts{Items: 1, Inserts: 2001, Expired: 2000}); got != want {
					t.Errorf("%v after the time to live: %+v, want %+v", interval, got, want)
				}
				if wakes > c.wakes || wakes == 0 {
					t.Errorf("%d sweeps, want 1 to %d", wakes, c.wakes)
				}
				if b.wakeTimer.from.Load() != atRest || isArmed(b) {
					t.Error("the timer does not rest, but no item is left that expires")
				}
				audit(t, b)
				set(t, b, "k", nil, c.ttl)
				if !isArmed(b) {
					t.Error("the timer rests, but an item expires")
				}
			})
		})
	}
}

// At no time is an item in memory that expired more than an interval ago, whatever its time to
// live, and whether it is touched, and whether stores sweep as well.
func TestNoItemOutlivesItsLifeByMoreThanAnInterval(t *testing.T) {
	for name, pause := range map[string]time.Duration{
		"busy": 10 * time.Millisecond,
		"idle": time.Hour,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := must(New(&Options{Buckets: 3, BucketInterval: time.Second}))
				defer b.Close()
				r := rand.New(rand.NewPCG(3, 4))
				ttl := func() time.Duration {
					return time.Duration(1 + r.ExpFloat64()*float64(time.Minute))
				}
				for range 100 {
					for range 10 {
						i := r.IntN(1000)
						set(t, b, key(i), nil, ttl())
						b.Touch(context.Background(), key(r.IntN(1000)), ttl())
						time.Sleep(time.Duration(r.Int64N(int64(pause))))
					}
					synctest.Wait()
					for i := range b.shards {
						for e := range b.shards[i].table.Load().all {
							if now := b.now(); e.expired(now - b.interval - 1) {
								t.Fatalf("%q expired %v ago", e.key(),
									time.Duration(now-e.deadline.Load()))
							}
						}
					}
				}
				audit(t, b)
			})
		})
	}
}

// The timer takes over where a store has stopped in the middle of a shard.
func TestTimerFinishesTheSweepOfStores(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := must(New(&Options{MaxItems: 1e6}))
		defer b.Close()
		b.shards = b.shards[:2]
		for i := range 20_000 {
			set(t, b, key(i), nil, []time.Duration{time.Minute, 2 * time.Minute, 0}[i%3])
		}
		b.wakeTimer.timer.Stop()
		time.Sleep(75 * time.Second)
		set(t, b, "k", nil, 0)
		if b.shards[b.nextShard].sweepSlot == 0 {
			t.Error("the store has finished its shard, want it to stop before")
		}
		time.Sleep(time.Minute)
		b.wake() // the first part of that shard now has items that have expired, too
		if got := stats(b).Items; got != 6667 {
			t.Errorf("%d items, want those 6667 that never expire", got)
		}
	})
}

func TestTimerRestsForItemsThatNeverExpire(t *testing.T) {
	b := must(New(nil))
	set(t, b, "k", nil, 0)
	if isArmed(b) {
		t.Error("the timer is set")
	}
}

func TestTimerLeavesProcessorTimeToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := must(New(nil))
		defer b.Close()
		set(t, b, "k", nil, time.Second)
		b.wakeTimer.after = b.now() + int64(time.Minute) // as after a sweep of 20 seconds
		b.setTimer()
		time.Sleep(59 * time.Second)
		synctest.Wait()
		if got := stats(b).Items; got != 1 {
			t.Error("the timer fired too early after a long sweep")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got := stats(b).Items; got != 0 {
			t.Error("the timer did not fire")
		}
		set(t, b, "k", nil, time.Second)
		time.Sleep(time.Minute)
		synctest.Wait()
		if after := b.wakeTimer.after; after <= b.now()-int64(time.Minute) || stats(b).Items != 0 {
			t.Error("the timer fired again and has not noted when it may fire next")
		}
	})
}

func TestCloseEndsTheTimer(t *testing.T) {
	b := must(New(&Options{BucketInterval: minInterval}))
	var workers sync.WaitGroup
	for w := range 2 {
		workers.Go(func() {
			for i := range 20_000 {
				set(t, b, key(w*20_000+i), nil, time.Duration(i%50)*time.Millisecond)
			}
		})
	}
	b.Close()
	workers.Wait()
	set(t, b, "k", nil, time.Hour)
	if isArmed(b) {
		t.Error("the timer is set after Close")
	}
}

func TestBackendThatIsDroppedWithoutCloseIsCollected(t *testing.T) {
	b := must(New(nil))
	for i := range 100 {
		set(t, b, key(i), nil, time.Hour)
	}
	ref := weak.Make(b)
	b = nil
	// The coarse clock keeps the Backend for a tick or two.
	for deadline := time.Now().Add(10 * time.Second); ref.Value() != nil; runtime.Gosched() {
		if runtime.GC(); time.Now().After(deadline) {
			t.Fatal("the Backend is still in memory")
		}
	}
}

// Stores and the timer sweep at the same time, and each may find that the other has a newer time.
func TestStoresAndTheTimerSweepTogether(t *testing.T) {
	b := must(New(&Options{Buckets: 3600, BucketInterval: minInterval}))
	defer b.Close()
	var workers sync.WaitGroup
	end := time.Now().Add(2 * time.Second)
	for w := range 4 {
		workers.Go(func() {
			r := rand.New(rand.NewPCG(5, uint64(w)))
			for time.Now().Before(end) {
				ttl := time.Duration(1 + r.Int64N(int64(300*time.Millisecond)))
				set(t, b, key(r.IntN(1<<20)), nil, ttl)
			}
		})
	}
	workers.Wait()
	for deadline := time.Now().Add(10 * time.Second); stats(b).Items > 0; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d expired items are still in memory", stats(b).Items)
		}
	}
}

// While the timer sweeps, or waits for a store that sweeps, it is not set again.
func TestTimerSweepsOnceAtATime(t *testing.T) {
	b := must(New(&Options{BucketInterval: minInterval}))
	defer b.Close()
	before := runtime.NumGoroutine()
	b.sweeper.mu.Lock()
	for end := time.Now().Add(20 * minInterval); time.Now().Before(end); runtime.Gosched() {
		set(t, b, "k", nil, time.Millisecond)
	}
	waiting := runtime.NumGoroutine() - before
	b.sweeper.mu.Unlock()
	if waiting > 2 {
		t.Errorf("%d goroutines wait to sweep", waiting)
	}
	for deadline := time.Now().Add(10 * time.Second); stats(b).Items > 0; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("the expired item is still in memory")
		}
	}
}
