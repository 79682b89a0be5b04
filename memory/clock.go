package memory

import (
	"sync/atomic"
	"time"
)

// A clock measures the time since it was started. Reading the processor's clock takes
// longer than the rest of a Get. Most reads therefore use a coarse time, which a timer
// updates while it is in use.
type clock struct {
	epoch time.Time

	coarse atomic.Int64 // the time of the last tick; 0 if the clock does not tick
	inUse  atomic.Bool  // whether the coarse time was read since the last tick
	state  atomic.Uint32
	timer  *time.Timer // of the next tick
}

func (c *clock) init() {
	c.epoch = time.Now()
	c.timer = time.AfterFunc(time.Hour, c.tick)
	c.timer.Stop()
}

// States of a clock.
const (
	stopped uint32 = iota
	ticking
	closed
)

const (
	clockTick = 10 * time.Millisecond

	// clockTrust is how far behind the coarse time may be. Closer than this to a deadline,
	// the exact time decides.
	clockTrust = int64(time.Second)
)

// now returns the exact time, in nanoseconds.
func (c *clock) now() int64 { return int64(time.Since(c.epoch)) }

// approxNow returns the time of the last tick. If the clock does not tick, it starts the
// ticks and returns the exact time.
func (c *clock) approxNow() int64 {
	coarse := c.coarse.Load()
	if coarse == 0 {
		return c.start()
	}
	if !c.inUse.Load() {
		c.inUse.Store(true)
	}
	return coarse
}

// passed reports whether the time is deadline or later.
func (c *clock) passed(deadline int64) bool {
	return deadline-c.approxNow() <= clockTrust && c.now() >= deadline
}

// start starts the ticks and returns the exact time.
func (c *clock) start() int64 {
	now := c.now()
	if c.state.CompareAndSwap(stopped, ticking) {
		c.inUse.Store(true)
		c.timer.Reset(clockTick) // coarse stays 0 until then, so that approxNow is exact
	}
	return now
}

// tick updates the coarse time. If it was not read since the last tick, tick stops the
// ticks instead.
func (c *clock) tick() {
	if c.inUse.Swap(false) && c.state.Load() == ticking {
		c.coarse.Store(c.now())
		c.timer.Reset(clockTick)
		return
	}
	c.coarse.Store(0)
	c.state.CompareAndSwap(ticking, stopped)
}

// close ends the ticks permanently.
func (c *clock) close() {
	c.state.Store(closed)
	c.timer.Stop()
	c.coarse.Store(0)
}
