package lockout

import (
	"errors"
	"fmt"
	"time"

	"github.com/cachewire/cachewire/core"
)

// ErrLocked means that there is a lock, or that a counter without a lock has no room.
// errors.Is finds it in a *LockedError.
var ErrLocked = errors.New("lockout: locked")

// A LockedError says which rule refuses.
type LockedError struct {
	Lockout string    // the name of the lockout
	Rule    string    // the name of the rule
	Until   time.Time // when the lock ends, or when there is room; zero if not known, or never
}

func (e *LockedError) Error() string {
	text := fmt.Sprintf("%s: %s, by %s", ErrLocked, e.Lockout, e.Rule)
	if !e.Until.IsZero() {
		text += ", until " + e.Until.Format(time.RFC3339)
	}
	return text
}

// Unwrap returns ErrLocked.
func (e *LockedError) Unwrap() error { return ErrLocked }

// errKeepsNothing is the error of a cache whose Traits say that it keeps nothing.
var errKeepsNothing = fmt.Errorf(
	"%w: lockout: the cache keeps nothing, so that nothing is counted", core.ErrUnavailable)

// isUnreadable reports whether err means that the value under a key is not a counter.
func isUnreadable(err error) bool {
	return err != nil && (errors.Is(err, core.ErrNotNumber) || errors.Is(err, core.ErrCodec))
}

// join is errors.Join, except that it returns a single error unchanged.
func join(one, other error) error {
	switch {
	case one == nil:
		return other
	case other == nil:
		return one
	}
	return errors.Join(one, other)
}

// timeOf returns a time in nanoseconds since 1970 as a time.Time. It returns the zero time
// for 0.
func timeOf(nanoseconds int64) time.Time {
	if nanoseconds == 0 {
		return time.Time{}
	}
	return time.Unix(0, nanoseconds)
}

// configError returns an error about a field of the rule called name.
func configError(field, name string, value any, want string, args ...any) error {
	return fmt.Errorf("%w: lockout: %s of %q is %v; want %s",
		core.ErrConfig, field, name, value, fmt.Sprintf(want, args...))
}
