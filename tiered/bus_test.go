package tiered_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/tiered"
)

// A hub connects the buses of tiers in one process. Its faults apply to what is published from
// then on.
type hub struct {
	mu    sync.Mutex
	buses []*hubBus // guarded by mu

	delay  func() time.Duration // before a Notice is given; nil for none
	repeat func() bool          // whether a Notice is given twice
}

// A hubBus is the bus of one tier.
type hubBus struct {
	hub *hub
	in  chan core.Notice

	mu     sync.Mutex
	broken error // guarded by mu; nothing passes, and Publish returns it
	silent bool  // guarded by mu; nothing passes, and Publish returns nil

	published int // guarded by mu; calls of Publish
}

func (h *hub) bus() *hubBus {
	b := &hubBus{hub: h, in: make(chan core.Notice, 10_000)}
	h.mu.Lock()
	h.buses = append(h.buses, b)
	h.mu.Unlock()
	return b
}

// setBroken breaks the bus, or mends it.
func (b *hubBus) setBroken(err error) {
	b.mu.Lock()
	b.broken = err
	b.mu.Unlock()
	if err != nil {
		b.in <- core.Notice{Lost: err}
	}
}

func (b *hubBus) setSilent(silent bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.silent = silent
}

func (b *hubBus) state() (broken error, silent bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.broken, b.silent
}

func (b *hubBus) Publish(_ context.Context, keys []string) error {
	b.mu.Lock()
	b.published++
	b.mu.Unlock()
	broken, silent := b.state()
	if broken != nil || silent {
		return broken
	}
	h := b.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, other := range h.buses {
		if other == b {
			continue
		}
		if broken, silent := other.state(); broken != nil || silent {
			continue
		}
		n := core.Notice{Keys: slices.Clone(keys), All: keys == nil}
		give := func() { other.in <- n }
		for range 2 {
			if h.delay == nil {
				give()
			} else {
				time.AfterFunc(h.delay(), give)
			}
			if h.repeat == nil || !h.repeat() {
				break
			}
		}
	}
	return nil
}

func (b *hubBus) Subscribe(ctx context.Context, f func(core.Notice)) {
	f(core.Notice{Synced: time.Now()})
	ticks := time.NewTicker(time.Second)
	defer ticks.Stop()
	for {
		select {
		case n := <-b.in:
			f(n)
		case <-ticks.C:
			if broken, silent := b.state(); broken == nil && !silent {
				f(core.Notice{Synced: time.Now()})
			}
		case <-ctx.Done():
			return
		}
	}
}

func (b *hubBus) Close() error { return nil }

// A fleet is some tiers over one far, as in several processes.
type fleet struct {
	far   *gated
	hub   *hub
	buses []*hubBus
	tiers []*tiered.Backend
}

// A lent is a far that its tier does not close.
type lent struct{ *gated }

func (lent) Close() error { return nil }

func newFleet(n int, opts tiered.Options) *fleet {
	f := &fleet{far: newGated(), hub: &hub{}}
	for range n {
		bus := f.hub.bus()
		o := opts
		o.Bus = bus
		f.buses = append(f.buses, bus)
		f.tiers = append(f.tiers, newTier(lent{f.far}, &o))
	}
	return f
}

func (f *fleet) close() {
	for _, b := range f.tiers {
		b.Close()
	}
	f.far.Close()
}

func TestWithABusOthersSeeAWriteAtOnce(t *testing.T) {
	for _, write := range writes {
		t.Run(write.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFleet(3, tiered.Options{NearTTL: time.Hour})
				defer f.close()
				synctest.Wait()
				set(t, f.tiers[0], "k", "1", 0)
				synctest.Wait()
				for _, b := range f.tiers {
					wantValue(t, b, "k", "1")
				}
				tier := f.tiers[1]
				if write.name == "CompareAndSwap" || write.name == "CompareAndDelete" {
					item, _ := tier.GetItem(t.Context(), "k")
					item.Key, item.Value = "k", []byte("2")
					mode := core.CompareAndSwap
					if write.after == "" {
						mode = core.CompareAndDelete
					}
					wantErr(t, write.name, tier.Store(t.Context(), mode, item), nil)
				} else {
					wantErr(t, write.name, write.call(t.Context(), tier, "k"), nil)
				}
				synctest.Wait()
				for i, b := range f.tiers {
					if got := get(t, b, "k"); got != write.after {
						t.Errorf("tier %d reads %q, want %q", i, got, write.after)
					}
				}
				if s := nearStats(t, f.tiers[0]); !s.HasBus || !s.BusUp || s.Drops == 0 {
					t.Errorf("Stats of another tier: %+v, want a drop", s)
				}
				if s := nearStats(t, f.tiers[1]); s.Drops != 0 && write.name != "Flush" {
					t.Errorf("Stats of the tier that wrote: %+v, want no drop", s)
				}
			})
		})
	}
}

// A Notice that comes while a read is in progress keeps its result from being kept.
func TestALateReadKeepsNothingThatANoticeHasDropped(t *testing.T) {
	for name, n := range map[string]core.Notice{
		"Keys":  {Keys: []string{"k"}},
		"Match": {Match: func(key string) bool { return key == "k" }},
		"All":   {All: true},
		"Lost":  {Lost: errors.New("lost")},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFleet(1, tiered.Options{NearTTL: time.Hour})
				defer f.close()
				b := f.tiers[0]
				synctest.Wait()
				set(t, b, "k", "1", 0)
				release := f.far.holdNext("read")
				var late sync.WaitGroup
				late.Go(func() { _, _ = b.Get(t.Context(), "k") })
				synctest.Wait()
				f.far.stopHolding("read")
				set(t, f.far.Backend, "k", "2", 0) // another process
				f.buses[0].in <- n
				synctest.Wait()
				release()
				late.Wait()
				wantValue(t, b, "k", "2")
			})
		})
	}
}

func TestMatchDropsTheKeysThatMatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(1, tiered.Options{NearTTL: time.Hour})
		defer f.close()
		b := f.tiers[0]
		synctest.Wait()
		for _, key := range []string{"a", "b"} {
			set(t, b, key, "1", 0)
			wantValue(t, b, key, "1")
			set(t, f.far.Backend, key, "2", 0)
		}
		f.buses[0].in <- core.Notice{Match: func(key string) bool { return key == "a" }}
		synctest.Wait()
		wantValue(t, b, "a", "2")
		wantValue(t, b, "b", "1")
	})
}

// While the bus is down, copies live for MaxStale; when it works again, what was missed is dropped.
func TestWhenTheBusIsLostCopiesAreDroppedAndThenBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var told []string // guarded by mu
		f := newFleet(1, tiered.Options{
			NearTTL: time.Hour, MaxStale: 10 * time.Second,
			OnBus: func(err error) {
				mu.Lock()
				defer mu.Unlock()
				told = append(told, fmt.Sprint(err))
			},
		})
		defer f.close()
		b, far := f.tiers[0], f.far.Backend
		synctest.Wait()
		set(t, b, "k", "1", 0)
		wantValue(t, b, "k", "1")
		set(t, far, "k", "2", 0)
		f.buses[0].setBroken(errors.New("broken"))
		synctest.Wait()
		wantValue(t, b, "k", "2") // the copy was dropped
		set(t, far, "k", "3", 0)
		time.Sleep(9 * time.Second)
		wantValue(t, b, "k", "2") // a copy of the time without a bus
		time.Sleep(time.Second)
		wantValue(t, b, "k", "3") // has ended
		set(t, far, "k", "4", 0)  // without a notice
		f.buses[0].setBroken(nil)
		time.Sleep(1100 * time.Millisecond)
		wantValue(t, b, "k", "4") // what was missed is made good
		set(t, far, "k", "5", 0)
		time.Sleep(time.Minute)
		wantValue(t, b, "k", "4") // and NearTTL is the life again
		mu.Lock()
		defer mu.Unlock()
		if want := []string{"<nil>", "broken", "<nil>"}; !slices.Equal(told, want) {
			t.Errorf("OnBus was called with %q, want %q", told, want)
		}
		if s := nearStats(t, b); s.BusLost != 1 || !s.BusUp {
			t.Errorf("Stats: %+v", s)
		}
	})
}

// A bus that is silent is lost after MaxStale.
func TestABusThatIsSilentForMaxStaleIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(1, tiered.Options{NearTTL: time.Hour, MaxStale: 5 * time.Second})
		defer f.close()
		b := f.tiers[0]
		time.Sleep(10*time.Second + time.Millisecond)
		set(t, b, "k", "1", 0)
		wantValue(t, b, "k", "1")
		f.buses[0].setSilent(true)
		set(t, f.far.Backend, "k", "2", 0)
		time.Sleep(4900 * time.Millisecond)
		wantValue(t, b, "k", "1")
		time.Sleep(100 * time.Millisecond)
		wantValue(t, b, "k", "2")
		if nearStats(t, b).BusUp {
			t.Error("the bus is up, although it was silent for MaxStale")
		}
		f.buses[0].setSilent(false)
		time.Sleep(time.Second)
		if !nearStats(t, b).BusUp {
			t.Error("the bus is not up again")
		}
	})
}

// Random verbs on three tiers and four keys, over a far of random speed and a bus that delays,
// repeats and reorders, and that is broken or silent now and then. No read is older than NearTTL,
// or MaxStale if nothing is lost, and none of the same process is old at all.
func TestNoReadIsOlderThanTheBound(t *testing.T) {
	rounds := 40
	if longEnabled {
		rounds = 2000
	}
	for round := range rounds {
		seed := rand.Uint64()
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { checkRandomHistory(t, seed, round%2 == 0) })
		})
	}
}

func checkRandomHistory(t *testing.T, seed uint64, faults bool) {
	const nearTTL = 50 * time.Millisecond
	rng := rand.New(rand.NewPCG(seed, 0))
	var rngMu sync.Mutex
	random := func(n int) int {
		rngMu.Lock()
		defer rngMu.Unlock()
		return rng.IntN(n)
	}
	f := &fleet{hub: &hub{}}
	slow := &slowFar{gated: newGated(), pause: func() time.Duration {
		return time.Duration(random(20)) * time.Millisecond
	}}
	f.far = slow.gated
	f.hub.delay = func() time.Duration { return time.Duration(random(30)) * time.Millisecond }
	f.hub.repeat = func() bool { return random(4) == 0 }
	for range 3 {
		bus := f.hub.bus()
		f.buses = append(f.buses, bus)
		f.tiers = append(f.tiers, newTier(slow, &tiered.Options{NearTTL: nearTTL, Bus: bus}))
	}
	defer time.Sleep(time.Second) // delayed notices
	defer f.close()
	start := time.Now()
	var mu sync.Mutex
	var steps []step
	value := 0
	var all sync.WaitGroup
	for tier, b := range f.tiers {
		for range 3 {
			all.Go(func() {
				for range 60 {
					time.Sleep(time.Duration(random(10)) * time.Millisecond)
					s := step{process: tier, key: fmt.Sprint(random(4)), write: random(4) == 0}
					if faults && random(40) == 0 {
						f.buses[random(3)].setSilent(random(2) == 0)
					}
					if s.write {
						mu.Lock()
						value++
						s.value = fmt.Sprint(value)
						mu.Unlock()
						s.begin = time.Since(start)
						set(t, b, s.key, s.value, 0)
					} else {
						s.begin = time.Since(start)
						s.value = get(t, b, s.key)
					}
					s.end = time.Since(start)
					mu.Lock()
					steps = append(steps, s)
					mu.Unlock()
				}
			})
		}
	}
	all.Wait()
	for _, w := range checkHistory(steps, nearTTL) {
		t.Errorf("seed %d: %s", seed, w)
	}
	hits := uint64(0)
	for _, b := range f.tiers {
		hits += nearStats(t, b).Hits
	}
	if hits == 0 {
		t.Error("no read was served by a copy, so that nothing was tested")
	}
}

// A slowFar takes time before and after each verb.
type slowFar struct {
	*gated
	pause func() time.Duration
}

func (f *slowFar) Close() error { return nil }

func (f *slowFar) GetItemTTL(ctx context.Context, key string) (core.Item, error) {
	time.Sleep(f.pause())
	defer func() { time.Sleep(f.pause()) }()
	return f.gated.GetItemTTL(ctx, key)
}

func (f *slowFar) Store(ctx context.Context, mode core.Mode, item core.Item) error {
	time.Sleep(f.pause())
	defer func() { time.Sleep(f.pause()) }()
	return f.gated.Store(ctx, mode, item)
}
