package lockout

import (
	"sync/atomic"
	"time"
)

// A clock reads the time of day at half the price of time.Now, which reads two clocks. It
// adds the time since its start to the time of day at its start, which it finds out again
// every 10 milliseconds, because the time of day can be set.
type clock struct {
	start  time.Time
	atZero atomic.Int64 // the time of day at start, in nanoseconds since 1970
	known  atomic.Int64 // when atZero was found out, in nanoseconds since start; 0 if never
}

func newClock() *clock { return &clock{start: time.Now()} }

// now returns the time of day in nanoseconds since 1970.
func (c *clock) now() int64 {
	elapsed, known := int64(time.Since(c.start)), c.known.Load()
	if known != 0 && known <= elapsed && elapsed < known+int64(10*time.Millisecond) {
		return c.atZero.Load() + elapsed
	}
	now := time.Now()
	elapsed = int64(now.Sub(c.start))
	c.atZero.Store(now.UnixNano() - elapsed)
	c.known.Store(elapsed)
	return now.UnixNano()
}
