package tiered_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/redis"
	"github.com/cachewire/cachewire/redis/redistest"
	"github.com/cachewire/cachewire/tiered"
)

// busStale is MaxStale of tiers whose bus has a server of its own.
const busStale = 2 * time.Second

// A busFleet is some tiers over one far that is always well, with a bus over another server.
type busFleet struct {
	server *redistest.Server // of the bus
	tiers  []*tiered.Backend

	mu   sync.Mutex
	told [][]error // guarded by mu; what OnBus of each tier was called with
}

func newBusFleet(t *testing.T, n int, kind string) *busFleet {
	f := &busFleet{server: redistest.Start(t, nil), told: make([][]error, n)}
	far := sharedFar{newMemory()}
	for i := range n {
		over := must(redis.New(&redis.Options{Addrs: []string{f.server.Addr()}}))
		var bus core.Bus
		if kind == "poll" {
			bus = must(tiered.NewPoll(over, nil))
		} else {
			bus = must(over.OpenBus(kind))
		}
		b := newTier(far, &tiered.Options{
			NearTTL: time.Hour, MaxStale: busStale, Bus: bus,
			OnBus: func(err error) {
				f.mu.Lock()
				defer f.mu.Unlock()
				f.told[i] = append(f.told[i], err)
			},
		})
		f.tiers = append(f.tiers, b)
		t.Cleanup(func() {
			wantErr(t, "Close of a tier", b.Close(), nil)
			over.Close()
		})
	}
	f.await(t, "the buses work", true)
	return f
}

func (f *busFleet) await(t *testing.T, what string, up bool) {
	t.Helper()
	eventually(t, what, func() bool {
		for _, b := range f.tiers {
			if nearStats(t, b).BusUp != up {
				return false
			}
		}
		return true
	})
}

// busFaults are what happens to the server of a bus.
var busFaults = map[string]struct{ do, undo func(*redistest.Server) }{
	"stalled": {(*redistest.Server).Pause, (*redistest.Server).Resume},
	"killed":  {(*redistest.Server).Kill, (*redistest.Server).Restart},
}

// The server of the bus fails, and far is well. All verbs work. Processes see each other's changes
// late, and when the bus works again, also those of the time between.
func TestTheServerOfTheBusFailsAlone(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"pubsub", "poll"} {
		for name, fault := range busFaults {
			t.Run(kind+" "+name, func(t *testing.T) {
				t.Parallel()
				f := newBusFleet(t, 2, kind)
				one, two := f.tiers[0], f.tiers[1]
				awaitValue := func(want string) {
					t.Helper()
					eventually(t, "the other process reads "+want, func() bool {
						return get(t, two, "k") == want
					})
				}
				set(t, one, "n", "41", 0)
				set(t, one, "k", "1", 0)
				awaitValue("1")

				fault.do(f.server)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				item := core.Item{Key: "k", Value: []byte("2")}
				wantErr(t, "Set", one.Store(ctx, core.Set, item), nil)
				if n, err := one.Incr(ctx, "n", 1); n != 42 || err != nil {
					t.Errorf("Incr: %d, %v, want 42", n, err)
				}
				wantValue(t, one, "k", "2")
				awaitValue("2") // NearTTL is an hour
				f.await(t, "the buses are down", false)
				set(t, one, "k", "3", 0)
				awaitValue("3") // copies live for MaxStale

				set(t, one, "k", "4", 0)
				fault.undo(f.server)
				f.await(t, "the buses work again", true)
				awaitValue("4")
				for i := range 3 {
					value := fmt.Sprint("new ", i)
					set(t, one, "k", value, 0)
					awaitValue(value)
				}
				f.mu.Lock()
				defer f.mu.Unlock()
				for i, told := range f.told {
					wrong := len(told) < 3 || len(told)%2 == 0 // a busy machine may lose it again
					for j, err := range told {
						wrong = wrong || (err == nil) != (j%2 == 0)
					}
					if wrong {
						t.Errorf("tier %d: OnBus was called with %v, want nil, the reason, nil", i, told)
					}
				}
			})
		}
	}
}

// The server of the bus stalls, dies and comes back all the time, far is well. No read is older
// than MaxStale, and none sees an old value of its own process.
func TestNoReadIsOlderThanMaxStaleWhileTheBusFails(t *testing.T) {
	t.Parallel()
	if !longEnabled {
		t.Skip("TestTheServerOfTheBusFailsAlone is the short form")
	}
	const length = 40 * time.Second
	const bound = busStale + time.Second // a busy machine may drop copies late
	for _, kind := range []string{"pubsub", "poll"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			f := newBusFleet(t, 3, kind)
			begun := time.Now()
			var mu sync.Mutex
			var steps []step
			var values atomic.Int64
			var running sync.WaitGroup
			for process, b := range f.tiers {
				for range 2 {
					running.Go(func() {
						for time.Since(begun) < length {
							s := historyStep(t, process, b, begun, &values)
							mu.Lock()
							steps = append(steps, s)
							mu.Unlock()
							time.Sleep(time.Millisecond)
						}
					})
				}
			}
			faults := 0
			for time.Since(begun) < length {
				for _, fault := range busFaults {
					fault.do(f.server)
					time.Sleep(rand.N(8 * time.Second))
					fault.undo(f.server)
					time.Sleep(rand.N(4 * time.Second))
					faults++
				}
			}
			running.Wait()
			for i, w := range checkHistory(steps, bound) {
				if i < 10 {
					t.Error(w)
				}
			}
			var hits uint64
			for _, b := range f.tiers {
				hits += nearStats(t, b).Hits
			}
			t.Logf("%d verbs, %d reads served by copies, %d faults", len(steps), hits, faults)
			if hits == 0 {
				t.Error("no read was served by a copy: nothing was tested")
			}
			f.await(t, "the buses work again", true)
		})
	}
}

// historyStep reads or, seldom, writes a key, and returns that as a step.
func historyStep(t *testing.T, process int, b *tiered.Backend, begun time.Time,
	values *atomic.Int64) step {
	s := step{process: process, key: fmt.Sprint("k", rand.IntN(8)), write: rand.IntN(100) == 0}
	s.begin = time.Since(begun)
	var err error
	if s.write {
		s.value = fmt.Sprint(values.Add(1))
		item := core.Item{Key: s.key, Value: []byte(s.value)}
		err = b.Store(context.Background(), core.Set, item)
	} else {
		var value []byte
		value, err = b.Get(context.Background(), s.key)
		s.value = string(value)
	}
	s.end = time.Since(begun)
	if err != nil && !errors.Is(err, core.ErrMiss) {
		t.Errorf("process %d: %v", process, err)
	}
	return s
}
