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

	// Period is more than 0. What becomes of it is the Algorithm's.
	Period time.Duration

	// Duration is how long the lock lasts. 0 is no lock: one is refused for as long as
	// there are Count already.
	Duration time.Duration

	// MaxDuration, if more than 0, has each lock in a row last twice as long as the one
	// before, and at most so long. A lock is the next in a row if it is set no later than
	// the one before has lasted, or Period, after its end.
	MaxDuration time.Duration

	// Algorithm is how the Counter forgets; 0 is FixedWindow.
	Algorithm Algorithm

	// Success is what a success does to the counter and its lock; 0 is Resets.
	Success Success

	// Alert is called when the counter has set a lock, by the one that has, who waits for
	// it; nil is not.
	Alert func(ctx context.Context, c C, e Event)
}

// Success is what a success does to a counter.
type Success uint8

const (
	Resets Success = 1 + iota // the counter, its lock and the row of locks are deleted
	Keeps                     // all stay as they are
)

// An Event is a lock that was set.
type Event struct {
	Lockout string    // its name, as it was defined
	Counter string    // the name of the term
	Count   uint64    // how many there were
	Until   time.Time // when the lock ends
}

// maxPeriod keeps the times of a counter within the 64 bits that they have.
const maxPeriod = 50 * 365 * 24 * time.Hour

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
	if c.MaxDuration == 0 {
		c.MaxDuration = base.MaxDuration
	}
	if c.Algorithm == 0 {
		c.Algorithm = base.Algorithm
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
		return fmt.Errorf("%w: lockout: the counter %q: "+format, append([]any{core.ErrConfig, name}, args...)...)
	}
	switch {
	case c.Key == nil:
		return wrong("there is no Key")
	case c.Count == 0:
		return wrong("Count is 0, want 1 or more")
	case c.Period <= 0 || c.Period > maxPeriod:
		return wrong("Period is %v, want more than 0, and no more than 50 years", c.Period)
	case c.Duration < 0 || c.Duration > maxPeriod:
		return wrong("Duration is %v, want 0, for no lock, or more, and no more than 50 years", c.Duration)
	case c.MaxDuration != 0 && (c.Duration == 0 || c.MaxDuration < c.Duration || c.MaxDuration > maxPeriod):
		return wrong("MaxDuration is %v and Duration %v, want a Duration of more than 0 and a MaxDuration of no less, and no more than 50 years", c.MaxDuration, c.Duration)
	case c.Algorithm > TokenBucket:
		return wrong("Algorithm is %d, want FixedWindow, SlidingWindow or TokenBucket", c.Algorithm)
	case c.Algorithm != FixedWindow && c.Count > uint64(c.Period):
		return wrong("Count is %d in a Period of %v, want no more than one a nanosecond", c.Count, c.Period)
	case c.Success > Keeps:
		return wrong("Success is %d, want Resets or Keeps", c.Success)
	}
	return nil
}
