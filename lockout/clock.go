package lockout

import (
	"sync/atomic"
	"time"
)

// A clock reads the time of day. Reading the clocks of the processor takes longer than the
// rest of an attempt. So while a clock is in use, a timer reads the time of day every few
// milliseconds. Then now reads only one clock, the time since the start, and lastTick reads
// none.
type clock struct {
	start  time.Time
	atZero atomic.Int64 // the time of day at start, in nanoseconds since 1970, or 0 without ticks
	tick   atomic.Int64 // the time of day at the last tick, or 0 without ticks

	inUse   atomic.Bool // whether the clock was read since the last tick
	ticking atomic.Bool
	timer   *time.Timer // of the next tick
}

const (
	clockTick = 10 * time.Millisecond

	// clockTrust is how far behind lastTick may be.
	clockTrust = int64(time.Second)
)

func newClock() *clock {
	c := &clock{start: time.Now()}
	c.timer = time.AfterFunc(time.Hour, c.onTick)
	c.timer.Stop()
	return c
}

// now returns the time of day in nanoseconds since 1970.
func (c *clock) now() int64 {
	atZero := c.atZero.Load()
	if atZero == 0 {
		if c.ticking.CompareAndSwap(false, true) {
			c.inUse.Store(true)
			c.timer.Reset(clockTick)
		}
		return time.Now().UnixNano()
	}
	c.use()
	return atZero + int64(time.Since(c.start))
}

// lastTick returns the time of day at the last tick, or 0 if the clock does not tick.
func (c *clock) lastTick() int64 {
	c.use()
	return c.tick.Load()
}

func (c *clock) use() {
	if !c.inUse.Load() {
		c.inUse.Store(true)
	}
}

// onTick reads the time of day, which may have been set. If the clock was not used since the
// last tick, onTick ends the ticks.
func (c *clock) onTick() {
	if !c.inUse.Swap(false) {
		c.atZero.Store(0)
		c.tick.Store(0)
		c.ticking.Store(false)
		return
	}
	now := time.Now()
	c.atZero.Store(now.UnixNano() - int64(now.Sub(c.start)))
	c.tick.Store(now.UnixNano())
	c.timer.Reset(clockTick)
}
