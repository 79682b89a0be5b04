//go:build !race

package patterns_test

import (
	"context"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/encoding"
	"github.com/cachewire/cachewire/patterns"
)

// A hit of a pattern allocates nothing, like a hit of core.Typed. A memoized function
// allocates for its key.
func TestAHitAllocatesNothing(t *testing.T) {
	c := memoryCache(t)
	ctx := context.Background()
	type user struct{ Name string }
	users := must(core.NewTyped(c, core.Shared[*user]()))
	numbers := must(core.NewTyped(c, encoding.Int[int]()))
	cached := must(patterns.New(users, nil))
	soft := must(patterns.New(numbers, &patterns.Options[int]{
		TTL: time.Hour, SoftTTL: time.Minute, Early: 1, FailSafe: time.Hour,
	}))
	plain := must(patterns.New(numbers, nil))
	ann := &user{"Ann"}
	loadUser := func(context.Context, int) (*user, error) { return ann, nil }
	memoized := must(patterns.Memoize1(cached, "user", loadUser))
	load := func(context.Context) (*user, error) { return ann, nil }
	number := func(context.Context) (int, error) { return 7, nil }
	for _, tt := range []struct {
		what string
		want float64
		hit  func() error
	}{
		{"Typed.Get of a shared value", 0, func() error {
			_, err := users.Get(ctx, "ann")
			return err
		}},
		{"GetOrSet", 0, func() error {
			_, err := cached.GetOrSet(ctx, "ann", load)
			return err
		}},
		{"GetOrCreate", 0, func() error {
			_, err := cached.GetOrCreate(ctx, "ann", load)
			return err
		}},
		{"GetOrCreate of a number", 0, func() error {
			_, err := plain.GetOrCreate(ctx, "seven", number)
			return err
		}},
		{"GetOrCreate with all options", 0, func() error {
			_, err := soft.GetOrCreate(ctx, "soft", number)
			return err
		}},
		{"a memoized function", 4, func() error {
			_, err := memoized(ctx, 7)
			return err
		}},
	} {
		cached.GetOrSet(ctx, "ann", load)
		if err := tt.hit(); err != nil {
			t.Fatal(err)
		}
		var err error
		n := testing.AllocsPerRun(1000, func() {
			if e := tt.hit(); e != nil {
				err = e
			}
		})
		if n > tt.want || err != nil {
			t.Errorf("%s allocates %v times, %v; want %v", tt.what, n, err, tt.want)
		}
	}
}
