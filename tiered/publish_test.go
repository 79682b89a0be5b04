package tiered_test

import (
	"context"
	"errors"
	"fmt"
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
