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
	for _, verb := range []func(context.Context, string, uint64) (uint64, error){c.Incr, c.Decr} {
		if n, err := verb(t.Context(), "absent", 3); n != 0 || err != core.ErrMiss {
			t.Errorf("got %d, %v; want a miss", n, err)
		}
	}
	if keys := b.keys(); len(keys) != 0 {
		t.Errorf("a miss stored %q", keys)
	}
}

func TestCountersAtTheEdges(t *testing.T) {
	const most = math.MaxUint64
	ctx := t.Context()
	for _, test := range []struct {
		name string
		held string // "" is absent
		call func(c *core.Cache) (uint64, error)
		want uint64
	}{
		{"Incr", "5", func(c *core.Cache) (uint64, error) { return c.Incr(ctx, "n", 3) }, 8},
		{"Incr by nothing", "5", func(c *core.Cache) (uint64, error) { return c.Incr(ctx, "n", 0) }, 5},
		{"Incr to the end", "18446744073709551614", func(c *core.Cache) (uint64, error) { return c.Incr(ctx, "n", 1) }, most},
		{"Incr wraps", "18446744073709551615", func(c *core.Cache) (uint64, error) { return c.Incr(ctx, "n", 3) }, 2},
		{"Decr", "5", func(c *core.Cache) (uint64, error) { return c.Decr(ctx, "n", 3) }, 2},
		{"Decr stops", "5", func(c *core.Cache) (uint64, error) { return c.Decr(ctx, "n", most) }, 0},
		{"Count", "12", func(c *core.Cache) (uint64, error) { return c.Count(ctx, "n") }, 12},
		{"Count with spaces behind", "9  ", func(c *core.Cache) (uint64, error) { return c.Count(ctx, "n") }, 9},

		{"IncrFrom begins", "", func(c *core.Cache) (uint64, error) { return c.IncrFrom(ctx, "n", 3, 100, 0) }, 103},
		{"IncrFrom begins at 0", "", func(c *core.Cache) (uint64, error) { return c.IncrFrom(ctx, "n", 0, 0, 0) }, 0},
		{"IncrFrom begins beyond the end", "", func(c *core.Cache) (uint64, error) { return c.IncrFrom(ctx, "n", 2, most, 0) }, 1},
		{"IncrFrom goes on", "5", func(c *core.Cache) (uint64, error) { return c.IncrFrom(ctx, "n", 3, 100, 0) }, 8},
		{"IncrFrom wraps", "18446744073709551615", func(c *core.Cache) (uint64, error) { return c.IncrFrom(ctx, "n", 3, 100, 0) }, 2},
		{"DecrFrom begins", "", func(c *core.Cache) (uint64, error) { return c.DecrFrom(ctx, "n", 3, 100, 0) }, 97},
		{"DecrFrom begins at the end", "", func(c *core.Cache) (uint64, error) { return c.DecrFrom(ctx, "n", 0, most, 0) }, most},
		{"DecrFrom begins below 0", "", func(c *core.Cache) (uint64, error) { return c.DecrFrom(ctx, "n", 101, 100, 0) }, 0},
		{"DecrFrom goes on", "5", func(c *core.Cache) (uint64, error) { return c.DecrFrom(ctx, "n", 3, 100, 0) }, 2},
		{"DecrFrom stops", "5", func(c *core.Cache) (uint64, error) { return c.DecrFrom(ctx, "n", 6, 100, 0) }, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := open(t, newBackend(), nil)
			if test.held != "" {
				put(t, c, "n", test.held)
			}
			if got, err := test.call(c); got != test.want || err != nil {
				t.Errorf("answers %d, %v; want %d", got, err, test.want)
			}
			if got, err := c.Count(ctx, "n"); got != test.want || err != nil {
				t.Errorf("Count answers %d, %v; want %d", got, err, test.want)
			}
		})
	}
}

func TestWhatIsNotACounterIsErrNotNumberAndStays(t *testing.T) {
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

func TestACounterThatIncrFromBeginsIsFlaggedAsOne(t *testing.T) {
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
			t.Errorf("%s is %q with flags %d, %v; want %q with %d", key, item.Value, item.Flags, err, want, core.FlagInt)
		}
	}
}

func TestIncrFromGivesATTLOnlyWhenItBeginsTheCounter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, newFull(), &core.Options{DefaultTTL: time.Hour})
		ctx := t.Context()
		for key, ttl := range map[string]time.Duration{"own": time.Minute, "default": 0, "never expires": core.Forever} {
			want := ttl
			if ttl == 0 {
				want = time.Hour
			}
			for _, later := range []time.Duration{ttl, 0, 9 * time.Hour} {
				if _, err := c.IncrFrom(ctx, key, 1, 0, later); err != nil {
					t.Fatal(err)
				}
				if got, err := c.TTL(ctx, key); got != want || err != nil {
					t.Errorf("%s lives for %v, %v; want %v", key, got, err, want)
				}
			}
		}
	})
}

func TestIncrFromOfACounterThatIsThereTakesOneCall(t *testing.T) {
	b := newBackend()
	c := open(t, b, nil)
	put(t, c, "n", "5")
	b.log()
	if _, err := c.IncrFrom(t.Context(), "n", 1, 0, 0); err != nil {
		t.Fatal(err)
	}
	if calls := b.log(); len(calls) != 1 {
		t.Errorf("the backend was called %d times: %v", len(calls), calls)
	}
}

// However many begin a counter at once, it ends at initial ± n·delta, and each
// gets an answer of its own.
func TestRacingIncrFromLosesNothing(t *testing.T) {
	const n, delta, initial = 200, 3, 1000
	c := open(t, newBackend(), nil)
	for name, verb := range map[string]struct {
		call func(context.Context, string, uint64, uint64, time.Duration) (uint64, error)
		step int
	}{"IncrFrom": {c.IncrFrom, delta}, "DecrFrom": {c.DecrFrom, -delta}} {
		t.Run(name, func(t *testing.T) {
			for range 20 {
				answers := make([]uint64, n)
				together(n, func(i int) {
					var err error
					if answers[i], err = verb.call(t.Context(), name, delta, initial, 0); err != nil {
						t.Error(err)
					}
				})
				slices.Sort(answers)
				if verb.step < 0 {
					slices.Reverse(answers)
				}
				for i, got := range answers {
					if want := uint64(initial + (i+1)*verb.step); got != want {
						t.Fatalf("answer %d is %d, want %d", i, got, want)
					}
				}
				wantErr(t, c.Delete(t.Context(), name), nil)
			}
		})
	}
}

// A key that is never there to be moved and always there when it is to be added:
// somebody deletes it each time between the two, or the backend is wrong.
func TestIncrFromGivesUpOnACounterThatComesAndGoes(t *testing.T) {
	b := newBackend()
	calls := 0
	b.before = func(_ context.Context, verb, _ string) error {
		if calls++; calls > 100 {
			return errors.New("is this ever to end?")
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
	for _, verb := range []func(context.Context, string, uint64, uint64, time.Duration) (uint64, error){c.IncrFrom, c.DecrFrom} {
		calls = 0
		n, err := verb(t.Context(), "n", 1, 0, 0)
		wantErr(t, err, core.ErrConflict)
		if n != 0 || calls < 4 {
			t.Errorf("answers %d after %d calls, want 0 after a few", n, calls)
		}
	}
}

func TestIncrFromEndsWithItsContextThoughTheCounterComesAndGoes(t *testing.T) {
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
	if calls := b.log(); len(calls) != 2 {
		t.Errorf("the backend was called %d times: %v", len(calls), calls)
	}
}

func TestIncrFromAnswersTheErrorOfItsAdd(t *testing.T) {
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
	if calls := b.log(); n != 0 || len(calls) != 2 {
		t.Errorf("answers %d after %d calls, want 0 after 2", n, len(calls))
	}
}

// A number that nothing holds would look like a counter that works.
func TestIncrFromMissesOnABackendThatKeepsNothing(t *testing.T) {
	f := newFull()
	f.traits.KeepsNothing = true
	c := open(t, f, nil)
	for _, c := range []*core.Cache{c, view(t, c, "p:")} {
		for _, verb := range []func(context.Context, string, uint64, uint64, time.Duration) (uint64, error){c.IncrFrom, c.DecrFrom} {
			if n, err := verb(t.Context(), "n", 1, 41, 0); n != 0 || err != core.ErrMiss {
				t.Errorf("answers %d, %v; want a miss", n, err)
			}
		}
	}
	if keys := f.keys(); len(keys) != 0 {
		t.Errorf("stored are %q", keys)
	}
}
