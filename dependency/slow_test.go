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

// A farBackend is one whose verbs take some time on the way there and back, each key
// of a multi verb its own.
type farBackend struct {
	core.Backend
	way func() time.Duration
}

func (b farBackend) GetItem(ctx context.Context, key string) (core.Item, error) {
	time.Sleep(b.way())
	item, err := b.Backend.GetItem(ctx, key)
	time.Sleep(b.way())
	return item, err
}

func (b farBackend) Store(ctx context.Context, mode core.Mode, item core.Item) error {
	time.Sleep(b.way())
	err := b.Backend.Store(ctx, mode, item)
	time.Sleep(b.way())
	return err
}

func (b farBackend) Incr(ctx context.Context, key string, delta uint64) (uint64, error) {
	time.Sleep(b.way())
	n, err := b.Backend.Incr(ctx, key, delta)
	time.Sleep(b.way())
	return n, err
}

// The promise again, in simulated time: calls that take from a moment to a minute and
// more, wires that expire, an Add that never wires, and Deletes that meet.
func TestNoItemSurvivesSlowCalls(t *testing.T) {
	seeds := uint64(2)
	if longEnabled {
		seeds = 4
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { survivors(t, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

func survivors(t *testing.T, r *rand.Rand) {
	const lifetime = 3 * time.Minute
	var lock sync.Mutex // guards r
	between := func(least, most time.Duration) time.Duration {
		lock.Lock()
		defer lock.Unlock()
		return least + time.Duration(r.Int64N(int64(most-least+1)))
	}
	far := farBackend{must(memory.New(nil)), func() time.Duration {
		if between(0, 9999) == 0 {
			return between(0, 40*time.Second)
		}
		return between(0, 2*time.Millisecond)
	}}
	c := cacheOf(t, far)
	d := must(dependency.New(c, &dependency.Options{TTL: lifetime}))
	ctx := t.Context()
	end := time.Now().Add(30 * time.Minute)
	var all sync.WaitGroup
	for w := range 8 {
		all.Go(func() {
			for i := 0; time.Now().Before(end); i++ {
				keys := names(fmt.Sprintf("item-%d-%d-", w, i), int(between(1, 30)))
				for _, key := range keys {
					wantErr(t, far.Backend.Store(ctx, core.Set, core.Item{Key: key, TTL: lifetime}), nil)
				}
				wantErr(t, d.AddMulti(ctx, master, keys), nil)
				time.Sleep(between(0, 30*time.Second))
				switch between(0, 5) {
				case 0, 1:
					wantErr(t, d.Delete(ctx, master), nil)
					for _, key := range keys {
						if _, err := far.Backend.GetItem(ctx, key); err == nil {
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
	t.Log("at the end the counter is ", n, err)
	wantErr(t, c.Close(), nil)
}
