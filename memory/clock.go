package memory

import (
	"sync/atomic"
	"time"
)

// A clock tells the time since it began. Reading the processor's takes longer than all
// else in a Get, so most reads look at a coarse one, which a timer moves on for as long
// as somebody looks at it.
type clock struct {
	epoch time.Time

	coarse  atomic.Int64 // the time of the last tick; 0 while there are none
	watched atomic.Bool  // since the last tick
	state   atomic.Uint32
	timer   *time.Timer // of the next tick
}

func (c *clock) init() {
	c.epoch = time.Now()
	c.timer = time.AfterFunc(time.Hour, c.tick)
	c.timer.Stop()
}

// States of a clock.
const (
	resting uint32 = iota
	ticking
	closed
)

const (
	clockTick = 10 * time.Millisecond

	// clockTrust is by how much the coarse time may be behind. What happens that close
	// to a deadline is decided by the exact time.
	clockTrust = int64(time.Second)
)

// now answers the exact time, in nanoseconds.
func (c *clock) now() int64 { return int64(time.Since(c.epoch)) }

// about answers the time of the last tick, or where there are none the exact one.
func (c *clock) about() int64 {
	coarse := c.coarse.Load()
	if coarse == 0 {
		return c.start()
	}
	if !c.watched.Load() {
		c.watched.Store(true)
	}
	return coarse
}

// passed tells whether it is deadline, or later.
func (c *clock) passed(deadline int64) bool {
	return deadline-c.about() <= clockTrust && c.now() >= deadline
}

// start starts the ticks and answers the exact time.
func (c *clock) start() int64 {
	now := c.now()
	if c.state.CompareAndSwap(resting, ticking) {
		c.watched.Store(true)
		c.timer.Reset(clockTick) // only ticks tell a time, so that without any it is exact
	}
	return now
}

// tick moves the coarse time on, or ends it where nobody has looked.
func (c *clock) tick() {
	if c.watched.Swap(false) && c.state.Load() == ticking {
		c.coarse.Store(c.now())
		c.timer.Reset(clockTick)
		return
	}
	c.coarse.Store(0)
	c.state.CompareAndSwap(ticking, resting)
}

// close ends the ticks.
func (c *clock) close() {
	c.state.Store(closed)
	c.timer.Stop()
	c.coarse.Store(0)
}
