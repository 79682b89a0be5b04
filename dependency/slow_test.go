package dependency_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/dependency"
	"github.com/cachewire/cachewire/memory"
)

// A slowBackend waits before and after each call. It embeds a Backend without the multi
// verbs, so that each key of a multi verb is a call with delays of its own.
type slowBackend struct {
	core.Backend
	delay func() time.Duration
}

func (b slowBackend) GetItem(ctx context.Context, key string) (core.Item, error) {
	time.Sleep(b.delay())
	item, err := b.Backend.GetItem(ctx, key)
	time.Sleep(b.delay())
	return item, err
}

func (b slowBackend) Store(ctx context.Context, mode core.Mode, item core.Item) error {
	time.Sleep(b.delay())
	err := b.Backend.Store(ctx, mode, item)
	time.Sleep(b.delay())
	return err
}

func (b slowBackend) Incr(ctx context.Context, key string, delta uint64) (uint64, error) {
	time.Sleep(b.delay())
	n, err := b.Backend.Incr(ctx, key, delta)
	time.Sleep(b.delay())
	return n, err
}

// This is TestNoItemSurvivesADelete in simulated time. Calls take up to more than a minute,
// wires expire, some numbers are never used, and Deletes run at the same time.
func TestNoItemSurvivesADeleteIfCallsAreSlow(t *testing.T) {
	seeds := uint64(2)
	if longEnabled {
		seeds = 4
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				testSlowCalls(t, rand.New(rand.NewPCG(seed, 1)))
			})
		})
	}
}

func testSlowCalls(t *testing.T, r *rand.Rand) {
	const lifetime = 3 * time.Minute
	var lock sync.Mutex // guards r
	between := func(least, most time.Duration) time.Duration {
		lock.Lock()
		defer lock.Unlock()
		return least + time.Duration(r.Int64N(int64(most-least+1)))
	}
	slow := slowBackend{must(memory.New(nil)), func() time.Duration {
		if between(0, 9999) == 0 {
			return between(0, 40*time.Second)
		}
		return between(0, 2*time.Millisecond)
	}}
	c := cacheOf(t, slow)
	d := must(dependency.New(c, &dependency.Options{TTL: lifetime}))
	ctx := t.Context()
	end := time.Now().Add(30 * time.Minute)
	var all sync.WaitGroup
	for w := range 8 {
		all.Go(func() {
			for i := 0; time.Now().Before(end); i++ {
				keys := names(fmt.Sprintf("item-%d-%d-", w, i), int(between(1, 30)))
				for _, key := range keys {
					item := core.Item{Key: key, TTL: lifetime}
					wantErr(t, slow.Backend.Store(ctx, core.Set, item), nil)
				}
				wantErr(t, d.AddMulti(ctx, master, keys), nil)
				time.Sleep(between(0, 30*time.Second))
				switch between(0, 5) {
				case 0, 1:
					wantErr(t, d.Delete(ctx, master), nil)
					for _, key := range keys {
						if _, err := slow.Backend.GetItem(ctx, key); err == nil {
							t.Errorf("%s was wired before a Delete began, and survived it", key)
						}
					}
				case 2:
					_, err := d.NextKeys(ctx, master, 3)
					wantErr(t, err, nil)
				}
			}
		})
	}
	all.Wait()
	n, err := c.Count(ctx, master)
	t.Log("at the end, the counter is ", n, err)
	wantErr(t, c.Close(), nil)
}
