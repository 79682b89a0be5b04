//go:build !race

package lockout_test

import (
	"context"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/lockout"
	"github.com/cachewire/cachewire/memory"
)

// One counter in a fixed window without a lock may allocate its key only. The others also
// allocate what they read, and the new state.
func TestAllowAllocatesNoMoreThanItMay(t *testing.T) {
	for name, tt := range map[string]struct {
		counter lockout.Counter[visit]
		most    float64
	}{
		"fixed window":              {lockout.Counter[visit]{}, 1},
		"fixed window, with a lock": {lockout.Counter[visit]{Duration: time.Hour}, 3},
		"sliding window":            {lockout.Counter[visit]{Algorithm: lockout.SlidingWindow}, 5},
		"token bucket":              {lockout.Counter[visit]{Algorithm: lockout.TokenBucket}, 4},
		"token bucket, with a lock": {
			lockout.Counter[visit]{Algorithm: lockout.TokenBucket, Duration: time.Hour}, 10,
		},
		"sliding window, with a lock": {
			lockout.Counter[visit]{Algorithm: lockout.SlidingWindow, Duration: time.Hour}, 11,
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := core.New(must(memory.New(nil)), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			tt.counter.Count, tt.counter.Period = 1<<32, time.Hour
			lo := lockoutByID(t, c, tt.counter)
			if err := lo.Allow(context.Background(), visit{"ann", ""}); err != nil {
				t.Fatal(err)
			}
			got := testing.AllocsPerRun(1000, func() {
				if err := lo.Allow(context.Background(), visit{"ann", ""}); err != nil {
					t.Fatal(err)
				}
			})
			if got > tt.most {
				t.Errorf("%v allocations, want at most %v", got, tt.most)
			}
			t.Logf("%v allocations", got)
		})
	}
}
