package lockout

import (
	"context"
	"fmt"
	"time"

	"github.com/cachewire/cachewire/core"
)

// Terms are counters by name.
type Terms[C any] map[string]Counter[C]

// A Counter counts, and sets a lock when there are too many. A C is what the program knows
// about the caller that is counted: an address, an account, a request.
type Counter[C any] struct {
	// Key returns the key under which c is counted, such as "by_ip:192.0.2.1". Keys must
	// be unique among the counters of a lockout. If Key returns "", c is not counted.
	Key func(c C) string

	// Count is how many are allowed within Period, at least 1. The last of them sets the
	// lock.
	Count uint64

	// Period is the time for which Count holds, more than 0. The Algorithm decides when
	// it begins and ends.
	Period time.Duration

	// Duration is how long a lock lasts. If 0, there is no lock: the counter refuses while
	// Count are counted already.
	Duration time.Duration

	// MaxDuration, if more than 0, makes each lock in a row last twice as long as the one
	// before it, but not longer than MaxDuration. A lock continues a row if it is set soon
	// after the lock before it has ended: within the time that that one lasted, or within
	// Period if that is longer.
	MaxDuration time.Duration

	// Algorithm decides how the Counter forgets. If 0, it is FixedWindow.
	Algorithm Algorithm

	// Success is what a success does to the counter and its lock. If 0, it is Resets.
	Success Success

	// Alert is called when the counter has set a lock. The verb that has set it calls Alert
	// and waits until it returns. If nil, it is not called.
	Alert func(ctx context.Context, c C, e Event)
}

// Success is what a success does to a counter.
type Success uint8

const (
	Resets Success = 1 + iota // the counter, its lock and the row of locks are deleted
	Keeps                     // all of them stay as they are
)

// An Event describes a lock that was set.
type Event struct {
	Lockout string    // the name of the lockout, as it was defined
	Counter string    // the name of the term
	Count   uint64    // how many were counted
	Until   time.Time // when the lock ends
}

// maxPeriod keeps the times of a counter within 64 bits.
const maxPeriod = 50 * 365 * 24 * time.Hour

// withDefaults returns c with each of its zero fields taken from base.
func (c Counter[C]) withDefaults(base Counter[C]) Counter[C] {
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

// check returns an error that says what is wrong with the counter called name.
func (c Counter[C]) check(name string) error {
	errorf := func(format string, args ...any) error {
		args = append([]any{core.ErrConfig, name}, args...)
		return fmt.Errorf("%w: lockout: the counter %q: "+format, args...)
	}
	switch {
	case c.Key == nil:
		return errorf("Key is nil; want a function that returns the key to count under")
	case c.Count == 0:
		return errorf("Count is 0; want 1 or more")
	case c.Period <= 0 || c.Period > maxPeriod:
		return errorf("Period is %v; want more than 0, and at most 50 years", c.Period)
	case c.Duration < 0 || c.Duration > maxPeriod:
		return errorf("Duration is %v; want 0 (no lock) or more, and at most 50 years", c.Duration)
	case c.MaxDuration != 0 &&
		(c.Duration == 0 || c.MaxDuration < c.Duration || c.MaxDuration > maxPeriod):
		return errorf("MaxDuration is %v and Duration %v; want a Duration of more than 0, and "+
			"a MaxDuration of at least that and at most 50 years", c.MaxDuration, c.Duration)
	case c.Algorithm > TokenBucket:
		return errorf("Algorithm is %d; want FixedWindow, SlidingWindow or TokenBucket",
			c.Algorithm)
	case c.Algorithm != FixedWindow && c.Count > uint64(c.Period):
		return errorf("Count is %d in a Period of %v; want at most one each nanosecond",
			c.Count, c.Period)
	case c.Success > Keeps:
		return errorf("Success is %d; want Resets or Keeps", c.Success)
	}
	return nil
}
