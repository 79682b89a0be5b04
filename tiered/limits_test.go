package tiered_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/lockout"
	"github.com/cachewire/cachewire/tiered"
)

// newLimiters returns one limiter for each of n processes, over one far.
func newLimiters(t *testing.T, n int, rate lockout.Rate, lock time.Duration, bypass ...string) (
	all []*lockout.Lockout[string], closeAll func()) {
	t.Helper()
	far := sharedFar{newMemory()}
	var caches []*core.Cache
	for range n {
		tier := newTier(far, &tiered.Options{
			NearTTL: time.Hour, NegativeTTL: time.Hour, Bypass: bypass,
		})
		c := must(core.New(tier, &core.Options{Prefix: "limits:"}))
		caches = append(caches, c)
		all = append(all, must(lockout.New(c, "api", []lockout.Rule[string]{{
			Name: "by_key", Key: func(key string) string { return key }, Rate: rate, Lock: lock,
		}}, &lockout.Options[string]{FailClosed: true})))
	}
	return all, func() {
		for _, c := range caches {
			c.Close()
		}
	}
}

var algorithms = map[string]lockout.Algorithm{
	"fixed window":   lockout.FixedWindow,
	"sliding window": lockout.SlidingWindow,
	"token bucket":   lockout.TokenBucket,
}

// With Bypass, as many callers pass in all processes as the Rate says, and no more, with and
// without locks. A Reset or a lock of one process is seen by the other at once.
func TestALimitIsExactAcrossProcessesWithBypass(t *testing.T) {
	const limit = 10
	for name, algorithm := range algorithms {
		for _, lock := range []time.Duration{0, time.Hour} {
			t.Run(name+", locks for "+lock.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					rate := lockout.Rate{Count: limit, Period: 10 * time.Hour, Algorithm: algorithm}
					all, closeAll := newLimiters(t, 2, rate, lock, "limits:")
					defer closeAll()
					for round := range 3 {
						var passed atomic.Int64
						var running sync.WaitGroup
						for i := range 4 * limit {
							running.Go(func() {
								err := all[i%2].Allow(t.Context(), "k")
								if err == nil {
									passed.Add(1)
								} else if !errors.Is(err, lockout.ErrLocked) {
									t.Errorf("Allow: %v", err)
								}
							})
						}
						running.Wait()
						if n := passed.Load(); n != limit {
							t.Errorf("round %d: %d callers passed, want %d", round, n, limit)
						}
						for i, l := range all {
							wantErr(t, "Check of a key that is used up", l.Check(t.Context(), "k"),
								lockout.ErrLocked)
							if i == 1 {
								wantErr(t, "ResetAll", all[round%2].ResetAll(t.Context(), "k"), nil)
							}
						}
						for _, l := range all {
							wantErr(t, "Check after ResetAll", l.Check(t.Context(), "k"), nil)
						}
					}
				})
			})
		}
	}
}

// Without Bypass, a process reads a copy of the counter. This is why docs/tiers.md asks for it.
func TestWithoutBypassAProcessDecidesByCopies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rate := lockout.Rate{Count: 1, Period: 10 * time.Hour}
		all, closeAll := newLimiters(t, 2, rate, 0)
		defer closeAll()
		ctx := context.Background()
		wantErr(t, "Check", all[0].Check(ctx, "k"), nil) // there is a copy of its absence
		wantErr(t, "Allow", all[1].Allow(ctx, "k"), nil)
		wantErr(t, "Check within NearTTL", all[0].Check(ctx, "k"), nil)
		wantErr(t, "Allow", all[0].Allow(ctx, "k"), lockout.ErrLocked) // counters go far
		time.Sleep(time.Hour)
		wantErr(t, "Check after NearTTL", all[0].Check(ctx, "k"), lockout.ErrLocked)
	})
}
