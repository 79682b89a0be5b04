package tiered_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/tiered"
)

// A write whose error leaves open what has happened is published; one that changed nothing is not.
func TestAWriteThatMayHaveHappenedIsPublished(t *testing.T) {
	for err, published := range map[error]bool{
		core.ErrUnavailable: true, context.DeadlineExceeded: true, errors.New("other"): true,
		core.ErrConflict: false, core.ErrMiss: false, core.ErrExists: false,
	} {
		t.Run(fmt.Sprint(err), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFleet(2, tiered.Options{NearTTL: time.Hour})
				defer f.close()
				synctest.Wait()
				set(t, f.far.Backend, "k", "1", 0)
				wantValue(t, f.tiers[1], "k", "1")
				f.far.failNext("store", err) // after it has stored
				_ = f.tiers[0].Store(t.Context(), core.Set, core.Item{Key: "k", Value: []byte("2")})
				synctest.Wait()
				wantValue(t, f.tiers[1], "k", map[bool]string{true: "2", false: "1"}[published])
			})
		})
	}
}

// An Add that succeeds is published only if processes may remember that the key was absent.
func TestAnAddIsPublishedIfMissesAreRemembered(t *testing.T) {
	for _, negative := range []time.Duration{0, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			f := newFleet(2, tiered.Options{NearTTL: time.Hour, NegativeTTL: negative})
			defer f.close()
			synctest.Wait()
			wantValue(t, f.tiers[1], "k", "")
			item := core.Item{Key: "k", Value: []byte("1")}
			wantErr(t, "Add", f.tiers[0].Store(t.Context(), core.Add, item), nil)
			synctest.Wait()
			wantValue(t, f.tiers[1], "k", "1")
			f.buses[0].mu.Lock()
			defer f.buses[0].mu.Unlock()
			if n := f.buses[0].published; (n > 0) != (negative > 0) {
				t.Errorf("NegativeTTL %v: the Add was published %d times", negative, n)
			}
		})
	}
}

// What cannot be published is published later, and so many keys as one change of everything.
func TestWhatCannotBePublishedIsPublishedLater(t *testing.T) {
	for _, n := range []int{1, 2500, 10_001} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFleet(2, tiered.Options{NearTTL: time.Hour, MaxStale: time.Minute})
				defer f.close()
				synctest.Wait()
				f.buses[0].setBroken(errors.New("broken"))
				for i := range n {
					key := fmt.Sprint("k", i)
					set(t, f.far.Backend, key, "1", 0)
					wantValue(t, f.tiers[1], key, "1")
					set(t, f.tiers[0], key, "2", 0)
				}
				synctest.Wait()
				wantValue(t, f.tiers[1], "k0", "1")
				f.buses[0].setBroken(nil)
				time.Sleep(2 * time.Second)
				for i := range n {
					wantValue(t, f.tiers[1], fmt.Sprint("k", i), "2")
				}
			})
		})
	}
}

// A Flush that cannot be published is published later, as often as that takes.
func TestAFlushThatCannotBePublishedIsPublishedLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(2, tiered.Options{NearTTL: time.Hour, MaxStale: time.Minute})
		defer f.close()
		synctest.Wait()
		set(t, f.far.Backend, "k", "1", 0)
		wantValue(t, f.tiers[1], "k", "1")
		f.buses[0].setBroken(errors.New("broken"))
		wantErr(t, "Flush", f.tiers[0].Flush(t.Context()), nil)
		time.Sleep(10 * time.Second)
		wantValue(t, f.tiers[1], "k", "1")
		f.buses[0].setBroken(nil)
		time.Sleep(2 * time.Second)
		wantValue(t, f.tiers[1], "k", "")
	})
}

// Close publishes what is pending.
func TestCloseLosesNoChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(2, tiered.Options{NearTTL: time.Hour})
		defer f.close()
		synctest.Wait()
		set(t, f.far.Backend, "k", "1", 0)
		wantValue(t, f.tiers[1], "k", "1")
		other := newTier(lent{f.far}, &tiered.Options{Bus: f.hub.bus()})
		set(t, other, "k", "2", 0)
		other.Close()
		synctest.Wait()
		wantValue(t, f.tiers[1], "k", "2")

		bus := f.hub.bus()
		other = newTier(lent{f.far}, &tiered.Options{Bus: bus})
		bus.setBroken(errors.New("broken"))
		set(t, other, "k", "3", 0)
		synctest.Wait() // until the pause after a Publish that failed
		bus.setBroken(nil)
		other.Close()
		synctest.Wait()
		wantValue(t, f.tiers[1], "k", "3")
	})
}

// Keys without copies are not published.
func TestChangesOfBypassedKeysAreNotPublished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(1, tiered.Options{Bypass: []string{"lock:"}})
		defer f.close()
		set(t, f.tiers[0], "lock:k", "1", 0)
		items := []core.Item{{Key: "lock:j"}, {Key: "lock:k"}}
		wantErr(t, "StoreMulti", f.tiers[0].StoreMulti(t.Context(), core.Set, items), nil)
		synctest.Wait()
		f.buses[0].mu.Lock()
		defer f.buses[0].mu.Unlock()
		if n := f.buses[0].published; n != 0 {
			t.Errorf("published %d times, want never", n)
		}
	})
}

// A refusing bus cannot connect, and says so again and again.
type refusing struct{ silentBus }

func (refusing) Subscribe(ctx context.Context, f func(core.Notice)) {
	for ctx.Err() == nil {
		f(core.Notice{Lost: core.ErrUnavailable})
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
}

// Why a bus does not work is reported once, also if it never has. Copies live for MaxStale.
func TestABusThatNeverWorksIsReportedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []error
		b := newTier(newMemory(), &tiered.Options{
			Bus: refusing{}, OnBus: func(err error) { told = append(told, err) },
		})
		time.Sleep(10 * time.Second)
		if s := nearStats(t, b); s.BusUp || s.BusLost != 1 {
			t.Errorf("Stats: %+v", s)
		}
		b.Close()
		if len(told) != 1 || !errors.Is(told[0], core.ErrUnavailable) {
			t.Errorf("OnBus was called with %v, want once, with the reason", told)
		}
	})
}

// Each loss of the bus is reported, and each return.
func TestEachLossOfTheBusIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := (&hub{}).bus()
		var told []error
		b := newTier(newMemory(), &tiered.Options{
			Bus: bus, OnBus: func(err error) { told = append(told, err) },
		})
		var want []error
		for round := range 3 {
			synctest.Wait()
			time.Sleep(2 * time.Second)
			broken := fmt.Errorf("broken for the time %d", round)
			bus.setBroken(broken)
			time.Sleep(10 * time.Second)
			bus.setBroken(nil)
			want = append(want, nil, broken)
		}
		time.Sleep(2 * time.Second)
		if s := nearStats(t, b); !s.BusUp || s.BusLost != 3 {
			t.Errorf("Stats: %+v, want a bus that works and was lost 3 times", s)
		}
		b.Close()
		if want = append(want, nil); !slices.Equal(told, want) {
			t.Errorf("OnBus was called with %v, want %v", told, want)
		}
	})
}

// A lateBus gives signs of life that are too old to trust.
type lateBus struct{ silentBus }

func (lateBus) Subscribe(ctx context.Context, f func(core.Notice)) {
	for ctx.Err() == nil {
		f(core.Notice{Synced: time.Now().Add(-5 * time.Second)})
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
}

// A bus does not work if its notices are as late as MaxStale.
func TestABusThatIsTooLateDoesNotWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTier(newMemory(), &tiered.Options{
			Bus: lateBus{}, OnBus: func(err error) { t.Errorf("OnBus was called with %v", err) },
		})
		defer b.Close()
		time.Sleep(10 * time.Second)
		if s := nearStats(t, b); s.BusUp || s.BusLost != 0 {
			t.Errorf("Stats: %+v, want a bus that has never worked", s)
		}
	})
}

// An endedBus is a bus whose Subscribe returns when it should not.
type endedBus struct{ silentBus }

func (endedBus) Subscribe(_ context.Context, f func(core.Notice)) {
	f(core.Notice{Synced: time.Now()})
}

// A bus whose Subscribe has returned is lost at once. Then misses, too, are remembered for
// MaxStale.
func TestABusWhoseSubscribeHasReturnedIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		far := newMemory()
		b := newTier(far, &tiered.Options{
			NearTTL: time.Hour, NegativeTTL: time.Hour, Bus: endedBus{},
		})
		defer b.Close()
		synctest.Wait()
		if s := nearStats(t, b); s.BusUp || s.BusLost != 1 {
			t.Errorf("Stats: %+v, want a bus that is lost", s)
		}
		wantValue(t, b, "k", "")
		set(t, far, "k", "1", 0)
		time.Sleep(4 * time.Second)
		wantValue(t, b, "k", "")
		time.Sleep(time.Second)
		wantValue(t, b, "k", "1")
	})
}
