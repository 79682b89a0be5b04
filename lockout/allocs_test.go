//go:build !race

package lockout_test

import (
	"context"
	"testing"
	"time"

	"github.com/cachewire/cachewire/lockout"
)

// A window without a lock allocates its key. A token bucket also allocates the item that it
// stores, and a lock has a key of its own.
func TestAllowAllocatesNoMoreThanItMay(t *testing.T) {
	for name, tt := range map[string]struct {
		algorithm lockout.Algorithm
		lock      time.Duration
		most      float64
	}{
		"fixed window":                {lockout.FixedWindow, 0, 1},
		"fixed window, with a lock":   {lockout.FixedWindow, time.Hour, 2},
		"sliding window":              {lockout.SlidingWindow, 0, 1},
		"sliding window, with a lock": {lockout.SlidingWindow, time.Hour, 2},
		"token bucket":                {lockout.TokenBucket, 0, 2},
		"token bucket, with a lock":   {lockout.TokenBucket, time.Hour, 10},
	} {
		t.Run(name, func(t *testing.T) {
			rate := lockout.Rate{Count: 1 << 22, Period: longPeriod, Algorithm: tt.algorithm}
			l := byIDOnly(t, inMemory(t), rate, tt.lock)
			allow := func() {
				if err := l.Allow(context.Background(), ann); err != nil {
					t.Fatal(err)
				}
			}
			allow()
			if got := testing.AllocsPerRun(1000, allow); got > tt.most {
				t.Errorf("%v allocations, want at most %v", got, tt.most)
			} else {
				t.Logf("%v allocations", got)
			}
		})
	}
}
