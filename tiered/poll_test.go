package tiered_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/backendtest"
	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memory"
	"github.com/cachewire/cachewire/tiered"
)

// newPolled returns tiers over far with a bus that polls.
func newPolled(t testing.TB, n int, far core.Backend, opts tiered.Options) []*tiered.Backend {
	var tiers []*tiered.Backend
	for range n {
		o := opts
		o.Bus = must(tiered.NewPoll(far, &tiered.PollOptions{Interval: 100 * time.Millisecond}))
		b := newTier(far, &o)
		t.Cleanup(func() { b.Close() })
		tiers = append(tiers, b)
	}
	return tiers
}

// A process sees what another one has changed after at most one poll; what it has changed itself
// drops no copies.
func TestAPollDropsWhatOthersHaveChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tiers := newPolled(t, 2, sharedFar{newMemory()}, tiered.Options{NearTTL: time.Hour})
		time.Sleep(time.Second)
		for round := range 20 {
			key, value := fmt.Sprint("k", round%7), fmt.Sprint(round)
			set(t, tiers[0], key, value, 0)
			time.Sleep(110 * time.Millisecond)
			wantValue(t, tiers[0], key, value)
			wantValue(t, tiers[1], key, value)
		}
		wantErr(t, "Flush", tiers[1].Flush(t.Context()), nil)
		time.Sleep(110 * time.Millisecond)
		wantValue(t, tiers[0], "k0", "")
		time.Sleep(time.Second)
		before := nearStats(t, tiers[0]).Drops
		for round := range 20 {
			for i := range 100 { // of all shares
				set(t, tiers[0], fmt.Sprint("k", i), fmt.Sprint(round), 0)
				wantValue(t, tiers[0], fmt.Sprint("k", i), fmt.Sprint(round))
			}
			time.Sleep(110 * time.Millisecond)
		}
		if drops := nearStats(t, tiers[0]).Drops - before; drops > 100 { // of the first round
			t.Errorf("%d copies were dropped because of changes of the same process", drops)
		}
	})
}

// Both processes change keys of the same share between two polls. Each sees the other's change.
func TestAPollTellsOwnChangesFromThoseOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		far := sharedFar{newMemory()}
		tiers := newPolled(t, 2, far, tiered.Options{NearTTL: time.Hour})
		set(t, tiers[0], "k", "0", 0)
		for round := range 20 {
			time.Sleep(time.Second)
			for _, b := range tiers {
				get(t, b, "k")
			}
			tier := tiers[round%2]
			set(t, tier, "k", fmt.Sprint(round), 0)
			set(t, tiers[1-round%2], "k", fmt.Sprint("new ", round), 0)
			set(t, tier, "k", fmt.Sprint("last ", round), 0)
			get(t, tiers[1-round%2], "k") // a copy
			time.Sleep(110 * time.Millisecond)
			wantValue(t, tiers[0], "k", fmt.Sprint("last ", round))
			wantValue(t, tiers[1], "k", fmt.Sprint("last ", round))
		}
	})
}

// A slowPolls is a far whose multi reads wait at a gate, if there is one, after they have read.
type slowPolls struct {
	*memory.Backend
	mu   sync.Mutex
	gate chan struct{} // guarded by mu
}

func (s *slowPolls) setGate(gate chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gate = gate
}

func (s *slowPolls) GetItems(ctx context.Context, keys []string) ([]core.Item, error) {
	items, err := s.Backend.GetItems(ctx, keys)
	s.mu.Lock()
	gate := s.gate
	s.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return items, err
}

// A change is published while a poll is on its way back. The next poll knows that it is an own one.
func TestAPollKnowsItsOwnChangesOfTheTimeSinceTheLastOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		far := &slowPolls{Backend: newMemory()}
		b := newPolled(t, 1, far, tiered.Options{NearTTL: time.Hour})[0]
		set(t, b, "k", "1", 0)
		time.Sleep(time.Second + 50*time.Millisecond) // between two polls
		gate := make(chan struct{})
		far.setGate(gate)
		time.Sleep(100 * time.Millisecond) // a poll waits
		set(t, b, "k", "2", 0)
		wantValue(t, b, "k", "2") // a copy
		synctest.Wait()           // it is published
		close(gate)
		before := nearStats(t, b)
		time.Sleep(time.Second)
		if after := nearStats(t, b); after.Drops != before.Drops || after.Items != 1 {
			t.Errorf("%d copies were dropped, %d are left; want 0 and 1", after.Drops-before.Drops,
				after.Items)
		}
	})
}

// A poll that gets no reply does not keep others from being sent.
func TestAPollWithoutAReplyIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		far := &slowPolls{Backend: newMemory()}
		b := newPolled(t, 1, far, tiered.Options{NearTTL: time.Hour})[0]
		time.Sleep(time.Second + 50*time.Millisecond)
		far.setGate(make(chan struct{}))
		time.Sleep(10 * time.Second)
		if s := nearStats(t, b); s.BusUp || s.BusLost != 1 {
			t.Errorf("Stats: %+v, want a bus that is lost", s)
		}
		far.setGate(nil)
		time.Sleep(2 * time.Second)
		if s := nearStats(t, b); !s.BusUp {
			t.Errorf("Stats: %+v, want a bus that works again", s)
		}
	})
}

// A poll fails, and meanwhile another process has changed something. The next poll notices that.
func TestAPollNoticesWhatChangedWhileOneFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		far := &broken{Backend: newMemory()}
		tiers := newPolled(t, 2, far, tiered.Options{NearTTL: time.Hour})
		set(t, tiers[1], "k", "1", 0)
		time.Sleep(time.Second + 50*time.Millisecond)
		wantValue(t, tiers[0], "k", "1")
		far.set(true)
		set(t, tiers[1], "k", "2", 0)
		time.Sleep(200 * time.Millisecond) // two polls fail
		far.set(false)
		time.Sleep(100 * time.Millisecond)
		wantValue(t, tiers[0], "k", "2")
		if s := nearStats(t, tiers[0]); s.BusLost != 0 {
			t.Errorf("Stats: %+v, want a bus that was not lost", s)
		}
	})
}

// What was published while a poll was on its way back is not in it.
func TestAPollIsAsOldAsItsSending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		far := &slowPolls{Backend: newMemory(), gate: make(chan struct{})}
		bus := must(tiered.NewPoll(far, nil))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		sent := time.Now()
		var synced []time.Time
		go bus.Subscribe(ctx, func(n core.Notice) { synced = append(synced, n.Synced) })
		time.Sleep(500 * time.Millisecond)
		close(far.gate)
		synctest.Wait()
		if len(synced) != 1 || !synced[0].Equal(sent) {
			t.Errorf("Synced is %v, want once %v", synced, sent)
		}
	})
}

// The far cache loses its memory, and with it the counters.
func TestAPollNoticesThatCountersWereLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		far := sharedFar{newMemory()}
		tiers := newPolled(t, 1, far, tiered.Options{NearTTL: time.Hour})
		set(t, tiers[0], "k", "1", 0)
		time.Sleep(time.Second)
		wantValue(t, tiers[0], "k", "1")
		wantErr(t, "Flush of far", far.Flush(t.Context()), nil)
		time.Sleep(110 * time.Millisecond)
		wantValue(t, tiers[0], "k", "")
	})
}

// The counters are lost, and another process increments them as often as before.
func TestALostCounterDoesNotCountTheSameAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		far := sharedFar{newMemory()}
		tiers := newPolled(t, 2, far, tiered.Options{NearTTL: time.Hour})
		synctest.Wait() // the first polls
		change := func(value string) {
			for range 3 {
				set(t, tiers[1], "k", value, 0)
				synctest.Wait() // it is published
			}
		}
		change("1")
		time.Sleep(time.Second)
		wantValue(t, tiers[0], "k", "1")
		wantErr(t, "Flush of far", far.Flush(t.Context()), nil)
		change("2")
		time.Sleep(110 * time.Millisecond)
		wantValue(t, tiers[0], "k", "2")
	})
}

// A change of everything that leaves the counters is noticed for every key.
func TestAPollNoticesAChangeOfEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		far := sharedFar{newMemory()}
		b := newPolled(t, 1, far, tiered.Options{NearTTL: time.Hour})[0]
		other := must(tiered.NewPoll(far, nil))
		for _, value := range []string{"1", "2", "3"} {
			for i := range 200 {
				set(t, far, fmt.Sprint("k", i), value, 0)
			}
			wantErr(t, "Publish", other.Publish(t.Context(), nil), nil)
			time.Sleep(110 * time.Millisecond)
			for i := range 200 {
				wantValue(t, b, fmt.Sprint("k", i), value)
			}
		}
	})
}

// Another program writes over the counters what is no number. Each change of it is noticed.
func TestACounterThatIsNoNumberIsCompared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		far := sharedFar{newMemory()}
		b := newPolled(t, 1, far, tiered.Options{NearTTL: time.Hour})[0]
		for _, value := range []string{"one", "two", "three"} {
			set(t, far, "k", value, 0)
			for i := range 64 {
				set(t, far, fmt.Sprint("cachewire bus ", i), "not a number: "+value, 0)
			}
			time.Sleep(time.Second)
			wantValue(t, b, "k", value)
			drops := nearStats(t, b).Drops
			time.Sleep(time.Second)
			if n := nearStats(t, b).Drops; n != drops {
				t.Errorf("%d copies were dropped although nothing changed", n-drops)
			}
		}
	})
}

// If no tier has changed an item, there are no counters, and the copies stay.
func TestAPollDropsNothingIfThereAreNoCounters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		far := sharedFar{newMemory()}
		b := newPolled(t, 1, far, tiered.Options{NearTTL: time.Hour})[0]
		time.Sleep(time.Second)
		set(t, far, "k", "1", 0)
		wantValue(t, b, "k", "1")
		time.Sleep(time.Second)
		if s := nearStats(t, b); s.Drops != 0 || s.Items != 1 {
			t.Errorf("Stats: %+v, want a copy and no drops", s)
		}
	})
}

// A broken is a far whose multi reads, and so the polls, fail for some time.
type broken struct {
	*memory.Backend
	mu   sync.Mutex
	down bool // guarded by mu
}

func (*broken) Close() error { return nil }

func (b *broken) set(down bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.down = down
}

func (b *broken) GetItems(ctx context.Context, keys []string) ([]core.Item, error) {
	b.mu.Lock()
	down := b.down
	b.mu.Unlock()
	if down {
		return nil, core.ErrUnavailable
	}
	return b.Backend.GetItems(ctx, keys)
}

func TestAPollThatFailsForMaxStaleLosesTheBus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		far := &broken{Backend: newMemory()}
		b := newPolled(t, 1, far, tiered.Options{NearTTL: time.Hour, MaxStale: 3 * time.Second})[0]
		time.Sleep(time.Second)
		set(t, b, "k", "1", 0)
		time.Sleep(1050 * time.Millisecond) // between two polls
		wantValue(t, b, "k", "1")
		far.set(true)
		set(t, far.Backend, "k", "2", 0) // by a program that publishes nothing
		time.Sleep(2800 * time.Millisecond)
		wantValue(t, b, "k", "1")
		time.Sleep(200 * time.Millisecond)
		wantValue(t, b, "k", "2")
		far.set(false)
		time.Sleep(time.Second)
		if s := nearStats(t, b); !s.BusUp || s.BusLost != 1 {
			t.Errorf("Stats: %+v", s)
		}
	})
}

// Two processes, the counters in real servers.
func TestAPollWorksOverServers(t *testing.T) {
	t.Parallel()
	for _, kind := range backendtest.Servers {
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			far := unclosed{kind.Open(t)}
			t.Cleanup(func() { far.Backend.Close() })
			var tiers []*tiered.Backend
			for range 2 {
				bus := must(tiered.NewPoll(far.Backend,
					&tiered.PollOptions{Interval: 20 * time.Millisecond}))
				b := newTier(far, &tiered.Options{NearTTL: time.Hour, Bus: bus})
				t.Cleanup(func() { b.Close() })
				tiers = append(tiers, b)
			}
			eventually(t, "the buses work", func() bool {
				return nearStats(t, tiers[0]).BusUp && nearStats(t, tiers[1]).BusUp
			})
			for round := range 10 {
				value := fmt.Sprint(round)
				set(t, tiers[round%2], "k", value, 0)
				eventually(t, "the other process sees the value", func() bool {
					return get(t, tiers[1-round%2], "k") == value
				})
			}
		})
	}
}

// An unclosed is a far that several tiers share. They do not close it.
type unclosed struct{ core.Backend }

func (unclosed) Close() error { return nil }
