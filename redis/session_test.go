package redis

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachewire/cachewire/core"
)

// The pauses between sessions that never worked grow up to a second. After one that worked they
// begin small.
func TestPausesBetweenSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		failure := errors.New("no server")
		var starts []time.Time
		lost := 0
		subscribe(ctx, func(n core.Notice) {
			if lost++; !errors.Is(n.Lost, failure) {
				t.Errorf("the notice %d is %+v, want Lost", lost, n)
			}
		}, func(context.Context, func(core.Notice)) (worked bool, err error) {
			if starts = append(starts, time.Now()); len(starts) == 12 {
				cancel()
			}
			return len(starts) == 9, failure
		})
		var pauses []time.Duration
		for i := range starts[1:] {
			pauses = append(pauses, starts[i+1].Sub(starts[i])/time.Millisecond)
		}
		want := []time.Duration{20, 40, 80, 160, 320, 640, 1000, 1000, 20, 40, 80}
		if !slices.Equal(pauses, want) || lost != 11 {
			t.Errorf("the pauses are %d ms after %d losses, want %d after 11", pauses, lost, want)
		}
	})
}
