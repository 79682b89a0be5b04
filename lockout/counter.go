package lockout

import (
	"context"
	"fmt"
	"time"

	"github.com/cachewire/cachewire/core"
)

// Terms are counters by name.
type Terms[C any] map[string]Counter[C]

// A Counter counts, and sets a lock when there are too many. C is what the caller knows of
// who is counted: an address, an account, a request.
type Counter[C any] struct {
	// Key answers by what c is counted, such as "by_ip:192.0.2.1". Of no two counters of
	// a lockout it may be the same. A c for which it is "" is not counted.
	Key func(c C) string

	// Count is how many there may be within Period, at least 1: the last of them sets the
	// lock.
	Count uint64

	// Period begins with the first that is counted, and Duration is how long the lock
	// lasts; both are more than 0.
	Period, Duration time.Duration

	// Success is what a success does to the counter and its lock; 0 is Resets.
	Success Success

	// Alert is called when the counter has set a lock, by the one that has; nil is not.
	Alert func(ctx context.Context, c C, e Event)
}

// Success is what a success does to a counter.
type Success uint8

const (
	Resets Success = 1 + iota // the counter and its lock are deleted
	Keeps                     // both stay as they are
)

// An Event is a lock that was set.
type Event struct {
	Lockout string    // its name, as it was defined
	Counter string    // the name of the term
	Count   uint64    // how many there were
	Until   time.Time // when the lock ends
}

// over answers c with what is zero in it taken from base.
func (c Counter[C]) over(base Counter[C]) Counter[C] {
	if c.Key == nil {
		c.Key = base.Key
	}
	if c.Count == 0 {
		c.Count = base.Count
	}
	if c.Period == 0 {
		c.Period = base.Period
	}
	if c.Duration == 0 {
		c.Duration = base.Duration
	}
	if c.Success == 0 {
		c.Success = base.Success
	}
	if c.Alert == nil {
		c.Alert = base.Alert
	}
	return c
}

// check answers what is wrong with the counter called name.
func (c Counter[C]) check(name string) error {
	wrong := func(format string, args ...any) error {
		return fmt.Errorf("lockout: %w: the counter %q: "+format, append([]any{core.ErrConfig, name}, args...)...)
	}
	switch {
	case c.Key == nil:
		return wrong("there is no Key")
	case c.Count == 0:
		return wrong("Count is 0, want 1 or more")
	case c.Period <= 0:
		return wrong("Period is %v, want more than 0", c.Period)
	case c.Duration <= 0:
		return wrong("Duration is %v, want more than 0", c.Duration)
	case c.Success > Keeps:
		return wrong("Success is %d, want Resets or Keeps", c.Success)
	}
	return nil
}
