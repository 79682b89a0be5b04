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
