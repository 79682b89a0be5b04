package core_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cachewire/cachewire/core"
)

// A starter is a backend that is a CounterStarter. It records the calls of IncrFrom and
// DecrFrom, and returns err from them.
type starter struct {
	*backend
	calls []string
	err   error
}

func (s *starter) IncrFrom(
	_ context.Context, key string, delta, initial uint64, ttl time.Duration,
) (uint64, error) {
	s.calls = append(s.calls, fmt.Sprint("IncrFrom ", key, " ", delta, " ", initial, " ", ttl))
	return 7, s.err
}

func (s *starter) DecrFrom(
	_ context.Context, key string, delta, initial uint64, ttl time.Duration,
) (uint64, error) {
	s.calls = append(s.calls, fmt.Sprint("DecrFrom ", key, " ", delta, " ", initial, " ", ttl))
	return 8, s.err
}

func TestIncrFromCallsACounterStarterOnce(t *testing.T) {
	ctx := t.Context()
	s := &starter{backend: newBackend()}
	c := open(t, s, &core.Options{Prefix: "p:", DefaultTTL: time.Minute})
	s.takeCalls()
	if n, err := c.IncrFrom(ctx, "k", 1, 2, 0); n != 7 || err != nil {
		t.Errorf("IncrFrom = %d, %v; want 7", n, err)
	}
	if n, err := c.DecrFrom(ctx, "k", 3, 4, core.Forever); n != 8 || err != nil {
		t.Errorf("DecrFrom = %d, %v; want 8", n, err)
	}
	want := []string{"IncrFrom p:k 1 2 1m0s", "DecrFrom p:k 3 4 0s"}
	if !slices.Equal(s.calls, want) {
		t.Errorf("the calls of the backend are %q, want %q", s.calls, want)
	}
	wantNoCalls(t, s.backend)
}

func TestIncrFromChecksItsArgumentsBeforeItCallsACounterStarter(t *testing.T) {
	s := &starter{backend: newBackend()}
	c := open(t, s, nil)
	_, err := c.IncrFrom(t.Context(), "", 1, 2, 0)
	wantErr(t, err, core.ErrInvalidKey)
	_, err = c.DecrFrom(t.Context(), "k", 1, 2, -1)
	wantErr(t, err, core.ErrInvalidTTL)
	if len(s.calls) != 0 {
		t.Errorf("the calls of the backend are %q, want none", s.calls)
	}
}

func TestIncrFromReturnsTheErrorOfACounterStarter(t *testing.T) {
	s := &starter{backend: newBackend(), err: core.ErrNotNumber}
	c := open(t, s, nil)
	n, err := c.IncrFrom(t.Context(), "k", 1, 2, 0)
	wantErr(t, err, core.ErrNotNumber)
	if n != 0 {
		t.Errorf("IncrFrom = %d with the error, want 0", n)
	}
}
