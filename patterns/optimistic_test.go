package patterns_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
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
						change := func(a account, found bool) (account, error) {
							if found != (a.Changes > 0) {
								t.Errorf("found is %v for %v", found, a)
							}
							return account{a.Sum + i, a.Changes + 1}, nil
						}
						ctx := context.Background()
						_, err := patterns.Optimistic(ctx, accounts, "a", time.Hour, change)
						wantErr(t, err, nil)
					}
				})
			}
			all.Wait()
			got, err := accounts.Get(t.Context(), "a")
			if got != (account{450, 100}) || err != nil {
				t.Errorf("Get = %v, %v; want {450 100}", got, err)
			}
			ttl, err := c.TTL(t.Context(), "a")
			most := time.Hour + max(c.Traits().Resolution, 10*time.Millisecond)
			if err == nil && (ttl > most || ttl < 50*time.Minute) {
				t.Errorf("the value lives for %v, want about an hour", ttl)
			}
		})
	}
}

func TestOptimisticGivesUpAfterAHundredTries(t *testing.T) {
	c := memoryCache(t)
	typed := must(core.NewTyped(c, encoding.Text()))
	wantErr(t, typed.Set(t.Context(), "k", "v", 0), nil)
	tries := 0
	_, err := patterns.Optimistic(t.Context(), typed, "k", 0, func(string, bool) (string, error) {
		tries++
		return "mine", typed.Set(t.Context(), "k", "theirs", 0)
	})
	wantErr(t, err, core.ErrConflict)
	if tries != 100 {
		t.Errorf("change was called %d times, want 100", tries)
	}
	broken := errors.New("broken")
	fail := func(string, bool) (string, error) { return "", broken }
	_, err = patterns.Optimistic(t.Context(), typed, "k", 0, fail)
	wantErr(t, err, broken)
	empty := func(string, bool) (string, error) { return "", nil }
	_, err = patterns.Optimistic(t.Context(), typed, "", 0, empty)
	wantErr(t, err, core.ErrInvalidKey)
	v, err := typed.Get(t.Context(), "k")
	want(t, v, err, "theirs")
}

// If another caller stores the first value meanwhile, Optimistic changes that value.
func TestOptimisticTriesAgainIfTheKeyAppears(t *testing.T) {
	typed := must(core.NewTyped(memoryCache(t), encoding.Text()))
	tries := 0
	change := func(v string, found bool) (string, error) {
		if tries++; tries == 1 {
			wantErr(t, typed.Set(t.Context(), "k", "theirs", 0), nil)
		}
		if found != (tries == 2) {
			t.Errorf("found is %v at try %d", found, tries)
		}
		return v + " and mine", nil
	}
	v, err := patterns.Optimistic(t.Context(), typed, "k", 0, change)
	want(t, v, err, "theirs and mine")
}
