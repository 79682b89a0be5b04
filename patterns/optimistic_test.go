package patterns_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/memory"
	"github.com/cachewire/cachewire/patterns"
)

func TestNoOptimisticChangeIsLost(t *testing.T) {
	for name, c := range caches(t) {
		t.Run(name, func(t *testing.T) {
			type account struct{ Sum, Changes int }
			accounts := must(core.NewTyped(c, encoding.JSON[account]()))
			var all sync.WaitGroup
			for i := range 10 {
				all.Go(func() {
					for range 10 {
						_, err := patterns.Optimistic(context.Background(), accounts, "a", time.Hour, func(a account, found bool) (account, error) {
							if found != (a.Changes > 0) {
								t.Errorf("found is %v, of %v", found, a)
							}
							return account{a.Sum + i, a.Changes + 1}, nil
						})
						wantErr(t, err, nil)
					}
				})
			}
			all.Wait()
			if got, err := accounts.Get(t.Context(), "a"); got != (account{450, 100}) || err != nil {
				t.Errorf("%v, %v", got, err)
			}
			if ttl, err := c.TTL(t.Context(), "a"); err == nil && (ttl > time.Hour || ttl < 50*time.Minute) {
				t.Errorf("it lives for %v", ttl)
			}
		})
	}
}

func TestOptimisticGivesUp(t *testing.T) {
	c := cacheOf(t, must(memory.New(nil)))
	typed := must(core.NewTyped(c, encoding.Text()))
	wantErr(t, typed.Set(t.Context(), "k", "v", 0), nil)
	tries := 0
	_, err := patterns.Optimistic(t.Context(), typed, "k", 0, func(string, bool) (string, error) {
		tries++
		return "mine", typed.Set(t.Context(), "k", "theirs", 0)
	})
	wantErr(t, err, core.ErrConflict)
	if tries != 100 {
		t.Errorf("%d tries", tries)
	}
	no := errors.New("no")
	_, err = patterns.Optimistic(t.Context(), typed, "k", 0, func(string, bool) (string, error) { return "", no })
	wantErr(t, err, no)
	_, err = patterns.Optimistic(t.Context(), typed, "", 0, func(string, bool) (string, error) { return "", nil })
	wantErr(t, err, core.ErrInvalidKey)
	v, err := typed.Get(t.Context(), "k")
	want(t, v, err, "theirs")
}

// Who begins a value at the same time as another changes the other's.
func TestOptimisticOfAnAbsentKey(t *testing.T) {
	typed := must(core.NewTyped(cacheOf(t, must(memory.New(nil))), encoding.Text()))
	tries := 0
	v, err := patterns.Optimistic(t.Context(), typed, "k", 0, func(v string, found bool) (string, error) {
		if tries++; tries == 1 {
			wantErr(t, typed.Set(t.Context(), "k", "theirs", 0), nil)
		}
		if found != (tries == 2) {
			t.Errorf("found is %v at try %d", found, tries)
		}
		return v + " and mine", nil
	})
	want(t, v, err, "theirs and mine")
}
