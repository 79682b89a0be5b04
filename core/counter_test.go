package core_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
)

func TestIncrAndDecrOfAnAbsentKeyAreMisses(t *testing.T) {
	b := newBackend()
	c := open(t, b, nil)
	for name, verb := range map[string]func(context.Context, string, uint64) (uint64, error){
		"Incr": c.Incr,
		"Decr": c.Decr,
	} {
		if n, err := verb(t.Context(), "absent", 3); n != 0 || err != core.ErrMiss {
			t.Errorf("%s = %d, %v; want a miss", name, n, err)
		}
	}
	if keys := b.keys(); len(keys) != 0 {
		t.Errorf("Incr and Decr stored %q, want nothing", keys)
	}
}

func TestCountersAtTheLimits(t *testing.T) {
	const (
		largest     = math.MaxUint64
		largestText = "18446744073709551615"
	)
	type call = func(c *core.Cache) (uint64, error)
	ctx := t.Context()
	incr := func(delta uint64) call {
		return func(c *core.Cache) (uint64, error) { return c.Incr(ctx, "n", delta) }
	}
	decr := func(delta uint64) call {
		return func(c *core.Cache) (uint64, error) { return c.Decr(ctx, "n", delta) }
	}
	count := func(c *core.Cache) (uint64, error) { return c.Count(ctx, "n") }
	incrFrom := func(delta, initial uint64) call {
		return func(c *core.Cache) (uint64, error) {
			return c.IncrFrom(ctx, "n", delta, initial, 0)
		}
	}
	decrFrom := func(delta, initial uint64) call {
		return func(c *core.Cache) (uint64, error) {
			return c.DecrFrom(ctx, "n", delta, initial, 0)
		}
	}
	for _, test := range []struct {
		name  string
		value string // before the call; absent if ""
		call  call
		want  uint64
	}{
		{"Incr", "5", incr(3), 8},
		{"Incr by 0", "5", incr(0), 5},
		{"Incr to the largest number", "18446744073709551614", incr(1), largest},
		{"Incr wraps around", largestText, incr(3), 2},
		{"Decr", "5", decr(3), 2},
		{"Decr stops at 0", "5", decr(largest), 0},
		{"Count", "12", count, 12},
		{"Count of a number with spaces after it", "9  ", count, 9},

		{"IncrFrom of an absent key", "", incrFrom(3, 100), 103},
		{"IncrFrom of an absent key by 0 from 0", "", incrFrom(0, 0), 0},
		{"IncrFrom of an absent key wraps around", "", incrFrom(2, largest), 1},
		{"IncrFrom of a present key", "5", incrFrom(3, 100), 8},
		{"IncrFrom of a present key wraps around", largestText, incrFrom(3, 100), 2},
		{"DecrFrom of an absent key", "", decrFrom(3, 100), 97},
		{"DecrFrom of an absent key from the largest number", "", decrFrom(0, largest), largest},
		{"DecrFrom of an absent key stops at 0", "", decrFrom(101, 100), 0},
		{"DecrFrom of a present key", "5", decrFrom(3, 100), 2},
		{"DecrFrom of a present key stops at 0", "5", decrFrom(6, 100), 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := open(t, newBackend(), nil)
			if test.value != "" {
				put(t, c, "n", test.value)
			}
			if got, err := test.call(c); got != test.want || err != nil {
				t.Errorf("the verb returned %d, %v; want %d", got, err, test.want)
			}
			if got, err := c.Count(ctx, "n"); got != test.want || err != nil {
				t.Errorf("Count = %d, %v; want %d", got, err, test.want)
			}
		})
	}
}

func TestCounterVerbsReturnErrNotNumberAndLeaveTheValue(t *testing.T) {
	ctx := t.Context()
	c := open(t, newBackend(), nil)
	put(t, c, "word", "five")
	_, count := c.Count(ctx, "word")
	_, incr := c.Incr(ctx, "word", 1)
	_, decr := c.Decr(ctx, "word", 1)
	_, incrFrom := c.IncrFrom(ctx, "word", 1, 0, 0)
	_, decrFrom := c.DecrFrom(ctx, "word", 1, 0, 0)
	for _, err := range []error{count, incr, decr, incrFrom, decrFrom} {
		wantErr(t, err, core.ErrNotNumber)
	}
	wantValue(t, c, "word", "five")
}

func TestIncrFromStoresANewCounterWithFlagInt(t *testing.T) {
	c := open(t, newBackend(), nil)
	ctx := t.Context()
	if _, err := c.IncrFrom(ctx, "up", 1, 0, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := c.DecrFrom(ctx, "down", 1, 10, 0); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"up": "1", "down": "9"} {
		item, err := c.GetItem(ctx, key)
		if err != nil || item.Flags != core.FlagInt || string(item.Value) != want {
			t.Errorf("%s is %q with flags %d, %v; want %q with %d",
				key, item.Value, item.Flags, err, want, core.FlagInt)
		}
	}
}

func TestIncrFromSetsTheTTLOnlyOfANewCounter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, newFullBackend(), &core.Options{DefaultTTL: time.Hour})
		ctx := t.Context()
		for key, ttl := range map[string]time.Duration{
			"own": time.Minute, "default": 0, "never expires": core.Forever,
		} {
			want := ttl
			if ttl == 0 {
				want = time.Hour
			}
			for _, later := range []time.Duration{ttl, 0, 9 * time.Hour} {
				if _, err := c.IncrFrom(ctx, key, 1, 0, later); err != nil {
					t.Fatal(err)
				}
				if got, err := c.TTL(ctx, key); got != want || err != nil {
					t.Errorf("TTL of %s = %v, %v; want %v", key, got, err, want)
				}
			}
		}
	})
}

func TestIncrFromOfAPresentCounterTakesOneCall(t *testing.T) {
	b := newBackend()
	c := open(t, b, nil)
	put(t, c, "n", "5")
	b.takeCalls()
	if _, err := c.IncrFrom(t.Context(), "n", 1, 0, 0); err != nil {
		t.Fatal(err)
	}
	if calls := b.takeCalls(); len(calls) != 1 {
		t.Errorf("the calls of the backend are %v, want one", calls)
	}
}

// The counter ends at initial ± n·delta, and each call returns a different number.
func TestIncrFromByManyGoroutinesLosesNoDelta(t *testing.T) {
	const n, delta, initial = 200, 3, 1000
	c := open(t, newBackend(), nil)
	for name, verb := range map[string]struct {
		call fromVerb
		step int
	}{"IncrFrom": {c.IncrFrom, delta}, "DecrFrom": {c.DecrFrom, -delta}} {
		t.Run(name, func(t *testing.T) {
			for range 20 {
				results := make([]uint64, n)
				runConcurrently(n, func(i int) {
					var err error
					results[i], err = verb.call(t.Context(), name, delta, initial, 0)
					if err != nil {
						t.Error(err)
					}
				})
				slices.Sort(results)
				if verb.step < 0 {
					slices.Reverse(results)
				}
				for i, got := range results {
					if want := uint64(initial + (i+1)*verb.step); got != want {
						t.Fatalf("result %d is %d, want %d", i, got, want)
					}
				}
				wantErr(t, c.Delete(t.Context(), name), nil)
			}
		})
	}
}

// The key is absent for each Incr and present for each Add, as if another process added and
// deleted it all the time.
func TestIncrFromGivesUpIfTheCounterComesAndGoes(t *testing.T) {
	b := newBackend()
	calls := 0
	b.before = func(_ context.Context, verb, _ string) error {
		if calls++; calls > 100 {
			return errors.New("called more than 100 times")
		}
		switch verb {
		case "Incr", "Decr":
			return core.ErrMiss
		case "Add":
			return core.ErrExists
		}
		return nil
	}
	c := open(t, b, nil)
	for name, verb := range fromVerbs(c) {
		calls = 0
		n, err := verb(t.Context(), "n", 1, 0, 0)
		wantErr(t, err, core.ErrConflict)
		if n != 0 || calls < 4 {
			t.Errorf("%s = %d after %d calls, want 0 after at least 4", name, n, calls)
		}
	}
}

func TestIncrFromStopsTryingWhenItsContextIsDone(t *testing.T) {
	b := newBackend()
	ctx, cancel := context.WithCancel(t.Context())
	b.before = func(_ context.Context, verb, _ string) error {
		if verb == "Add" {
			cancel()
			return core.ErrExists
		}
		return core.ErrMiss
	}
	_, err := open(t, b, nil).IncrFrom(ctx, "n", 1, 0, 0)
	wantErr(t, err, context.Canceled)
	if calls := b.takeCalls(); len(calls) != 2 {
		t.Errorf("the calls of the backend are %v, want two", calls)
	}
}

func TestIncrFromReturnsTheErrorOfItsAdd(t *testing.T) {
	b := newBackend()
	b.before = func(_ context.Context, verb, _ string) error {
		if verb == "Add" {
			return fmt.Errorf("%w: %w", core.ErrUnavailable, io.EOF)
		}
		return nil
	}
	n, err := open(t, b, nil).IncrFrom(t.Context(), "n", 1, 41, 0)
	wantErr(t, err, core.ErrUnavailable)
	wantErr(t, err, io.EOF)
	if calls := b.takeCalls(); n != 0 || len(calls) != 2 {
		t.Errorf("IncrFrom = %d after %d calls, want 0 after 2", n, len(calls))
	}
}

// If IncrFrom returned a number, the caller would take it for that of a counter.
func TestIncrFromMissesOnABackendThatKeepsNothing(t *testing.T) {
	f := newFullBackend()
	f.traits.KeepsNothing = true
	c := open(t, f, nil)
	for _, c := range []*core.Cache{c, withPrefix(t, c, "p:")} {
		for name, verb := range fromVerbs(c) {
			if n, err := verb(t.Context(), "n", 1, 41, 0); n != 0 || err != core.ErrMiss {
				t.Errorf("%s = %d, %v; want a miss", name, n, err)
			}
		}
	}
	if keys := f.keys(); len(keys) != 0 {
		t.Errorf("the backend stored %q, want nothing", keys)
	}
}
